"""The explorers' sessions on disk: saved on every change, found again after a crash.

A folder holds one file for each explorer, named after its process; so two explorers never write over each
other. An explorer that starts takes over the newest file whose owner is gone, by renaming it, which only one
can do. The newest is the one written last, whatever the clock said: a file that is written gets a later time
than all that are there.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from coconut_core.errors import CoconutError
from coconut_core.whole_files import remove_leftovers, written_aside
from coconut_tui.saved import Owner, SavedSession

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
        self._owner = Owner.this()
        self._path = self._new_path()
        # Both can be taken again by a signal's handler, which interrupts the thread that holds them.
        self._lock = threading.RLock()  # of what waits; never held while something is written
        self._writing = threading.RLock()
        self._pending: SavedSession | None = None
        self._timer: threading.Timer | None = None
        self._last: SavedSession | None = None
        self._found: SavedSession | None = None  # as it was before it was taken over
        self._closed = False
        self._refused = ""

    def load(self, fits: Callable[[SavedSession], bool] = lambda session: True) -> SavedSession | None:
        """Take over the newest session that fits and that no living explorer owns; None where there is none.

        A file that is no session is renamed, with a message, and the next one is tried.
        """
        with self._writing:
            for path in self._files():
                session = self._read(path)
                if session is None or session.owned or not fits(session):
                    continue
                try:
                    path.rename(self._path)  # fails where another explorer was faster
                except OSError:
                    continue
                self._found, self._last = session, replace(session, owner=self._owner)
                self._write(self._path, self._last)
                return session
            return None

    def put_back(self) -> None:
        """Leave the session that was taken over as it was found; what comes is saved beside it."""
        with self._writing:
            if self._found is not None:
                self._write(self._path, self._found)
                self._path, self._found, self._last = self._new_path(), None, None

    def give_up_crashed(self) -> None:
        """Note that nobody wants to go on with those left by a crash. They stay, as if left in good order."""
        for path, session in self._readable():
            if session.crashed:
                with suppress(OSError):
                    when = path.stat().st_mtime_ns
                    self._write(path, replace(session, owner=None), when)

    def remembered(self) -> SavedSession:
        """The models and questions of all sessions."""
        found = SavedSession()
        for _, session in reversed(list(self._readable())):
            found = found.remember(session.models, session.questions)
        return found

    def save(self, session: SavedSession) -> None:
        """Write a session as this process's, a moment from now; of several in that moment the last."""
        with self._lock:
            if self._closed:
                return
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
                self._write(self._path, session)

    def close(self, *, in_order: bool = True) -> None:
        """Write what waits, and where the explorer was left in good order, that nobody owns the session now.

        What is saved afterwards counts no more.
        """
        with self._writing:
            with self._lock:
                self._closed = True
            self.flush()
            if in_order and self._last is not None:
                self._write(self._path, replace(self._last, owner=None))
            self._forget_old()

    # -- inside --------------------------------------------------------------------------------------------

    def _new_path(self) -> Path:
        return self.folder / f"{os.getpid()}-{token_hex(4)}.json"

    def _files(self) -> list[Path]:
        """Session files, newest first."""
        return [path for _, path in sorted(self._dated(), reverse=True)]

    def _dated(self) -> Iterator[tuple[int, Path]]:
        """Session files with their times, in nanoseconds since 1970."""
        for path in self.folder.glob("*.json"):
            with suppress(FileNotFoundError):  # taken over by another explorer meanwhile
                yield path.stat().st_mtime_ns, path

    def _next_time(self) -> int:
        """That of a file written now. The clock may have been set back since the others were written."""
        return max(time.time_ns(), *(when + LATER for when, _ in self._dated()), 0)

    def _readable(self) -> Iterator[tuple[Path, SavedSession]]:
        for path in self._files():
            session = self._read(path)
            if session is not None:
                yield path, session

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
            with written_aside(path, mode=0o600) as file:
                file.write(json.dumps(session.to_json()))
                file.flush()  # or what is written after this gives the file the clock's time
                when = self._next_time() if when is None else when
                os.utime(file.name, ns=(when, when))
        except OSError as error:
            if str(error) != self._refused:  # once, not at every step
                self._refused = str(error)
                self._tell(f"the session cannot be saved: {error}")

    def _forget_old(self) -> None:
        """Remove the oldest sessions of explorers that are gone, beyond the number that is kept, and what a
        kill left half written."""
        for path in self._files()[KEPT:]:
            session = self._read(path)
            if session is not None and not session.owned:
                path.unlink(missing_ok=True)
        remove_leftovers(self.folder)


def default_folder() -> Path:
    """Where sessions are kept: the platform's folder for an application's state."""
    from platformdirs import user_state_path

    return user_state_path("coconut-tui", appauthor=False) / "sessions"
