"""Runs that are exported together: a branch alone, or a whole tree of them, as traces."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import AtLeast0, read_record
from coconut_core.records.trace import Trace, read_json


@dataclass(frozen=True)
class TracedRun:
    """A branch with what was seen in it."""

    name: str
    trace: Trace
    parent: str | None = None  # the branch that it was forked from
    forked_at: AtLeast0 = 0  # how many steps it has in common with that one
    done: str = ""  # what was done there


@dataclass(frozen=True)
class TracedTree:
    """The branches of a question, in the order in which they were made."""

    runs: tuple[TracedRun, ...]
    current: AtLeast0 = 0  # which of them was on screen

    @classmethod
    def of(cls, run: "Trace | TracedTree") -> "TracedTree":
        """A run alone as a tree of one branch."""
        return run if isinstance(run, TracedTree) else cls((TracedRun("main", run),))

    @property
    def here(self) -> TracedRun:
        """The branch that was on screen."""
        return self.runs[self.current]

    def to_json(self) -> dict[str, Any]:
        """The trace of the branch that was on screen, which every reader of traces takes, with all branches in
        an entry more where there are several."""
        record = self.here.trace.to_json()
        if len(self.runs) == 1:
            return record
        branches = [
            {
                "name": run.name,
                "parent": run.parent,
                "forked_at": run.forked_at,
                "done": run.done,
                "trace": run.trace.to_json(),
            }
            for run in self.runs
        ]
        return {**record, "current": self.current, "branches": branches}

    def json_text(self) -> str:
        """The text of a file."""
        return json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def load(cls, path: Path) -> "TracedTree":
        """What json_text gave, or a trace. Raises CoconutError in one line for a file that is neither."""
        record = read_json(path)
        trace = Trace.from_json(record, path)
        if "branches" not in record:
            return cls.of(trace)
        where = f"the trace {path} is damaged"
        branches = read_record(_Branches, record, where).branches
        runs = tuple(_run_from(branch, f"{path}, branch {number}") for number, branch in enumerate(branches))
        tree = read_record(cls, {"runs": runs, "current": record.get("current")}, where)
        if not tree.current < len(runs):
            raise CoconutError(f"{where}: there is no branch {tree.current}")
        return tree


@dataclass(frozen=True)
class _Branches:
    branches: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _Branch:
    name: str
    trace: dict[str, Any]
    parent: str | None = None
    forked_at: AtLeast0 = 0
    done: str = ""


def _run_from(record: Mapping[str, Any], where: str) -> TracedRun:
    branch = read_record(_Branch, record, where)
    trace = Trace.from_json(branch.trace, where)
    return TracedRun(branch.name, trace, branch.parent, branch.forked_at, branch.done)


@dataclass(frozen=True)
class Chapter:
    """A tree of runs with what somebody says of it."""

    tree: TracedTree
    title: str = ""
    tags: tuple[str, ...] = ()
    date: str = ""
    note: str = ""  # Markdown
    command: str = ""  # that reopens it
    step: int | None = None  # which is meant, from 0, in the branch that was on screen
    facts: dict[str, str] = field(default_factory=dict)  # more lines about it
