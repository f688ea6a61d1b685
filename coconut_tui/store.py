"""The explorer's session on disk: saved on every change, found again after a crash.

A folder holds one file for each explorer, named after its process; so two explorers never write over each
other. An explorer that starts takes over the newest file whose owner is gone, by renaming it, which only one
can do. A run is kept as the decisions that led to it, not as numbers: those are computed again.
"""

import json
import os
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from coconut_core.errors import CoconutError
from coconut_core.problems.base import Problem
from coconut_core.problems.files import written_aside

FORMAT = "coconut-session"
VERSION = 1
REMEMBERED = 20  # models and questions, newest first
KEPT = 20  # files of explorers that are gone
DELAY = 0.2  # seconds from a change until it is on disk, so that many changes are one writing

T = TypeVar("T")


@dataclass(frozen=True)
class Owner:
    """The process that a session belongs to."""

    host: str
    process: int
    started: float  # when the process began, in seconds since 1970: a number may be given to another process

    @classmethod
    def this(cls) -> "Owner":
        """This process."""
        import psutil

        return cls(platform.node(), os.getpid(), psutil.Process().create_time())

    @property
    def alive(self) -> bool:
        """Whether the process runs still; taken to be so on another machine, which cannot be asked."""
        import psutil

        if self.host != platform.node():
            return True
        try:
            # A minute's play: the clock by which the start is told may have been set meanwhile.
            return bool(abs(psutil.Process(self.process).create_time() - self.started) < 60)
        except (psutil.Error, OverflowError):  # no such process, or no number that one can have
            return False


@dataclass(frozen=True)
class SavedBranch:
    """A branch of a run as decisions, in the order in which they were taken."""

    name: str
    parent: str | None = None  # the branch it was forked from; None for the first
    forked_at: int = 0  # number of steps it shares with its parent
    thoughts: int | None = None  # as asked for; None: as the checkpoint says
    edits: tuple[str, ...] = ()  # as coconut_core.interventions.text reads them: "zero@2"
    position: int = 0  # steps taken


@dataclass(frozen=True)
class SavedRun:
    """A model, a question and the tree of branches over it; parents stand before their children."""

    model: str  # folder or hub id
    question: str
    problem: Problem | None = None
    branches: tuple[SavedBranch, ...] = (SavedBranch("main"),)
    selected: str = "main"  # name of the branch that is shown
    device: str = "auto"
    dtype: str = "auto"
    feedback: str | None = None

    def __post_init__(self) -> None:
        """Raises CoconutError where the branches are no tree."""
        seen: set[str] = set()
        for branch in self.branches:
            fits = branch.parent in seen if seen else branch.parent is None
            if branch.name in seen or not fits:
                raise CoconutError(f"the branch '{branch.name}' does not fit into the tree of branches")
            seen.add(branch.name)
        if self.selected not in seen:
            raise CoconutError(f"there is no branch '{self.selected}'")


