"""Which checkpoints of a run there are to look at. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.training.step_folders import KEPT, step_folders

SEEDS = "seeds.json"  # of a folder that holds a run for each seed


@dataclass(frozen=True)
class Checkpoint:
    """A model of a run after so many steps."""

    step: int
    folder: Path


def checkpoints_of(run: Path) -> list[Checkpoint]:
    """The checkpoints of a run folder, oldest first: those that are kept for study, and besides those that can
    be gone on with. Raises CoconutError where there is none."""
    if not run.is_dir():
        raise CoconutError(f"there is no folder {run}: name that of a training run")
    if (run / SEEDS).is_file():
        raise CoconutError(f"{run} holds a run for each seed: name one of them, like {run}/seed-1")
    found = dict(step_folders(run)) | dict(step_folders(run / KEPT))
    if not found:
        raise CoconutError(
            f"{run} holds no checkpoint: train with --set keep_every=100, or name the folder of another run"
        )
    return [Checkpoint(step, found[step]) for step in sorted(found)]
