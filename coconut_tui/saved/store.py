"""The explorers' sessions on disk: saved on every change, found again after a crash.

A folder holds one file for each explorer, and beside it NAME.lock while the explorer has it open; so two
explorers never write over each other. The system lets go of a lock when its process ends, however that ends. An
explorer that starts takes over the newest file that is not locked, by renaming it, which only one can do. The
newest is the one written last, whatever the clock said: a file that is written gets a later time than all that
are there.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError
from coconut_core.common.whole_files import remove_leftovers, written_aside
from coconut_tui.saved.format import SavedSession

if TYPE_CHECKING:
    from filelock import FileLock

KEPT = 20  # files of explorers that are gone
DELAY = 0.1  # seconds from a change until it is written, so that many changes are one writing
LATER = 10_000_000  # nanoseconds between the times of two files: file systems round them


class SessionStore:
    """The folder of saved sessions, seen from one explorer. Its methods may be called from any thread."""

    def __init__(self, folder: Path | None = None, tell: Callable[[str], object] = lambda text: None) -> None:
        """folder: by default the platform's for an application's state. tell is called with what a user should
        know, from whatever thread notices it: a damaged file was set aside, nothing can be saved."""
        self.folder = default_folder() if folder is None else folder
        self._tell = tell
        self._path = self._new_path()
        self._own: FileLock | None = None  # of that file
        # Both can be taken again by a signal's handler, which interrupts the thread that holds them.
        self._lock = threading.RLock()  # of what waits; never held while something is written
        self._writing = threading.RLock()
        self._pending: SavedSession | None = None
        self._timer: threading.Timer | None = None
        self._last: SavedSession | None = None
        self._previous: SavedSession | None = None  # what was taken over, as it was before
        self._closed = False
        self._messages: set[str] = set()  # that are not said again

    def load(self, fits: Callable[[SavedSession], bool] = lambda session: True) -> SavedSession | None:
        """Take over the newest session that fits and that no explorer has open; None where there is none.

        A file that is no session is renamed, with a message, and the next one is tried. Where nothing can be
        locked, only those left in good order are nobody's.
        """
        with self._writing:
            for path, before in self._readable():
                if fits(before):
                    with self._locked(path) as free:
                        session = self._read(path)
                        if session is None or not fits(session) or not (free or session.in_order):
                            continue
                        if self._take(path, session):
                            return session
            return None

    def put_back(self) -> None:
        """Leave the session that was taken over as it was found; what comes is saved beside it."""
        with self._writing:
            if self._previous is not None:
                self._write(self._path, self._previous)
                self._let_go()
                self._path, self._previous, self._last = self._new_path(), None, None

    def give_up_crashed(self) -> None:
        """Note that nobody wants to go on with those left by a crash. They stay, as if left in good order."""
        for path, before in self._readable():
            if not before.in_order:
                with suppress(OSError), self._locked(path) as free:
                    session = self._read(path) if free else None
                    if session is not None:
                        when = path.stat().st_mtime_ns
                        self._write(path, replace(session, in_order=True), when)

    def remembered(self) -> SavedSession:
        """The models and questions of all sessions."""
        remembered = SavedSession()
        for _, session in reversed(list(self._readable())):
            remembered = remembered.remember(session.models, session.questions)
        return remembered

    def resumable(self) -> list[SavedSession]:
        """The sessions that can be gone on with, newest first."""
        return [session for _, session in self._readable() if session.run is not None]

    def save(self, session: SavedSession) -> None:
        """Write a session as this explorer's, a moment from now; of several in that moment the last."""
        with self._lock:
            if self._closed:
                return
            self._pending = replace(session, in_order=False)
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
                self._write(self._path, session)

    def close(self, *, in_order: bool = True) -> None:
        """Write what waits, and where the explorer was left in good order, that it was; let go of the session.

        What is saved afterwards counts no more.
        """
        with self._writing:
            with self._lock:
                self._closed = True
            self.flush()
            if in_order and self._last is not None:
                self._write(self._path, replace(self._last, in_order=True))
            self._let_go()
            self._forget_old()

    # -- inside --------------------------------------------------------------------------------------------

    def _new_path(self) -> Path:
        return self.folder / f"{token_hex(8)}.json"

    def _take(self, path: Path, session: SavedSession) -> bool:
        """Make a file this explorer's own. False where that is refused, or another explorer was faster."""
        self._hold()
        try:
            path.rename(self._path)
        except OSError:
            return False
        self._previous, self._last = session, replace(session, in_order=False)
        self._write(self._path, self._last)
        return True

    def _hold(self) -> None:
        """Lock this explorer's own file; where nothing can be locked it is written all the same."""
        if self._own is None:
            self._own = _lock_of(self._path)
            with suppress(OSError, NotImplementedError):
                self._own.acquire(timeout=1)  # another explorer that tidies up may have it for a moment

    def _let_go(self) -> None:
        if self._own is not None:
            _release(self._own)
            self._own = None

    @contextmanager
    def _locked(self, path: Path) -> Iterator[bool]:
        """Whether no explorer has a session open; then none takes it while this context is open."""
        lock = _lock_of(path)
        try:
            lock.acquire(blocking=False)
        except TimeoutError:  # what FileLock raises is one
            yield False
        except (OSError, NotImplementedError):  # no locks on this file system, or a read-only one
            self._tell_once(f"no session that broke off is gone on with: none can be locked in {self.folder}")
            yield False
        else:
            try:
                yield True
            finally:
                _release(lock)

    def _files(self) -> list[Path]:
        """Session files, newest first."""
        return [path for _, path in sorted(self._dated(), reverse=True)]

    def _dated(self) -> Iterator[tuple[int, Path]]:
        """Session files with their times, in nanoseconds since 1970."""
        for path in self.folder.glob("*.json"):
            with suppress(FileNotFoundError):  # taken over by another explorer meanwhile
                yield path.stat().st_mtime_ns, path

    def _readable(self) -> Iterator[tuple[Path, SavedSession]]:
        for path in self._files():
            session = self._read(path)
            if session is not None:
                yield path, session

    def _next_time(self) -> int:
        """That of a file written now. The clock may have been set back since the others were written."""
        return max(time.time_ns(), *(when + LATER for when, _ in self._dated()), 0)

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

    def _write(self, path: Path, session: SavedSession, when: int | None = None) -> None:
        """when: the time of the file, by default a later one than all others have."""
        try:
            # Questions may be nobody else's business.
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if path == self._path:
                self._hold()
            with written_aside(path, mode=0o600) as file:
                file.write(json.dumps(session.to_json()))
                file.flush()  # or what is written after this gives the file the clock's time
                when = self._next_time() if when is None else when
                os.utime(file.name, ns=(when, when))
        except OSError as error:
            self._tell_once(f"the session cannot be saved: {error}")

    def _tell_once(self, text: str) -> None:
        if text not in self._messages:  # not at every step
            self._messages.add(text)
            self._tell(text)

    def _forget_old(self) -> None:
        """Remove the oldest sessions of explorers that are gone, beyond the number that is kept, and what a
        kill left half written."""
        for path in self._files()[KEPT:]:
            with suppress(OSError), self._locked(path) as free:
                if free and self._read(path) is not None:
                    path.unlink(missing_ok=True)
        for path in self.folder.glob("*.lock"):
            if not path.with_suffix(".json").exists():
                with self._locked(path):
                    pass  # it goes as it is let go of
        remove_leftovers(self.folder)


def _lock_of(path: Path) -> "FileLock":
    from filelock import FileLock  # which the first paint need not wait for

    return FileLock(path.with_suffix(".lock"), mode=0o600, thread_local=False)  # the timer's thread takes it


def _release(lock: "FileLock") -> None:
    with suppress(OSError):
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def default_folder() -> Path:
    """Where sessions are kept: the platform's folder for an application's state."""
    from platformdirs import user_state_path

    return user_state_path("coconut-tui", appauthor=False) / "sessions"
