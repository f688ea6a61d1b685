"""Branches: a tree of runs of one question, as plain data.

What was decided in a run says all there is to know of it: whoever takes the same decisions again gets the same
numbers. So a branch that no model holds in memory is not lost, and undoing is going back to an earlier tree.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import AtLeast0
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.records.stopping import END

PROMPT = (0, 0)  # the place of what is done in the prompt, in front of the first thought
THOUGHT, MARKER, WORD = "t", "m", "w"  # a letter for each kind of step
_WORD = re.compile(r"\w+")
MOST_BRANCHES = 5000  # one whose run is not held takes about half a kilobyte
MOST_UNDONE = 1000  # changes that can be undone


@dataclass(frozen=True)
class Edit:
    """What is done at one thought, or as thought 0 in the prompt. `text` is the intervention as it was written,
    for a run of `thoughts` thoughts (None: as many as the checkpoint says); it may do more elsewhere."""

    segment: AtLeast0
    thought: AtLeast0
    text: str
    thoughts: AtLeast0 | None

    @property
    def in_prompt(self) -> bool:
        """Whether it is done while the prompt is read."""
        return self.thought == 0


@dataclass(frozen=True)
class Decisions:
    """What makes a run what it is, besides its question."""

    thoughts: AtLeast0 | None = None  # as many in a latent segment; None: thinking ends as the checkpoint says
    edits: tuple[Edit, ...] = ()  # of thoughts taken and of thoughts to come, one for each thought
    moves: str = ""  # the kind of each step taken, a letter each

    def upto(self, position: int) -> "Decisions":
        """The same up to a step; edits of thoughts behind it are dropped."""
        moves = self.moves[:position]
        places = set(thought_places(moves)) if self.edits else set()  # views ask for this with every key
        return Decisions(
            self.thoughts,
            tuple(edit for edit in self.edits if edit.in_prompt or (edit.segment, edit.thought) in places),
            moves,
        )

    def with_edits(self, *edits: Edit) -> "Decisions":
        """The same with more edits; of two at one thought the later one counts."""
        both = {(edit.segment, edit.thought): edit for edit in (*self.edits, *edits)}
        return replace(self, edits=tuple(both[place] for place in sorted(both)))

    def without_edit(self, segment: int, thought: int) -> "Decisions":
        """The same with a thought left as the model thinks it."""
        edits = tuple(edit for edit in self.edits if (edit.segment, edit.thought) != (segment, thought))
        return replace(self, edits=edits)

    def shared(self, other: "Decisions") -> int:
        """How many steps from the beginning two runs have in common."""
        mine = {(edit.segment, edit.thought): edit for edit in self.edits}
        theirs = {(edit.segment, edit.thought): edit for edit in other.edits}
        places = thought_places(self.moves)
        if mine.get(PROMPT) != theirs.get(PROMPT):
            return 0
        for position, (move, same) in enumerate(zip(self.moves, other.moves, strict=False)):
            if move != same:
                return position
            if move == THOUGHT:
                place = next(places)
                if mine.get(place) != theirs.get(place):
                    return position
        return min(len(self.moves), len(other.moves))


def thought_places(moves: str) -> Iterator[tuple[int, int]]:
    """Latent segment (from 0) and number (from 1) of each thought of a run."""
    segment, thought = 0, 0
    for before, move in zip(" " + moves, moves, strict=False):
        if move == THOUGHT:
            segment, thought = (segment + 1, 1) if before == WORD else (segment, thought + 1)
            yield segment, thought
        elif move == MARKER and before == WORD:
            segment += 1  # a segment without a thought
        if move == MARKER:
            thought = 0


@dataclass(frozen=True)
class Said:
    """What a run said. `right` is None where the expected answer is not known or the run is not over. `near`:
    an answer that counts as wrong begins and ends with the right words, such as one with another full stop."""

    text: str
    answer: str  # the part behind the answer prefix
    stopped_by: str | None  # "end", or what cut it off: "words" or "context"; None where it goes on
    right: bool | None = None
    near: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing is left to say."""
        return self.stopped_by is not None

    @property
    def cut_off(self) -> bool:
        """Whether it is over without having come to its end."""
        return self.over and self.stopped_by != END

    @classmethod
    def judged(cls, text: str, prefix: str, problem: Problem | None, stopped_by: str | None) -> "Said":
        """A text that was said to a problem, held against its answer, where that is known and the run over."""
        answer = final_answer(text, prefix)
        if problem is None or stopped_by is None or not problem.answer:
            return cls(text, answer, stopped_by)
        right = is_right(text, problem, prefix)
        words, expected = _WORD.findall(answer), _WORD.findall(problem.answer)
        near = bool(words and expected) and (words[0], words[-1]) == (expected[0], expected[-1])
        return cls(text, answer, stopped_by, right, near and not right)


@dataclass(frozen=True)
class Branch:
    """One run of the tree."""

    number: AtLeast0
    name: str
    decisions: Decisions = field(default_factory=Decisions)
    parent: AtLeast0 | None = None
    forked_at: AtLeast0 = 0  # how many steps it has in common with its parent
    done: str = ""  # what was done there, as it was written; empty where nothing was
    said: Said | None = None


