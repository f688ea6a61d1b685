"""Which run a grid changes, and from which run it takes what it patches in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coconut_core.analysis.insight import prompt_words
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.deciding import Parting, least_sure, parting
from coconut_core.evaluation.variants import answers_with
from coconut_core.grid.layouts import ZERO, Direction, Kind, Layout, Size, layout_of
from coconut_core.interventions.donors import Sources, stream_of
from coconut_core.latent.layers import head_count
from coconut_core.latent.model import LatentModel
from coconut_core.problems.base import Problem
from coconut_core.records.answers import wrong_answer
from coconut_core.runs.generate import Answer
from coconut_core.runs.plan import Plan

DRAWN = ("twin", "random", "same-hop")  # donors that are another question's run


@dataclass(frozen=True)
class Choice:
    """Which grid is measured.

    donor: whose activations are patched in, or ZERO; of denoising whose run is repaired. thought: at which one
    heads are patched, None for all. others: problems to draw donors from and to take means over, None for those
    of the model's family. thoughts: how many a run takes, None for what the checkpoint says.
    """

    kind: Kind = Kind.ABLATIONS
    direction: Direction = Direction.NOISING
    donor: str = "twin"
    thought: int | None = None
    others: Sequence[Problem] | None = None
    thoughts: int | None = None
    seed: int = 0
    max_new_tokens: int = 64  # of an answer

    def layout(self, size: Size) -> Layout:
        """Its rows, columns and cells; see layout_of."""
        return layout_of(self.kind, size, donor=self.donor, direction=self.direction, thought=self.thought)

    def layout_over(self, model: LatentModel, question: str, thoughts: int) -> Layout:
        """The same over a model's run of a question, of so many thoughts."""
        by_position = self.kind in (Kind.PROMPT, Kind.PATHS)
        named = position_names(model, question) if by_position else ()
        return self.layout(Size(thoughts, model.shape.num_hidden_layers, head_count(model), named))


@dataclass(frozen=True)
class Setting:
    """One question with what its grid needs.

    problem: the question, whose right answer is the first of the two that are compared; question: the one that
    is run, which is another one where a donor's run is repaired; at: where the answers part, None where that is
    only known once all have been given; own: the answer to the problem's question where nothing is changed.
    """

    model: LatentModel
    choice: Choice
    problem: Problem
    question: str
    sources: Sources
    at: Parting | None
    own: Answer
    thoughts: int  # of the run that is changed

    def layout(self) -> Layout:
        """The grid that is to be measured. Raises CoconutError where there is no such grid."""
        return self.choice.layout_over(self.model, self.question, self.thoughts)


def setting_of(
    model: LatentModel, problem: Problem, choice: Choice, interrupt: Callable[[], None] = lambda: None
) -> Setting:
    """What a question's grid needs; what interrupt raises ends it.

    The answers part where the right one and the wrong candidate's do; where no wrong one is known, the donor's
    answer stands for it. Raises CoconutError where there is no such donor.
    """
    settings = choice.others, choice.thoughts, choice.seed, interrupt
    sources = Sources(model, problem.question, problem, *settings)
    other = _donor_problem(sources, choice)
    questions = [problem.question, *([] if other is None else [other.question])]
    own, *theirs = (_answer(model, question, choice, interrupt) for question in questions)
    known = bool(theirs) or wrong_answer(problem) is not None
    at = _place(model, problem, own, theirs, choice.thoughts) if known else None
    if choice.direction is Direction.NOISING or other is None:
        return Setting(model, choice, problem, problem.question, sources, at, own, _first(model, choice, own))
    repaired = Sources(model, other.question, other, *settings, runs={choice.donor: sources.own})
    if choice.kind is Kind.PROMPT:
        repaired.streams[choice.donor] = stream_of(model, problem.question)
    thoughts = _first(model, choice, theirs[0])
    return Setting(model, choice, problem, other.question, repaired, at, own, thoughts)


def _first(model: LatentModel, choice: Choice, answer: Answer) -> int:
    """How many thoughts a run takes in its first latent segment, in which all is done."""
    return min(answer.thoughts, model.config.thoughts if choice.thoughts is None else choice.thoughts)


def _donor_problem(sources: Sources, choice: Choice) -> Problem | None:
    """Whose activations are patched in, or whose run is repaired; None where the grid needs none."""
    noising = choice.direction is Direction.NOISING
    if choice.donor == ZERO or (choice.kind is Kind.PATHS and noising):
        return None
    if choice.donor not in DRAWN:
        raise CoconutError(f"'{choice.donor}' is no donor of a grid: choose {', '.join(DRAWN)} or {ZERO}")
    try:
        return sources.donor_problem(choice.donor)
    except CoconutError:
        if choice.kind is Kind.ABLATIONS and noising:  # of which most need no donor
            return None
        raise


def _answer(model: LatentModel, question: str, choice: Choice, interrupt: Callable[[], None]) -> Answer:
    settings = {"thoughts": choice.thoughts, "max_new_tokens": choice.max_new_tokens}
    return next(answers_with(model, question, [Plan()], interrupt=interrupt, **settings))  # type: ignore[arg-type]


def position_names(model: LatentModel, question: str) -> tuple[str, ...]:
    """The words of a question's prompt by position; a word of several tokens has its parts numbered."""
    names: dict[int, str] = {}
    for word in prompt_words(model, question):
        text = " ".join(word.text.split()) or repr(word.text)[1:-1]
        for part, position in enumerate(word.positions, start=1):
            names[position] = text if len(word.positions) == 1 else f"{text} ({part})"
    return tuple(names[position] for position in sorted(names))


def _place(
    model: LatentModel, problem: Problem, own: Answer, theirs: Sequence[Answer], thoughts: int | None
) -> Parting | None:
    def find_unsure(answer: tuple[int, ...]) -> int:
        return least_sure(model, problem.question, Plan(), answer, thoughts=thoughts)

    return parting(model, problem, own, theirs, find_unsure)
