"""The folder of a training run; every file in it is the old one or the new one, never half of one."""

import json
import os
from pathlib import Path
from typing import Any

import torch

from coconut_core.errors import CoconutError


class RunFolder:
    """Paths of a run, and its resume state."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.state = self.path / "state.pt"
        self.metrics = self.path / "metrics.jsonl"
        self.checkpoint = self.path / "checkpoint"
        self.recipe = self.path / "recipe.json"

    def create(self) -> None:
        """Make the folder. Raises CoconutError where that is refused."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CoconutError(f"cannot make the run folder {self.path}: {error}") from error

    def write_recipe(self, recipe: dict[str, Any]) -> None:
        """Keep the recipe, so that a run can be gone on with."""
        aside = self.recipe.with_name(self.recipe.name + ".new")
        aside.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        aside.replace(self.recipe)

    def read_recipe(self) -> dict[str, Any]:
        """The recipe of the run."""
        try:
            recipe = json.loads(self.recipe.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise CoconutError(f"nothing to resume in {self.path}: start it without --resume") from None
        except (OSError, ValueError, RecursionError) as error:
            raise CoconutError(f"{self.recipe} cannot be read: {error}") from error
        if not isinstance(recipe, dict):
            raise CoconutError(f"{self.recipe} must hold a JSON object")
        return recipe

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the resume state aside, sync it, and rename it into place."""
        aside = self.state.with_name(self.state.name + ".new")
        try:
            with aside.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self.state)
        except OSError as error:
            raise CoconutError(
                f"cannot save the training state in {self.path}: {error}; the last good state is kept"
            ) from error

    def load_state(self) -> dict[str, Any]:
        """Read the resume state."""
        if not self.state.exists():
            raise CoconutError(f"nothing to resume in {self.path}: start it without --resume")
        try:
            state: dict[str, Any] = torch.load(self.state, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError) as error:
            raise CoconutError(f"the training state {self.state} cannot be read: {error}") from error
        return state
