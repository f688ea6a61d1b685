"""How the checkpoints of a run are called on disk. Needs no torch."""

import re
from pathlib import Path

KEPT = "kept"  # where a run has the models that are kept for study
_NAME = re.compile(r"step-(\d{6,})\Z")


def step_name(step: int) -> str:
    """The name of a step's folder."""
    return f"step-{step:06d}"


def step_folders(path: Path) -> list[tuple[int, Path]]:
    """The folders in a folder that are named by a step, oldest first."""
    matches = [(_NAME.match(item.name), item) for item in path.glob("step-*")]
    return sorted((int(match[1]), item) for match, item in matches if match is not None and item.is_dir())
