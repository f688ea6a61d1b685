"""Paths as users write them."""

import os
from pathlib import Path


def user_path(path: str | Path) -> Path:
    """The path with `~` and `~name` as the shell has them; one of nobody's home stays as it is."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises for a name that nobody has


def user_source(source: str) -> str:
    """A model's folder, likewise, or its hub id as it is."""
    return str(user_path(source)) if source.startswith("~") else source
