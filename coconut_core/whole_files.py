"""Files and folders that are whole or not there: written aside, synced, renamed.

Whatever stops the writing, a kill or a full disk, leaves at a path what was there before or all of what was to
come.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from safetensors import SafetensorError

from coconut_core.errors import CoconutError, one_line

NEW, OLD = ".new", ".old"  # behind a name: what is being written, and what is being taken away
WRITE_ERRORS = (OSError, RuntimeError, SafetensorError)  # what a full disk becomes on its way through libraries


@contextmanager
def written_aside(path: Path) -> Iterator[TextIO]:
    """Open a file beside path to write text into; at the end it is synced and takes path's place.

    Where the block is left by an exception, path stays as it was; where path is a link, so does the link. A
    pipe or /dev/stdout has no place to take and is written to. Raises OSError where the disk refuses.
    """
    if path.exists() and (not path.is_file() or Path("/dev") in path.absolute().parents):
        with path.open("a", encoding="utf-8") as file:
            yield file
        return
    with file_written_aside(path.resolve()) as aside, aside.open("w", encoding="utf-8") as file:
        yield file


@contextmanager
def file_written_aside(path: Path) -> Iterator[Path]:
    """The same for what is written by its name: gives the path beside it to write to."""
    aside = path.with_name(path.name + NEW)  # one name, so that what a kill leaves is written over
    try:
        yield aside
        _sync(aside)
        aside.replace(path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Make an empty folder beside path to write files into; the same promise as written_aside.

    A folder cannot be replaced in one go: between two renames there is neither the old one nor the new one at
    path, but never a part of one, and both are whole beside it.
    """
    aside, gone = (path.with_name(path.name + end) for end in (NEW, OLD))
    _put_back(gone, path)  # as a kill left it
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for file in aside.rglob("*"):
            _sync(file)
        _sync(aside)
        _set_aside(path, gone)
        aside.rename(path)
        _sync(path.parent)
        shutil.rmtree(gone, ignore_errors=True)  # the new one is there: only now
    finally:
        _put_back(gone, path)
        shutil.rmtree(aside, ignore_errors=True)


def _set_aside(path: Path, gone: Path) -> bool:
    """Call path something else, where it is there; whether it was."""
    shutil.rmtree(gone, ignore_errors=True)  # a kill left it
    if there := path.exists():
        path.rename(gone)
    return there


def _put_back(gone: Path, path: Path) -> None:
    if gone.exists() and not path.exists():
        gone.rename(path)


def remove_folder(path: Path) -> None:
    """Take a folder away, whole at once; nothing where there is none."""
    gone = path.with_name(path.name + OLD)
    if _set_aside(path, gone):
        shutil.rmtree(gone)


@contextmanager
def refusals_told(what: str, comfort: str = "") -> Iterator[None]:
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
