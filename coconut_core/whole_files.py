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

NEW, OLD = ".new", ".old"  # behind a name: what is being written, and what is being taken away


@contextmanager
def written_aside(path: Path) -> Iterator[TextIO]:
    """Open a file beside path to write text into; at the end it is synced and takes path's place.

    Where the block is left by an exception, path stays as it was. Raises OSError where the disk refuses.
    """
    aside = path.with_name(path.name + NEW)  # one name, so that what a kill leaves is written over
    try:
        with aside.open("w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """Make an empty folder beside path to write files into; the same promise as written_aside.

    A folder cannot be replaced in one go: between two renames there is neither the old one nor the new one at
    path, but never a part of one.
    """
    aside = path.with_name(path.name + NEW)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for file in aside.iterdir():
            _sync(file)
        _sync(aside)
        remove_folder(path)
        aside.rename(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Take a folder away, whole at once; nothing where there is none."""
    gone = path.with_name(path.name + OLD)
    shutil.rmtree(gone, ignore_errors=True)  # a kill left it
    if path.exists():
        path.rename(gone)
        shutil.rmtree(gone)


def _sync(path: Path) -> None:
    """Have what is at path on disk: a file's content, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
