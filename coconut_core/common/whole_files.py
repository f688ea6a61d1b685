"""Files and folders that are whole or not there: written aside, synced, renamed.

Whatever stops the writing, a kill or a full disk, leaves at a path what was there before or all of what was to
come. What is written lies, until it is whole, in a workspace: a folder beside the path, NAME.coconut-XXXXXXXX,
that did not exist before, with a mark that says which folder it is and a lock that the system lets go of when
the writer is gone. So nothing of anybody else is taken for it, and no two writers share one.
"""

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TextIO

from safetensors import SafetensorError

from coconut_core.common.errors import CoconutError, one_line

NEW, OLD, MARK = "new", "old", "written-by-coconut.json"  # in a workspace
WORKSPACES = "*.coconut-????????"  # how a workspace is called
WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)  # what a full disk becomes on its way through libraries


@contextmanager
def written_aside(path: Path, mode: int | None = None, *, fresh: bool = False) -> Iterator[TextIO]:
    """Open a file beside path to write text into; at the end it is synced and takes path's place.

    Where the block is left by an exception, path stays as it was; where path is a link, so does the link. A
    pipe or /dev/stdout has no place to take and is written to. mode: who may read it, fresh: whether there must
    be none yet, see file_written_aside. Raises OSError where the disk refuses, or the file is read-only.
    """
    if not fresh and path.exists() and (not path.is_file() or Path("/dev") in path.absolute().parents):
        with path.open("a", encoding="utf-8") as file:
            yield file
        return
    place = path.absolute() if fresh else path.resolve()
    with file_written_aside(place, mode, fresh=fresh) as aside, aside.open("w", encoding="utf-8") as file:
        yield file


@contextmanager
def file_written_aside(path: Path, mode: int | None = None, *, fresh: bool = False) -> Iterator[Path]:
    """The same for what is written by its name: gives the path to write to. Without a mode the new file may be
    read by whom the old one could be read, or else any new file, whatever mode a library gives it. fresh:
    raises FileExistsError where something is at path already, even if it has come meanwhile."""
    if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    with _workspace(path) as place:
        aside = place / NEW
        aside.touch()
        if mode is None:
            mode = (path if path.is_file() else aside).stat().st_mode & 0o777
        aside.chmod(mode)
        yield aside
        aside.chmod(mode)
        _sync(aside)
        _put_fresh(aside, path) if fresh else aside.replace(path)
        _sync(path.parent)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Make an empty folder to write files into, which takes path's place; the same promise as written_aside.

    A folder cannot be replaced in one go: between two renames there is neither the old one nor the new one at
    path, but never a part of one, and both are whole in the workspace beside it; the next writer puts the old
    one back. Raises FileExistsError where somebody else has put another folder there meanwhile.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with _workspace(path) as place:
        aside, old, before = place / NEW, place / OLD, _identity(path)
        aside.mkdir()
        readable = aside.stat().st_mode & 0o444
        if path.is_dir():
            aside.chmod(path.stat().st_mode & 0o777)
        yield aside
        for file in aside.rglob("*"):
            file.chmod(file.stat().st_mode | readable)  # safetensors makes files that only their owner may read
            _sync(file)
        _sync(aside)
        try:
            if os.path.lexists(path):
                path.rename(old)
            if _identity(old) not in (None, before):
                raise FileExistsError(errno.EEXIST, "another process has written it meanwhile", str(path))
            aside.rename(path)
        finally:
            _put_back(old, path)
        _sync(path.parent)


def remove_folder(path: Path) -> None:
    """Take a folder away, whole at once; a path without a folder stays as it is."""
    with _workspace(path) as place:
        if os.path.lexists(path):
            path.rename(place / OLD)


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Take away what killed writers left in a folder, of the path of one name or of all.

    A folder that a kill had set aside, and for which no new one came, is put back. What is not theirs beyond
    doubt stays: a copy of a workspace, one with anything else in it, one of somebody else, or of a writer that
    lives.
    """
    with suppress(OSError):
        for place in folder.glob(WORKSPACES):
            if name is None or place.name.rpartition(".coconut-")[0] == _shortened(name):
                with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
                    _remove_leftover(place, name)


def _put_fresh(aside: Path, path: Path) -> None:
    """Give a file the name path, which nothing may have yet."""
    try:
        os.link(aside, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without links
        path.touch(exist_ok=False)
        aside.replace(path)


# -- workspaces ----------------------------------------------------------------------------------------------


@contextmanager
def _workspace(path: Path) -> Iterator[Path]:
    """A new folder beside path, for this writer alone; it goes, with all that is left in it."""
    remove_leftovers(path.parent, path.name)
    place, handle = _new_workspace(path)
    try:
        (place / MARK).write_text(json.dumps(_mark(handle, path.name)), encoding="utf-8")
        yield place
    finally:
        with suppress(OSError):
            _clear(place)
        os.close(handle)


def _new_workspace(path: Path) -> tuple[Path, int]:
    """The folder, and the handle that holds its lock."""
    while True:
        try:
            place = Path(mkdtemp(prefix=f"{_shortened(path.name)}.coconut-", dir=path.parent))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        with suppress(FileNotFoundError):  # taken away before it was locked: it was empty, as a kill leaves one
            handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            with suppress(OSError):  # a file system without locks: no leftover is taken away there, either
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _identity(place) is not None:
                return place, handle
            os.close(handle)


def _shortened(name: str) -> str:
    return name[:50]  # four bytes a character at most, and a name has room for 255


def _mark(handle: int, name: str) -> dict[str, object]:
    """What a workspace says of itself; a copy of it is another inode."""
    return {"inode": os.fstat(handle).st_ino, "for": name}


def _remove_leftover(place: Path, name: str | None) -> None:
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError: its writer lives
        held = set(os.listdir(place))
        if os.fstat(handle).st_uid != os.geteuid() or not held <= {MARK, NEW, OLD}:
            return
        if held - {MARK}:  # else there is nothing in it that could be anybody's
            mark = json.loads((place / MARK).read_text(encoding="utf-8"))
            owner = mark["for"] if name is None else name
            if mark != _mark(handle, owner):
                return
            if NEW in held:
                _put_back(place / OLD, place.with_name(owner))
        _clear(place)
    finally:
        os.close(handle)


def _put_back(old: Path, path: Path) -> None:
    if os.path.lexists(old) and not os.path.lexists(path):
        old.rename(path)


def _clear(place: Path) -> None:
    """Take a workspace away, its mark last; but not an old folder whose place somebody else has taken."""
    new, old = place / NEW, place / OLD
    if os.path.lexists(new) and os.path.lexists(old):
        return
    for path in (old, new):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if set(os.listdir(place)) <= {MARK}:
        (place / MARK).unlink(missing_ok=True)
        place.rmdir()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file or folder is at a path; None where nothing is there."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


# -- what the disk says --------------------------------------------------------------------------------------


@contextmanager
def refusals_as_errors(what: str, comfort: str = "") -> Iterator[None]:
    """Raise CoconutError, "cannot {what}: {what the disk said}{comfort}", for what a full disk or a folder that
    may not be written becomes on its way through the libraries that write models."""
    try:
        yield
    except CoconutError:
        raise
    except Exception as error:
        plain = type(error) is Exception  # as tokenizers raises it
        if not plain and not isinstance(error, WRITE_ERRORS):
            raise
        raise CoconutError(f"cannot {what}: {_reason(error)}{comfort}") from error


def _reason(error: BaseException) -> str:
    """In a few words what the disk said, which the libraries hide behind errors of their own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return one_line(error)


def _sync(path: Path) -> None:
    """Have what is at path on disk: a file's content, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
