"""Paths as users write them."""

import os
from collections.abc import Sequence
from pathlib import Path

from coconut_core.common.errors import CoconutError


def user_path(path: str | Path) -> Path:
    """The path with `~` and `~name` as the shell has them; one of nobody's home stays as it is."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises for a name that nobody has


def user_source(source: str) -> str:
    """A model's folder, likewise, or its hub id as it is."""
    return str(user_path(source)) if source.startswith("~") else source


def place_of(name: str | Path) -> Path:
    """The file or folder that a name stands for, behind which "?" and more about it may stand."""
    path = user_path(name)
    return path if os.path.exists(path) else user_path(str(name).partition("?")[0])


def check_outputs(outputs: Sequence[str | Path | None], inputs: Sequence[Path | None] = ()) -> None:
    """Raise CoconutError where a file that is to be written is one that is read, or two outputs are one file.

    None and "-", a stream, are no files.
    """
    files = [place for place in map(place_of, filter(None, inputs)) if os.path.isfile(place)]
    for output in outputs:
        if output is None or str(output) == "-":
            continue
        path = Path(output)
        if any(_same_file(path, file) for file in files):
            raise CoconutError(f"{path} would be written over while it is needed: choose another file to write")
        files.append(path)


def _same_file(first: Path, second: Path) -> bool:
    if first.exists() and second.exists():
        return first.samefile(second) and first.is_file()
    return first.resolve() == second.resolve()
