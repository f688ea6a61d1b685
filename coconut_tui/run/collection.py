"""The problems that are gone through: those of a file, or the examples of the model's family."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import AtLeast0
from coconut_core.problems import Knobs, example_problem
from coconut_core.problems.base import Problem
from coconut_tui.run.branches import Said
from coconut_tui.run.controlled import Swaps

MOST_KEPT = 500  # problems whose answers a session keeps
LISTED_EXAMPLES = 50  # a family has examples without end; so many are listed


@dataclass(frozen=True)
class Answered:
    """What is known of a problem, and a digest of its question, by which it is known again."""

    number: AtLeast0
    question: str
    said: Said | None = None
    swaps: Swaps | None = None


def digest(problem: Problem) -> str:
    """A few letters that tell a question from others."""
    return sha256(problem.question.encode("utf-8", "surrogatepass")).hexdigest()[:16]


ORDERS = ("number", "steps", "answer", "swaps")  # in which problems can be listed


@dataclass(frozen=True)
class Tally:
    """How many problems there are, were answered, rightly, were tested by swaps, and use their thoughts."""

    count: int = 0
    answered: int = 0
    right: int = 0
    tested: int = 0
    used: int = 0


class Collection:
    """Problems by number, from 1, with what is known of how they were answered."""

    def __init__(
        self, problems: Sequence[Problem] | None, family: str | None, size: Knobs | None = None
    ) -> None:
        """problems of a file; where there is none, the examples of a family, if it has any, of a size."""
        self._problems = problems
        self._family, self._size = family, size
        self.answers: dict[int, Said] = {}  # what the model answered, judged
        self.swaps: dict[int, Swaps] = {}  # what became of answers with other problems' thoughts
        self.answered: tuple[Answered, ...] = ()  # the same as it is kept, the newest

    def __bool__(self) -> bool:
        return self._problems is not None or self._family is not None

    def problem(self, number: int) -> Problem:
        """A problem by its number. Raises CoconutError where there is none."""
        if self._problems is None:
            return example_problem(self._family, number, self._size)
        if not 1 <= number <= len(self._problems):
            raise CoconutError(f"there is no problem {number}: the file has {len(self._problems)}")
        return self._problems[number - 1]

    def after(self, number: int | None, by: int) -> int:
        """The number of the problem so many behind one; the first one where none is open."""
        number = 1 if number is None else max(1, number + by)
        return number if self._problems is None else min(number, len(self._problems))

    def listed(self) -> Iterator[tuple[int, Problem]]:
        """All problems that can be picked from, by number."""
        if self._problems is not None:
            return enumerate(self._problems, start=1)
        return ((number, self.problem(number)) for number in range(1, LISTED_EXAMPLES + 1))

    def note(self, answers: Mapping[int, Said]) -> None:
        """Write down what was answered."""
        self.answers.update(answers)
        self._keep(answers)

    def note_swaps(self, swaps: Mapping[int, Swaps]) -> None:
        """Write down what became of answers with other problems' thoughts."""
        self.swaps.update(swaps)
        self._keep(swaps)

    def take_up(self, answered: Sequence["Answered"]) -> None:
        """Go on with what is known from before, of problems that are still the same."""
        for problem in answered:
            try:
                same = digest(self.problem(problem.number)) == problem.question
            except CoconutError:  # the file has fewer problems now
                continue
            if same:
                self.answers |= {} if problem.said is None else {problem.number: problem.said}
                self.swaps |= {} if problem.swaps is None else {problem.number: problem.swaps}
                self._keep([problem.number])

    def verdict(self, number: int) -> bool | None:
        """Whether a problem was answered rightly; None where it was not answered."""
        answer = self.answers.get(number)
        return None if answer is None else answer.right

    def tallies(self, numbers: Iterable[int]) -> dict[int, "Tally"]:
        """What became of problems, by their number of reasoning steps, fewest first."""
        tallies: dict[int, Tally] = {}
        for number in numbers:
            steps, verdict, swaps = (
                len(self.problem(number).steps),
                self.verdict(number),
                self.swaps.get(number),
            )
            before = tallies.get(steps, Tally())
            tallies[steps] = Tally(
                before.count + 1,
                before.answered + (verdict is not None),
                before.right + (verdict is True),
                before.tested + (swaps is not None),
                before.used + (swaps is not None and swaps.kind == "used"),
            )
        return dict(sorted(tallies.items()))

    def ordered(self, numbers: Sequence[int], order: str) -> list[int]:
        """Problems in one of the ORDERS."""

        def place(number: int) -> object:
            swaps = self.swaps.get(number)
            if order == "steps":
                return len(self.problem(number).steps)
            if order == "answer":  # what went wrong first, what is open last
                return {False: 0, True: 1, None: 2}[self.verdict(number)]
            if order == "swaps":
                return 2.0 if swaps is None else -swaps.changed / max(1, swaps.count)
            return number

        return sorted(numbers, key=lambda number: (place(number), number))

    def _keep(self, numbers: Iterable[int]) -> None:
        newest = {problem.number: problem for problem in self.answered}
        for number in numbers:
            newest.pop(number, None)
            question = digest(self.problem(number))
            newest[number] = Answered(number, question, self.answers.get(number), self.swaps.get(number))
        self.answered = tuple(newest.values())[-MOST_KEPT:]

    def matching(self, words: str) -> list[int]:
        """Numbers of the problems that fit a filter.

        A number is one of reasoning steps ("4", "3-5"), "right", "wrong" and "open" are about the answer,
        "used", "partly" and "unused" about swaps of the thoughts; any other word must stand in the question.
        """
        return [
            number
            for number, problem in self.listed()
            if all(_fits(word, problem, self.verdict(number), self.swaps.get(number)) for word in words.split())
        ]


def _fits(word: str, problem: Problem, verdict: bool | None, swaps: Swaps | None) -> bool:
    if match := re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", word):
        return int(match[1]) <= len(problem.steps) <= int(match[2] or match[1])
    if word in ("right", "wrong", "open"):
        return verdict is {"right": True, "wrong": False, "open": None}[word]
    if word in ("used", "partly", "unused"):
        return swaps is not None and swaps.kind == word
    return word.lower() in problem.question.lower()
