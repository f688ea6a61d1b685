"""What the explorer keeps of a session, as plain data, and its JSON.

A run is kept as the decisions that led to it, not as numbers: those are computed again, and are the same.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import AtLeast0, read_record, reshaped
from coconut_core.model_choice import HOW, ModelChoice
from coconut_core.problems.base import Problem
from coconut_core.records.stopping import END
from coconut_tui.run.branches import MARKER, THOUGHT, WORD, Branch, Tree
from coconut_tui.run.breakpoints import Breakpoint, read_breakpoint
from coconut_tui.run.collection import Answered
from coconut_tui.run.state import RECORDED_TOKENS

FORMAT = "coconut-session"
VERSION = 1
# What is kept of a model: the explorer chooses no more of it.
CHOICE = ("source", "device", "dtype", *HOW)
REMEMBERED = 20  # models and questions, newest first


@dataclass(frozen=True)
class SavedRun:
    """A model, a tree of runs over a question, and what was on screen besides."""

    choice: ModelChoice
    tree: Tree
    selected: AtLeast0 | None = None  # step
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
        # Files of before there were locks name the process that has them open, or none.
        entries = {**_needed("models", "questions"), "in_order": record.get("owner") is None, **record}
        session = read_record(cls, entries | {"run": reshaped(record.get("run"), _run_entries)})
        if session.run is not None:
            check_tree(session.run.tree)
        return session


def _in_front(new: Sequence[str], old: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*new, *old)))[:REMEMBERED]


# -- to JSON -----------------------------------------------------------------------------------------------


def _run_record(run: SavedRun) -> dict[str, Any]:
    return {
        **{name: getattr(run.choice, name) for name in CHOICE},
        **tree_record(run.tree),
        "selected": run.selected,
        "breakpoints": [
            {"text": str(breakpoint), "enabled": breakpoint.enabled} for breakpoint in run.breakpoints
        ],
        "problem_file": run.problem_file,
        "answered": [_answered_record(problem) for problem in run.answered],
    }


def tree_record(tree: Tree) -> dict[str, Any]:
    """A tree of branches as plain JSON data."""
    return {
        "question": tree.question,
        "problem": None if tree.problem is None else tree.problem.to_json(),
        "example": tree.example,
        "branches": [_branch_record(branch) for branch in tree.branches],
        "current": tree.current,
    }


def _answered_record(problem: Answered) -> dict[str, Any]:
    return {
        "number": problem.number,
        "question": problem.question,
        "said": None if problem.said is None else vars(problem.said),
        "swaps": None if problem.swaps is None else vars(problem.swaps),
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
        "edits": [asdict(edit) for edit in decisions.edits],
        "moves": decisions.moves,
        "said": None if branch.said is None else asdict(branch.said),
    }


# -- from JSON ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _SavedBreakpoint:
    text: str
    enabled: bool


def _needed(*names: str) -> dict[str, None]:
    """Entries that are refused where a record does not have them, though they have a default elsewhere."""
    return dict.fromkeys(names)


def _run_entries(record: dict[str, Any]) -> dict[str, Any]:
    """A run's record in the shape of a SavedRun."""
    run = {**_needed("device", "dtype", "breakpoints"), "answered": [], **record}
    return {
        **run,
        "choice": run,
        "tree": tree_entries(run),
        "answered": reshaped(run["answered"], _with_said),
        "breakpoints": reshaped(run["breakpoints"], _breakpoint_from),
    }


def tree_entries(record: dict[str, Any]) -> dict[str, Any]:
    """What tree_record gave in the shape of a Tree, for read_record; check_tree says whether it is one."""
    tree = {**_needed("current"), **record}
    problem = reshaped(tree.get("problem"), Problem.from_json)
    return {**tree, "problem": problem, "branches": reshaped(tree.get("branches"), _branch_entries)}


def _branch_entries(record: dict[str, Any]) -> dict[str, Any]:
    branch = {**_needed("forked_at", "done", "moves", "edits"), **record}
    return {**_with_said(branch), "decisions": branch}


def _with_said(record: dict[str, Any]) -> dict[str, Any]:
    """The same with the reason why a run was over; files of before only said whether it had "finished"."""

    def whole(answer: dict[str, Any]) -> dict[str, Any]:
        return {"stopped_by": END if answer.get("finished") else None, **answer}

    return {**record, "said": reshaped(record.get("said"), whole)}


def _breakpoint_from(record: dict[str, Any]) -> Breakpoint:
    saved = read_record(_SavedBreakpoint, record)
    return replace(read_breakpoint(saved.text, RECORDED_TOKENS), enabled=saved.enabled)


def check_tree(tree: Tree) -> None:
    """Raise CoconutError where the branches are no tree, or have steps that there are not."""
    numbers: list[int] = []
    for branch in tree.branches:  # parents stand before their children, in the order in which they were made
        fits = branch.parent in numbers if numbers else branch.parent is None
        if not fits or branch.number <= max(numbers, default=0):
            raise CoconutError(f"the branch '{branch.name}' does not fit into the tree of branches")
        numbers.append(branch.number)
        if set(branch.decisions.moves) - {THOUGHT, MARKER, WORD}:
            raise CoconutError("the entry 'moves' has a letter that stands for no step")
    if len({branch.name for branch in tree.branches}) < len(tree.branches):
        raise CoconutError("two branches have the same name")
    if tree.current not in numbers:
        raise CoconutError(f"there is no branch number {tree.current}")
