"""The look-up warm-up: learn to find a node's children before learning to reason over them.

Tiny graphs, each followed by several questions that are answered by a random walk, in the wording of the
recipe's family. Every walk gives many labels: without this phase a small model trained from scratch stays at
guessing for long.
"""

from collections.abc import Sequence

from coconut_core.problems.base import Problem
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, Example, Label


def lookup_example(encoder: Encoder, problems: Sequence[Problem]) -> Example:
    """The questions about one graph as one sequence without thoughts; only walks and answers are labelled."""
    ids: list[int] = []
    labels: list[Label] = []
    parts: list[int] = []
    halts: list[int] = []
    for problem in problems:
        example = encoder.sequence(encoder.tokenize(problem), Stage(0))
        ids += example.ids
        labels += example.labels
        parts += example.parts
        halts += example.halts
    return Example(ids, labels, parts, halts, prompt_length=len(ids))
