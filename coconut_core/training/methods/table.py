"""The methods of training: the table of them, to which plugins add. Needs no torch.

A method is a list of stages, and where it is more than ordinary training: how a problem is laid out as the
sequences of several passes through the model, a loss over what those passes come to, and a module that is
trained and saved beside the model. All else (data, optimizer, checkpoints, logs) is the same for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.plugins import METHODS_GROUP, Table
from coconut_core.common.records import WORDS, Limit, Range, check_limits
from coconut_core.training.curriculum import (
    ALL,
    Curriculum,
    Stage,
    at_once,
    by_tokens,
    gradual,
    thoughts_at_once,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from coconut_core.coconut import CoconutModel
    from coconut_core.training.encoding import Encoder, Example, TokenizedProblem
    from coconut_core.training.methods.passes import Pass

    Samples = tuple[Sequence[Example], Mapping[str, float]]

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """An entry of a recipe's [options]; a value has to be of the default's type."""

    default: bool | int | float | str
    description: str
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True)
class Method:
    """A method of training. What is None is as in ordinary training: one pass, called "main", and the mean
    cross entropy over its labels."""

    description: str
    stages: Callable[[Curriculum], list[Stage]]
    feedback: str = "hidden"  # what is fed at a thought where the recipe does not say it
    options: Mapping[str, Option] = field(default_factory=dict)
    # The sequences of a problem at a stage, by the names of the passes; "main" is what a run reads and says.
    lay_out: "Callable[[Encoder, TokenizedProblem, Stage, Options], Mapping[str, Example]] | None" = None
    # Parts of the loss by name, which are added up; each is the part of a mean over the step, see Pass.
    loss: "Callable[[CoconutModel, Mapping[str, Pass], Options], Mapping[str, Tensor]] | None" = None
    # What takes the place of a step's examples, drawn by the model from those and a seed, and numbers for the
    # log; with an option "updates" for so many steps.
    sample: "Callable[[CoconutModel, Sequence[Example], Options, int], Samples] | None" = None
    # What is trained beside the model; its save(folder) writes what a checkpoint's folder is to keep of it.
    module: "Callable[[CoconutModel, Options], nn.Module] | None" = None


PAPER_METHODS = {  # the comparison of arXiv 2412.06769: other stages, or another feedback
    "coconut": Method(
        "steps replaced by continuous thoughts, one more at each stage",
        lambda curriculum: gradual(curriculum, curriculum.thoughts_per_step),
    ),
    "cot": Method(
        "chain of thought in words throughout", lambda curriculum: at_once(curriculum, removed=0, thoughts=0)
    ),
    "no-cot": Method(
        "the answer alone, no steps", lambda curriculum: at_once(curriculum, removed=ALL, thoughts=0)
    ),
    "pause": Method(
        "the answer alone, after learned pause tokens (arXiv 2310.02226)",
        thoughts_at_once,
        feedback="pause",
    ),
    "icot": Method("steps removed token by token, nothing in their place (arXiv 2405.14838)", by_tokens),
    "coconut-no-curriculum": Method(
        "all thoughts from the first step on, never a step in words",
        thoughts_at_once,
    ),
    "coconut-no-thoughts": Method(
        "the curriculum of coconut with nothing in place of the steps",
        lambda curriculum: gradual(curriculum, 0),
    ),
    "coconut-pause": Method(
        "the curriculum of coconut with a learned pause token as thought",
        lambda curriculum: gradual(curriculum, curriculum.thoughts_per_step),
        feedback="pause",
    ),
}


def _codi() -> Any:
    """The module of CODI, which imports torch: only when something is trained."""
    from coconut_core.training.methods import codi

    return codi


def _sim_cot() -> Any:
    """The module of SIM-CoT, likewise."""
    from coconut_core.training.methods import sim_cot

    return sim_cot


def _grpo() -> Any:
    """The module of GRPO, likewise."""
    from coconut_core.training.methods import grpo

    return grpo


WEIGHT = (Range(0, 1_000_000),)
DISTILLATION = {
    "student": Option(1.0, "weight of the loss behind thoughts", WEIGHT),
    "teacher": Option(1.0, "weight of the loss in words", WEIGHT),
    "distillation": Option(1.0, "weight of the distance between their states", WEIGHT),
    "last_step": Option(False, "whether the teacher reads the last step, which names the answer"),
}
METHODS = {
    **PAPER_METHODS,
    "codi": Method(
        "all thoughts at once, distilled from the model's own reasoning in words (arXiv 2502.21074)",
        thoughts_at_once,
        options=DISTILLATION,
        lay_out=lambda *given: _codi().lay_out(*given),
        loss=lambda *given: _codi().loss(*given),
    ),
    "pccot": Method(
        "CODI's distillation for thoughts that are found side by side (arXiv 2506.18582)",
        thoughts_at_once,
        options=DISTILLATION,
        lay_out=lambda *given: _codi().lay_out(*given),
        loss=lambda *given: _codi().loss(*given, first_state=1),
    ),
    "sim-cot": Method(
        "coconut with a decoder that has to say each whole step from its thoughts (arXiv 2509.20317)",
        PAPER_METHODS["coconut"].stages,
        options={
            "weight": Option(1.0, "weight of the decoder's loss", WEIGHT),
            "decoder": Option("", "folder or hub id that the decoder begins as; empty: a copy of the model"),
        },
        lay_out=lambda *given: _sim_cot().lay_out(*given),
        loss=lambda *given: _sim_cot().loss(*given),
        module=lambda *given: _sim_cot().decoder(*given),
    ),
    "grpo": Method(
        "answers that the model draws behind its thoughts, rewarded where right (arXiv 2402.03300)",
        thoughts_at_once,
        options={
            "group": Option(8, "answers drawn to each question", (Range(2, 1000),)),
            "words": Option(64, "tokens that an answer has at most", (Range(1, 100_000),)),
            "temperature": Option(1.0, "at which they are drawn", (Range(0.01, 100),)),
            "updates": Option(1, "steps that learn from the same answers", (Range(1, 1000),)),
            "clip": Option(0.2, "how far from 1 the ratio of probabilities still counts", (Range(0, 1),)),
            "kl": Option(0.0, "weight of the distance from the starting weights; 0: they are not kept", WEIGHT),
        },
        sample=lambda *given: _grpo().sample(*given),
        loss=lambda *given: _grpo().loss(*given),
        module=lambda *given: _grpo().reference(*given),
    ),
}
TABLE = Table("method", METHODS_GROUP, Method, METHODS)


def method_named(name: str) -> Method:
    """The method of a name. Raises CoconutError, which names the nearest one, for an unknown one, and for a
    plugin that does not work."""
    method = TABLE.get(name)
    if method is None:
        known = TABLE.names()
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'? known are" if near else "known are"
        raise CoconutError(f"unknown method '{name}': {hint} {', '.join(known)}")
    return method


def expand(name: str, curriculum: Curriculum) -> tuple[Stage, ...]:
    """The stages of a method, in order, without those skipped. Raises CoconutError where none is left, or where
    the lengths do not fit into the total."""
    method = method_named(name)
    warmup = [Stage(curriculum.lookup, kind="lookup")] if curriculum.lookup else []
    stages = [*warmup, *method.stages(curriculum)]
    if any(stage.length < 1 for stage in stages):
        raise CoconutError(
            f"the stages of '{name}' need more than the {curriculum.total} {curriculum.unit} of "
            "curriculum.total: raise it, or lower per_stage or stages"
        )
    return tuple(stages)


def with_defaults(name: str, options: Options) -> dict[str, Any]:
    """All options of a method, those given and the defaults of the others. Raises CoconutError for one that the
    method does not have, naming the methods that have it, and for a value that it cannot be."""
    known = method_named(name).options
    for option, value in options.items():
        if option not in known:
            raise CoconutError(f"options.{option}: method '{name}' {_lacks(option, known)}")
        _check_value(f"options.{option}", value, known[option])
    return {option: options.get(option, known[option].default) for option in known}


def _lacks(option: str, known: Mapping[str, Option]) -> str:
    owners = [name for name, method in TABLE.values().items() if option in method.options]
    if owners:
        return f"does not have that, which is an option of {', '.join(owners)}: leave it out"
    near = get_close_matches(option, known, n=1)
    has = f"has {', '.join(known)}" if known else "has no options"
    return has + (f": did you mean '{near[0]}'?" if near else ": leave it out")


def _check_value(entry: str, value: Any, option: Option) -> None:
    kind = type(option.default)
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits:
        raise CoconutError(f"the entry '{entry}' must be {WORDS[kind.__name__]}, not {value!r:.60}")
    check_limits(entry, value, *option.limits)