@dataclass(frozen=True)
class Tree:
    """All runs of a question, in the order in which they were made; `current` is the number of one of them."""

    question: str
    problem: Problem | None
    example: AtLeast0 | None  # its number among the problems that are gone through
    branches: tuple[Branch, ...]
    current: int = 1

    @classmethod
    def planted(
        cls, question: str, problem: Problem | None, example: int | None, thoughts: int | None
    ) -> "Tree":
        """A tree of one run that has taken no step."""
        return cls(question, problem, example, (Branch(1, "main", Decisions(thoughts)),))

    @property
    def here(self) -> Branch:
        """The current branch."""
        return self.branch(self.current)

    def branch(self, number: int) -> Branch:
        """A branch by its number. Raises CoconutError where it has gone."""
        branch = next((branch for branch in self.branches if branch.number == number), None)
        if branch is None:
            raise CoconutError(f"there is no branch number {number} any more")
        return branch

    def named(self, name: str) -> Branch:
        """A branch by its name. Raises CoconutError where there is none."""
        branch = next((branch for branch in self.branches if branch.name == name), None)
        if branch is None:
            names = ", ".join(branch.name for branch in self.branches[:8])
            raise CoconutError(f"there is no branch '{name}': there are {names}")
        return branch

    def moved(self, number: int) -> "Tree":
        """The same with another branch as the current one."""
        return replace(self, current=self.branch(number).number)

    def with_branch(self, branch: Branch) -> "Tree":
        """The same with a branch put in the place of the one of its number."""
        branches = tuple(branch if old.number == branch.number else old for old in self.branches)
        return replace(self, branches=branches)

    def forked(self, decisions: Decisions, done: str, name: str = "") -> "Tree":
        """The same with one branch more, forked from the current one, which it takes the place of.

        Raises CoconutError where there are too many.
        """
        if len(self.branches) >= MOST_BRANCHES:
            raise CoconutError(f"there are {MOST_BRANCHES} branches already: delete one first")
        number = max(branch.number for branch in self.branches) + 1
        shared = self.here.decisions.shared(decisions)
        name = self._free_name(name or done or f"fork@{shared}")
        new = Branch(number, name, decisions, self.current, shared, done)
        return replace(self, branches=(*self.branches, new), current=number)

    def renamed(self, number: int, name: str) -> "Tree":
        """The same with a branch named anew. Raises CoconutError for a name that is empty or taken."""
        name = " ".join(name.split())
        if not name:
            raise CoconutError("a branch needs a name")
        if any(branch.name == name and branch.number != number for branch in self.branches):
            raise CoconutError(f"another branch is called '{name}' already")
        return self.with_branch(replace(self.branch(number), name=name))

    def without(self, number: int) -> "Tree":
        """The same without a branch; those forked from it become its parent's. Raises CoconutError for the
        first branch, which has none."""
        deleted = self.branch(number)
        if deleted.parent is None:
            raise CoconutError("the first branch cannot be deleted: restart it instead")
        branches = tuple(
            branch if branch.parent != number else _adopted(branch, deleted)
            for branch in self.branches
            if branch.number != number
        )
        current = deleted.parent if self.current == number else self.current
        return replace(self, branches=branches, current=current)

    def rows(self) -> list[tuple[str, Branch]]:
        """The branches as they stand in the tree, each with the lines in front of its name."""
        children: dict[int | None, list[Branch]] = {}
        for branch in self.branches:
            children.setdefault(branch.parent, []).append(branch)
        rows: list[tuple[str, Branch]] = []
        waiting = [("", "", branch) for branch in reversed(children.get(None, []))]
        while waiting:
            lines, below, branch = waiting.pop()
            rows.append((lines, branch))
            forked = children.get(branch.number, [])
            for place, child in reversed(list(enumerate(forked, start=1))):
                last = place == len(forked)
                waiting.append((below + ("└ " if last else "├ "), below + ("  " if last else "│ "), child))
        return rows

    def _free_name(self, stem: str) -> str:
        names = {branch.name for branch in self.branches}
        name, number = stem, 1
        while name in names:
            number += 1
            name = f"{stem} ({number})"
        return name


def _adopted(branch: Branch, deleted: Branch) -> Branch:
    """A branch of a deleted one as a branch of that one's parent."""
    done = "; ".join(filter(None, (deleted.done, branch.done)))
    return replace(branch, parent=deleted.parent, forked_at=min(branch.forked_at, deleted.forked_at), done=done)


@dataclass
class History:
    """Earlier trees to go back to, and the undone ones to go forward to."""

    past: list[Tree] = field(default_factory=list)
    future: list[Tree] = field(default_factory=list)

    def note(self, before: Tree) -> None:
        """A tree has been changed; what was undone before that is forgotten."""
        self.past = [*self.past[1 - MOST_UNDONE :], before]
        self.future = []

    def undo(self, now: Tree) -> Tree:
        """The tree before the last change. Raises CoconutError where there is none."""
        if not self.past:
            raise CoconutError("there is nothing to undo")
        self.future.append(now)
        return self.past.pop()

    def redo(self, now: Tree) -> Tree:
        """The tree before the last undoing. Raises CoconutError where there is none."""
        if not self.future:
            raise CoconutError("there is nothing to redo")
        self.past.append(now)
        return self.future.pop()
