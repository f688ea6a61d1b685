"""One question, with one thing after another done to its thoughts: the answers, and how far each moves the
model from the right answer to the wrong one. What-if tables, sweeps and grids are made of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from coconut_core.evaluation.deciding import NextWords, Parting, least_sure, next_words, parting
from coconut_core.evaluation.side_by_side import batches
from coconut_core.latent.model import LatentModel
from coconut_core.problems.base import Problem
from coconut_core.records.answers import wrong_answer
from coconut_core.runs.generate import Answer, answer_of, run_named
from coconut_core.runs.plan import Plan

Interrupt = Callable[[], None]


@dataclass
class Variants:
    """Runs of one question by number; number 0 is the one that the others are compared with.

    thoughts: how many a run takes whose plan does not say, None for what the checkpoint says. What is found
    comes in bit by bit while `find` goes on.
    """

    model: LatentModel
    question: str
    problem: Problem | None
    plans: Mapping[int, Plan]
    thoughts: int | None = None
    max_new_tokens: int = 64
    answers: dict[int, Answer] = field(default_factory=dict)
    parting: Parting | None = None  # given, or None until it is known, and where nothing is said
    next_words: dict[int, NextWords] = field(default_factory=dict)

    def find(self, changed: Callable[[], None], interrupt: Interrupt) -> None:
        """Find out everything; changed is called whenever there is more. What interrupt raises ends it.

        The probabilities come first where it is given at which words answers part, or the question says it.
        """
        others = [number for number in self.plans if number]
        self._answer([0], changed, interrupt)
        if self.parting is None and self.problem is not None and wrong_answer(self.problem) is not None:
            self._part(interrupt)
        known = self.parting is not None
        if known:
            self._read(changed, interrupt)
        self._answer(others, changed, interrupt)
        if not known:
            self._part(interrupt)
            self._read(changed, interrupt)

    def _answer(self, numbers: Sequence[int], changed: Callable[[], None], interrupt: Interrupt) -> None:
        def ended(number: int, answer: Answer) -> None:
            self.answers[numbers[number]] = answer
            changed()

        plans = [self.plans[number] for number in numbers]
        every = answers_with(
            self.model,
            self.question,
            plans,
            thoughts=self.thoughts,
            max_new_tokens=self.max_new_tokens,
            interrupt=interrupt,
            ended=ended,
        )
        for _ in every:
            pass

    def _part(self, interrupt: Interrupt) -> None:
        own, others = self.answers[0], [answer for number, answer in self.answers.items() if number]

        def find_unsure(answer: tuple[int, ...]) -> int:
            return least_sure(
                self.model, self.question, self.plans[0], answer, thoughts=self.thoughts, interrupt=interrupt
            )

        self.parting = parting(self.model, self.problem, own, others, find_unsure)

    def _read(self, changed: Callable[[], None], interrupt: Interrupt) -> None:
        if self.parting is None:
            return
        read = next_words(
            self.model,
            self.question,
            [*self.plans.values()],
            self.parting,
            thoughts=self.thoughts,
            interrupt=interrupt,
        )
        for number, found in zip(self.plans, read, strict=True):
            self.next_words[number] = found
            changed()


def answers_with(
    model: LatentModel,
    question: str,
    plans: Sequence[Plan],
    *,
    thoughts: int | None = None,
    max_new_tokens: int = 64,
    interrupt: Interrupt | None = None,
    ended: Callable[[int, Answer], None] | None = None,
) -> Iterator[Answer]:
    """The answers to one question, which is read once, with each plan done to the thoughts, in order.

    interrupt, ended: see generate. Raises what goes wrong in a run, such as numbers that overflow.
    """
    for context, rows in batches(model, question, plans, thoughts, max_new_tokens=max_new_tokens):
        run_named(model, context, rows, interrupt=interrupt, ended=ended)
        for row in rows.values():
            if row.error is not None:
                raise row.error
            yield answer_of(model, row)
