"""CODI (arXiv 2502.21074): a model that solves problems in words teaches itself to solve them in thoughts.

One model reads each problem twice. The teacher reads the question, the chain of thought in words and the
answer, without markers; the student the question, the thoughts and the answer. Both learn what they say, and at
one place the student's states are drawn to the teacher's: at the token in front of the answer itself, which has
gathered what the reasoning came to (in "The answer is: 42" the colon).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from coconut_core.coconut import CoconutModel
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, Example, TokenizedProblem
from coconut_core.training.methods.passes import MAIN, Pass

TEACHER = "teacher"


def lay_out(
    encoder: Encoder, problem: TokenizedProblem, stage: Stage, options: Mapping[str, Any]
) -> Mapping[str, Example]:
    """Student and teacher, each with a mark at the token in front of the answer itself."""
    steps = problem.steps if options["last_step"] else problem.steps[:-1]
    behind = len(problem.answer) - encoder.prefix_length(problem)  # tokens from the answer itself to the end
    passes = {MAIN: encoder.sequence(problem, stage), TEACHER: encoder.in_words_only(problem, steps)}
    return {name: replace(example, marks=(len(example.ids) - behind - 1,)) for name, example in passes.items()}


def loss(
    model: CoconutModel, passes: Mapping[str, Pass], options: Mapping[str, Any], first_state: int = 0
) -> Mapping[str, Tensor]:
    """Cross entropies of student and teacher, and how far the student's states at the mark are from the
    teacher's: smooth L1, in units of the standard deviation of the teacher's over the batch, and the mean over
    the layers. Through that no gradient reaches the teacher. first_state 1 leaves out what is fed to the first
    layer, as PCCoT does (arXiv 2506.18582)."""
    student, teacher = passes[MAIN], passes[TEACHER]
    found, wanted = student.output.layers, teacher.output.layers
    assert found is not None
    assert wanted is not None
    found, wanted = found[:, 0, first_state:], wanted[:, 0, first_state:].detach()  # (batch, layers, hidden)
    distance = smooth_l1_loss(found, wanted, reduction="none").mean(dim=2) / wanted.std(dim=(0, 2))
    return {
        "student": options["student"] * student.cross_entropy,
        "teacher": options["teacher"] * teacher.cross_entropy,
        "distillation": options["distillation"] * student.mean(distance.mean(dim=1)),
    }