@dataclass(frozen=True)
class SavedSession:
    """What an explorer comes back to. `owner` is None once it was left in good order."""

    run: SavedRun | None = None
    models: tuple[str, ...] = ()  # opened lately, newest first
    questions: tuple[str, ...] = ()  # asked lately, newest first
    owner: Owner | None = None

    @property
    def owned(self) -> bool:
        """Whether the explorer that saved this runs still."""
        return self.owner is not None and self.owner.alive

    @property
    def crashed(self) -> bool:
        """Whether the explorer that saved this was ended without leaving."""
        return self.owner is not None and not self.owner.alive

    def remember(self, model: str | None = None, question: str | None = None) -> "SavedSession":
        """The same with a model or a question put in front of those used lately."""
        return replace(
            self, models=_in_front(model, self.models), questions=_in_front(question, self.questions)
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        record = asdict(self)
        if self.run is not None:
            record["run"]["problem"] = None if self.run.problem is None else self.run.problem.to_json()
        return {"format": FORMAT, "version": VERSION, **record}

    @classmethod
    def from_json(cls, record: Any) -> "SavedSession":
        """Read to_json's data. Raises CoconutError, with the entry that is wrong, for anything else."""
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise CoconutError("it is not a saved session")
        if record.get("version") != VERSION:
            raise CoconutError(f"it has version {record.get('version')}, this coconut-tui reads {VERSION}")
        owner, run = _take(record, "owner", dict, None), _take(record, "run", dict, None)
        return cls(
            run=None if run is None else _run_from(run),
            models=_texts(record, "models"),
            questions=_texts(record, "questions"),
            owner=None if owner is None else _owner_from(owner),
        )


class SessionStore:
    """The folder of saved sessions, seen from one explorer. Its methods may be called from any thread."""

    def __init__(self, folder: Path | None = None, tell: Callable[[str], object] = lambda text: None) -> None:
        """folder: by default the platform's for an application's state. tell is called with what a user should
        know, from whatever thread notices it: a damaged file was set aside, nothing can be saved."""
        self.folder = default_folder() if folder is None else folder
        self._tell = tell
        self._owner = Owner.this()
        self._path = self.folder / f"{os.getpid()}-{token_hex(4)}.json"
        self._lock = threading.Lock()  # of what waits; never held while something is written
        self._writing = threading.RLock()
        self._pending: SavedSession | None = None
        self._timer: threading.Timer | None = None
        self._last: SavedSession | None = None
        self._refused = ""

    def load(self) -> SavedSession:
        """Take over the newest session that no living explorer owns; an empty one where there is none.

        A file that is no session is renamed, with a message, and the next one is tried.
        """
        with self._writing:
            for path in self._files():
                session = self._read(path)
                if session is None or session.owned:
                    continue
                try:
                    path.rename(self._path)  # fails where another explorer was faster
                except OSError:
                    continue
                self._last = replace(session, owner=self._owner)
                self._write(self._last)
                return session
            return SavedSession()

    def remembered(self) -> SavedSession:
        """The models and questions of the newest session, which stays where it is: to begin afresh."""
        found = next((session for path in self._files() if (session := self._read(path)) is not None), None)
        return SavedSession() if found is None else SavedSession(None, found.models, found.questions)

    def save(self, session: SavedSession) -> None:
        """Write a session as this process's, a moment from now; of several in that moment the last."""
        with self._lock:
            self._pending = replace(session, owner=self._owner)
            if self._timer is None:
                self._timer = threading.Timer(DELAY, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Write what waits to be written now: before the process is ended by a signal."""
        with self._writing:
            with self._lock:
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                session, self._pending = self._pending, None
            if session is not None:
                self._last = session
                self._write(session)

    def close(self) -> None:
        """Leave in good order: write what waits, and that nobody owns the session any more."""
        with self._writing:
            self.flush()
            if self._last is not None:
                self._write(replace(self._last, owner=None))
            self._forget_old()

    # -- inside --------------------------------------------------------------------------------------------

    def _files(self) -> list[Path]:
        """Session files, newest first."""
        found = []
        for path in self.folder.glob("*.json"):
            with suppress(FileNotFoundError):  # taken over by another explorer meanwhile
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found, reverse=True)]

    def _read(self, path: Path) -> SavedSession | None:
        try:
            return SavedSession.from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:  # taken over by another explorer
            return None
        except OSError as error:
            self._tell(f"the saved session {path} cannot be read: {error}")
        except (CoconutError, ValueError, RecursionError) as error:
            self._set_aside(path, error)
        return None

    def _set_aside(self, path: Path, reason: Exception) -> None:
        aside = path.with_suffix(".damaged")
        number = 1
        while aside.exists():
            number += 1
            aside = path.with_suffix(f".damaged-{number}")
        try:
            path.rename(aside)
        except OSError as error:
            self._tell(f"the saved session {path} is damaged and cannot be moved: {error}")
        else:
            self._tell(f"a saved session could not be read ({reason}); it was kept as {aside}")

    def _write(self, session: SavedSession) -> None:
        try:
            # Questions may be nobody else's business.
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with written_aside(self._path) as file:
                json.dump(session.to_json(), file)
        except OSError as error:
            if str(error) != self._refused:  # once, not at every step
                self._refused = str(error)
                self._tell(f"the session cannot be saved: {error}")

    def _forget_old(self) -> None:
        """Remove the oldest sessions of explorers that are gone, beyond the number that is kept."""
        for path in self._files()[KEPT:]:
            session = self._read(path)
            if session is not None and not session.owned:
                path.unlink(missing_ok=True)


def default_folder() -> Path:
    """Where sessions are kept: the platform's folder for an application's state."""
    from platformdirs import user_state_path

    return user_state_path("coconut-tui", appauthor=False) / "sessions"


def _in_front(item: str | None, items: tuple[str, ...]) -> tuple[str, ...]:
    return items if item is None else (item, *(other for other in items if other != item))[:REMEMBERED]


def _owner_from(record: dict[str, Any]) -> Owner:
    return Owner(_take(record, "host", str), _count(record, "process"), _take(record, "started", float))


def _run_from(record: dict[str, Any]) -> SavedRun:
    problem = _take(record, "problem", dict, None)
    return SavedRun(
        model=_take(record, "model", str),
        question=_take(record, "question", str),
        problem=None if problem is None else Problem.from_json(problem),
        branches=tuple(_branch_from(branch) for branch in _take(record, "branches", list)),
        selected=_take(record, "selected", str),
        device=_take(record, "device", str),
        dtype=_take(record, "dtype", str),
        feedback=_take(record, "feedback", str, None),
    )


def _branch_from(record: Any) -> SavedBranch:
    if not isinstance(record, dict):
        raise CoconutError("a branch must be a JSON object")
    return SavedBranch(
        name=_take(record, "name", str),
        parent=_take(record, "parent", str, None),
        forked_at=_count(record, "forked_at"),
        thoughts=None if record.get("thoughts") is None else _count(record, "thoughts"),
        edits=_texts(record, "edits"),
        position=_count(record, "position"),
    )


_NEEDED: Any = object()


def _take(record: dict[str, Any], name: str, kind: type[T], default: Any = _NEEDED) -> T:
    """An entry of this type; None is as good as missing where there is a default."""
    value = record.get(name)
    if value is None and default is not _NEEDED:
        return default  # type: ignore[no-any-return]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise CoconutError(f"the entry '{name}' is missing or of the wrong type")
    return value


def _count(record: dict[str, Any], name: str) -> int:
    value = _take(record, name, int)
    if value < 0:
        raise CoconutError(f"the entry '{name}' must not be negative")
    return value


def _texts(record: dict[str, Any], name: str) -> tuple[str, ...]:
    values: list[Any] = _take(record, name, list)
    if not all(isinstance(value, str) for value in values):
        raise CoconutError(f"the entry '{name}' must be a list of texts")
    return tuple(values)
