"""What the explorer keeps of a session, as plain data, and its JSON.

A run is kept as the decisions that led to it, not as numbers: those are computed again, and are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from coconut_core.errors import CoconutError
from coconut_core.problems.base import Problem
from coconut_core.trace import END
from coconut_tui.branches import MARKER, THOUGHT, WORD, Branch, Decisions, Edit, Said, Tree
from coconut_tui.breakpoints import Breakpoint, read_breakpoint
from coconut_tui.collection import Answered
from coconut_tui.controlled import Swaps
from coconut_tui.state import RECORDED_TOKENS, ModelChoice

FORMAT = "coconut-session"
VERSION = 1
REMEMBERED = 20  # models and questions, newest first

T = TypeVar("T")


@dataclass(frozen=True)
class SavedRun:
    """A model, a tree of runs over a question, and what was on screen besides."""

    choice: ModelChoice
    tree: Tree
    selected: int | None = None  # step
    breakpoints: tuple[Breakpoint, ...] = ()
    problem_file: str | None = None  # whose problems are gone through
    answered: tuple[Answered, ...] = ()  # what is known of these problems


@dataclass(frozen=True)
class SavedSession:
    """What an explorer comes back to."""

    run: SavedRun | None = None
    models: tuple[str, ...] = ()  # opened lately, newest first
    questions: tuple[str, ...] = ()  # asked lately, newest first
    in_order: bool = True  # as it was left; False while an explorer has it open, and so after a crash

    def remember(self, models: Sequence[str] = (), questions: Sequence[str] = ()) -> "SavedSession":
        """The same with models or questions put in front of those used lately."""
        return replace(
            self, models=_in_front(models, self.models), questions=_in_front(questions, self.questions)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "run": None if self.run is None else _run_record(self.run),
            "models": list(self.models),
            "questions": list(self.questions),
            "in_order": self.in_order,
        }

    @classmethod
    def from_json(cls, record: Any) -> "SavedSession":
        """Read to_json's data. Raises CoconutError, with the entry that is wrong, for anything else."""
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise CoconutError("it is not a saved session")
        if record.get("version") != VERSION:
            raise CoconutError(f"it has version {record.get('version')}, this coconut-tui reads {VERSION}")
        run = _take(record, "run", dict, None)
        return cls(
            run=None if run is None else _run_from(run),
            models=_texts(record, "models"),
            questions=_texts(record, "questions"),
            # Files of before there were locks name the process that has them open, or none.
            in_order=_take(record, "in_order", bool, record.get("owner") is None),
        )


def _in_front(new: Sequence[str], old: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*new, *old)))[:REMEMBERED]


# -- to JSON -----------------------------------------------------------------------------------------------


def _run_record(run: SavedRun) -> dict[str, Any]:
    tree = run.tree
    return {
        **vars(run.choice),
        "question": tree.question,
        "problem": None if tree.problem is None else tree.problem.to_json(),
        "example": tree.example,
        "branches": [_branch_record(branch) for branch in tree.branches],
        "current": tree.current,
        "selected": run.selected,
        "breakpoints": [{"text": str(each), "enabled": each.enabled} for each in run.breakpoints],
        "problem_file": run.problem_file,
        "answered": [_answered_record(each) for each in run.answered],
    }


def _answered_record(answered: Answered) -> dict[str, Any]:
    return {
        "number": answered.number,
        "question": answered.question,
        "said": None if answered.said is None else vars(answered.said),
        "swaps": None if answered.swaps is None else vars(answered.swaps),
    }


def _branch_record(branch: Branch) -> dict[str, Any]:
    decisions = branch.decisions
    return {
        "number": branch.number,
        "name": branch.name,
        "parent": branch.parent,
        "forked_at": branch.forked_at,
        "done": branch.done,
        "thoughts": decisions.thoughts,
        "edits": [vars(edit) for edit in decisions.edits],
        "moves": decisions.moves,
        "said": None if branch.said is None else vars(branch.said),
    }


# -- from JSON ---------------------------------------------------------------------------------------------


