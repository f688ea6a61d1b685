"""A method of training: Coconut's curriculum, with each problem read in words as well.

Trained on thoughts alone, a model forgets to reason in words; here each problem is read twice, with its
thoughts and with its whole chain of thought, and the two losses are added up.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.records import Range
from coconut_core.training.curriculum import Stage, gradual
from coconut_core.training.encoding import Encoder, Example, TokenizedProblem
from coconut_core.training.methods.passes import Pass
from coconut_core.training.methods.table import Method, Option


def lay_out(
    encoder: Encoder, problem: TokenizedProblem, stage: Stage, options: Mapping[str, Any]
) -> dict[str, Example]:
    """The sequences of a problem at a stage, one for each pass through the model."""
    return {"main": encoder.sequence(problem, stage), "words": encoder.sequence(problem, Stage(length=0))}


def loss(model: CoconutModel, passes: Mapping[str, Pass], options: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parts of the loss by the names that they have in the log; training minimises their sum."""
    return {
        "thoughts": passes["main"].cross_entropy,
        "words": options["words_weight"] * passes["words"].cross_entropy,
    }


TWO_WAYS = Method(
    "coconut's curriculum, each problem read in words as well",
    lambda curriculum: gradual(curriculum, curriculum.thoughts_per_step),
    lay_out=lay_out,
    loss=loss,
    options={"words_weight": Option(1.0, "of the loss in words", (Range(0, 100),))},
)
