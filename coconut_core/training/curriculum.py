"""The curriculum: which steps of the chain of thought are gone at which stage, and what stands in their place.

A method of training says which stages a curriculum has, see coconut_core.training.methods.table; the functions
at the end are for its rows. Needs no torch.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import AtLeast0, AtLeast1, OneOf, Range

ALL = 10_000  # more steps, or tokens of steps, than any problem has


def counted(number: int, noun: str) -> str:
    """A number and what it counts, as "1 thought" or "2 thoughts"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Curriculum:
    """The settings of the paper, in steps of the optimizer or in epochs (passes over the training file)."""

    unit: Annotated[str, OneOf("steps", "epochs")] = "steps"  # what the lengths below count
    lookup: AtLeast0 = 0  # length of the look-up warm-up in front (graph problems, see training.lookup)
    first: AtLeast0 = 0  # length of stage 0, the full chain of thought; 0: the same as per_stage
    per_stage: AtLeast1 = 300  # length of each later stage but the last, which goes on to the end
    stages: Annotated[int, Range(0, ALL)] = 3  # stage k has k steps replaced
    # Which steps go first: start, as in the paper, or end; the thoughts stand behind the question in both.
    order: Annotated[str, OneOf("start", "end")] = "start"
    total: AtLeast1 = 3000  # length of the whole run, warm-up included
    # Held-out loss in nats below which a stage but the last ends, the run being as much shorter; 0: never.
    advance: Annotated[float, Range(0)] = 0.0
    skipped: Annotated[int, Range(0, ALL)] = 0  # stages that the base has been through before
    final_stage: bool = False  # one more stage, with all steps gone and as many thoughts as the one before
    thoughts_per_step: Annotated[int, Range(1, ALL)] = 1  # the paper's c
    tokens_per_stage: Annotated[int, Range(1, ALL)] = 1  # for icot: tokens of the steps that go at each stage
    pad_to_longest: bool = True  # once no step is in words, a problem with few steps still gets k·c thoughts
    other_stages: Annotated[float, Range(0, 1)] = 0.0  # share of batches of an earlier stage; see mix
    # Or "earlier": that share of examples, each of an earlier stage; or "example": each of any stage up to its
    # number of steps, later ones, too, as in the paper's code.
    mix: Annotated[str, OneOf("batch", "earlier", "example")] = "batch"
    # Stage: as in the paper; epoch: as in its code.
    reset_optimizer: Annotated[str, OneOf("never", "stage", "epoch")] = "never"


@dataclass(frozen=True)
class Stage:
    """One stage: what is taken away, what is put in its place, and for how long."""

    length: int  # in the curriculum's unit; the most of it, where Curriculum.advance may end it
    kind: str = "thoughts"  # or "lookup", the warm-up of training.lookup
    removed: int = 0  # steps taken away, from the first on
    removed_tokens: int = 0  # tokens of the steps taken away, for icot
    thoughts: int = 0
    from_end: bool = False  # whether it is the last steps, or tokens, that are taken away

    @property
    def name(self) -> str:
        """What the stage trains, in a few words."""
        if self.kind == "lookup":
            return "look-up warm-up"
        gone = "gone from the end" if self.from_end else "gone"
        parts = [
            "all steps gone" if self.removed >= ALL else "",
            f"{counted(self.removed, 'step')} {gone}" if 0 < self.removed < ALL else "",
            f"{counted(self.removed_tokens, 'token')} {gone}" if 0 < self.removed_tokens < ALL else "",
            counted(self.thoughts, "thought") if self.thoughts else "",
        ]
        return ", ".join(filter(None, parts)) or "full chain of thought"


def gradual(curriculum: Curriculum, thoughts_per_step: int) -> list[Stage]:
    """Stage 0, then one step more gone at each stage; the last one goes on to the end."""
    stages = [Stage(curriculum.first or curriculum.per_stage)]
    for step in range(1, curriculum.stages + 1):
        stages.append(Stage(curriculum.per_stage, removed=step, thoughts=step * thoughts_per_step))
    if curriculum.final_stage:
        thoughts = curriculum.stages * thoughts_per_step
        stages.append(Stage(curriculum.per_stage, removed=ALL, thoughts=thoughts))
    return _to_the_end(_in_order(_not_skipped(stages, curriculum), curriculum), curriculum)


def by_tokens(curriculum: Curriculum) -> list[Stage]:
    """iCoT (arXiv 2405.14838): some tokens more gone at each stage, and all of them at the last."""
    stages = [Stage(curriculum.first or curriculum.per_stage)]
    for number in range(1, curriculum.stages):
        stages.append(Stage(curriculum.per_stage, removed_tokens=number * curriculum.tokens_per_stage))
    stages.append(Stage(curriculum.per_stage, removed=ALL))
    return _to_the_end(_in_order(_not_skipped(stages, curriculum), curriculum), curriculum)


def at_once(curriculum: Curriculum, *, removed: int, thoughts: int) -> list[Stage]:
    """One stage from the first step to the last."""
    return _to_the_end([Stage(0, removed=removed, thoughts=thoughts)], curriculum)


def _not_skipped(stages: list[Stage], curriculum: Curriculum) -> list[Stage]:
    if curriculum.skipped >= len(stages):
        raise CoconutError(f"curriculum.skipped leaves none of {counted(len(stages), 'stage')}: lower it")
    return stages[curriculum.skipped :]


def _in_order(stages: list[Stage], curriculum: Curriculum) -> list[Stage]:
    """The stages with the last steps gone first, where the curriculum says so."""
    if curriculum.order == "start":
        return stages
    return [
        replace(stage, from_end=True) if 0 < stage.removed < ALL or stage.removed_tokens else stage
        for stage in stages
    ]


def _to_the_end(stages: list[Stage], curriculum: Curriculum) -> list[Stage]:
    *before, last = stages
    length = curriculum.total - curriculum.lookup - sum(stage.length for stage in before)
    return [*before, replace(last, length=length)]


def thoughts_at_once(curriculum: Curriculum) -> list[Stage]:
    """One stage with all steps gone and all thoughts in their place."""
    return at_once(curriculum, removed=ALL, thoughts=curriculum.stages * curriculum.thoughts_per_step)