def _run_from(record: dict[str, Any]) -> SavedRun:
    return SavedRun(
        ModelChoice(
            _take(record, "source", str),
            _take(record, "device", str),
            _take(record, "dtype", str),
            _take(record, "feedback", str, None),
            _chat_from(record),
            _take(record, "system", str, None),
            _take(record, "markers", str, None),
        ),
        _tree_from(record),
        _count_or_none(record, "selected"),
        tuple(
            replace(
                read_breakpoint(_take(each, "text", str), RECORDED_TOKENS),
                enabled=_take(each, "enabled", bool),
            )
            for each in _records(record, "breakpoints")
        ),
        _take(record, "problem_file", str, None),
        tuple(map(_answered_from, _records(record, "answered"))) if "answered" in record else (),
    )


def _answered_from(record: dict[str, Any]) -> Answered:
    said, swaps = _take(record, "said", dict, None), _take(record, "swaps", dict, None)
    return Answered(
        _count(record, "number"),
        _take(record, "question", str),
        None if said is None else _said_from(said),
        None if swaps is None else Swaps(_count(swaps, "changed"), _count(swaps, "count")),
    )


def _tree_from(record: dict[str, Any]) -> Tree:
    """Raises CoconutError where the branches are no tree."""
    problem = _take(record, "problem", dict, None)
    branches = tuple(map(_branch_from, _records(record, "branches")))
    numbers: list[int] = []
    for branch in branches:  # parents stand before their children, in the order in which they were made
        fits = branch.parent in numbers if numbers else branch.parent is None
        if not fits or branch.number <= max(numbers, default=0):
            raise CoconutError(f"the branch '{branch.name}' does not fit into the tree of branches")
        numbers.append(branch.number)
    if len({branch.name for branch in branches}) < len(branches):
        raise CoconutError("two branches have the same name")
    current = _count(record, "current")
    if current not in numbers:
        raise CoconutError(f"there is no branch number {current}")
    return Tree(
        _take(record, "question", str),
        None if problem is None else Problem.from_json(problem),
        _count_or_none(record, "example"),
        branches,
        current,
    )


def _branch_from(record: dict[str, Any]) -> Branch:
    moves = _take(record, "moves", str)
    if set(moves) - {THOUGHT, MARKER, WORD}:
        raise CoconutError("the entry 'moves' has a letter that stands for no step")
    said = _take(record, "said", dict, None)
    return Branch(
        number=_count(record, "number"),
        name=_take(record, "name", str),
        decisions=Decisions(
            _count_or_none(record, "thoughts"), tuple(map(_edit_from, _records(record, "edits"))), moves
        ),
        parent=_count_or_none(record, "parent"),
        forked_at=_count(record, "forked_at"),
        done=_take(record, "done", str),
        said=None if said is None else _said_from(said),
    )


def _edit_from(record: dict[str, Any]) -> Edit:
    return Edit(
        _count(record, "segment"),
        _count(record, "thought"),
        _take(record, "text", str),
        _count_or_none(record, "thoughts"),
    )


def _said_from(record: dict[str, Any]) -> Said:
    return Said(
        _take(record, "text", str),
        _take(record, "answer", str),
        _take(record, "stopped_by", str, END if record.get("finished") else None),
        _take(record, "right", bool, None),
        bool(_take(record, "near", bool, None)),
    )


_NEEDED: Any = object()


def _chat_from(record: dict[str, Any]) -> bool | str | None:
    if isinstance(record.get("chat"), str):
        return _take(record, "chat", str)
    return _take(record, "chat", bool, None)


def _take(record: dict[str, Any], name: str, kind: type[T], default: Any = _NEEDED) -> T:
    """An entry of this type; None is as good as missing where there is a default."""
    value = record.get(name)
    if value is None and default is not _NEEDED:
        return default  # type: ignore[no-any-return]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise CoconutError(f"the entry '{name}' is missing or of the wrong type")
    return value


def _count(record: dict[str, Any], name: str) -> int:
    value = _take(record, name, int)
    if value < 0:
        raise CoconutError(f"the entry '{name}' must not be negative")
    return value


def _count_or_none(record: dict[str, Any], name: str) -> int | None:
    return None if record.get(name) is None else _count(record, name)


def _texts(record: dict[str, Any], name: str) -> tuple[str, ...]:
    return tuple(_list_of(record, name, str, "texts"))


def _records(record: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return _list_of(record, name, dict, "JSON objects")


def _list_of(record: dict[str, Any], name: str, kind: type[T], kinds: str) -> list[T]:
    values: list[Any] = _take(record, name, list)
    if not all(isinstance(value, kind) for value in values):
        raise CoconutError(f"the entry '{name}' must be a list of {kinds}")
    return values
