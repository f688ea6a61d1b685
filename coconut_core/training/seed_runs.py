"""Runs of one recipe that differ in their seed only, each as if it had been trained by itself.

seeds.json   the recipe, with every default, and the seeds
seed-1/      the run of a seed: a run folder like any other
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from coconut_core.common.errors import CoconutError, describe_error
from coconut_core.common.records import check_limits
from coconut_core.common.whole_files import refusals_as_errors, written_aside
from coconut_core.training.metrics import FILE_NAME as METRICS
from coconut_core.training.metrics import read_metrics
from coconut_core.training.recipe import SEED, Recipe, recipe_from_table
from coconut_core.training.run_folder import RunFolder


@dataclass(frozen=True)
class SeedResult:
    """What the held-out problems said of a seed's checkpoint."""

    seed: int
    accuracy: float
    count: int  # of held-out problems


class SeedRuns:
    """The folder of the runs."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.record = self.path / "seeds.json"

    def run(self, seed: int) -> RunFolder:
        """The run folder of a seed."""
        return RunFolder(self.path / f"seed-{seed}")

    def is_done(self, seed: int) -> bool:
        """Whether a seed's run is at its end."""
        return self.run(seed).checkpoint.is_dir()

    def check_new(self, seeds: Sequence[int]) -> None:
        """Raise CoconutError where no runs of these seeds can begin: some are here, or somebody's own files."""
        if any(RunFolder(path).steps() for path in self.path.glob("seed-*")):
            self.check_no_seeds()
        if self.record.exists() and not self._is_ours():
            raise CoconutError(
                f"{self.path} holds {self.record.name}, which is of no runs: choose another --out"
            )
        for folder in (RunFolder(self.path), *map(self.run, seeds)):
            folder.check_new()

    def check_no_seeds(self) -> None:
        """Raise CoconutError where the folder holds runs of several seeds."""
        if self.record.exists():
            raise CoconutError(
                f"{self.path} already holds runs of several seeds: go on with --resume, or choose another --out"
            )

    def _is_ours(self) -> bool:
        try:
            self.read()
        except CoconutError:
            return False
        return True

    def held(self) -> AbstractContextManager[None]:
        """Keep other trainings out; see RunFolder.held."""
        return RunFolder(self.path).held()

    def write(self, recipe: Recipe, seeds: Sequence[int]) -> None:
        """Keep recipe and seeds, so that the runs can be gone on with."""
        record = {"seeds": list(seeds), "recipe": recipe.to_json()}
        with refusals_as_errors(f"write {self.record.name} in {self.path}"), written_aside(self.record) as file:
            file.write(json.dumps(record, indent=2) + "\n")

    def read(self) -> tuple[Recipe, list[int]]:
        """The recipe and the seeds. Raises CoconutError where the record is broken."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
            recipe, seeds = recipe_from_table(record["recipe"]), check_seeds(record["seeds"])
        except FileNotFoundError:
            raise CoconutError(f"nothing to resume in {self.path}: start it without --resume") from None
        except (OSError, ValueError, RecursionError, LookupError, TypeError, CoconutError) as error:
            raise CoconutError(f"{self.record} cannot be read: {describe_error(error)}") from error
        return recipe, seeds

    def result(self, seed: int) -> SeedResult | None:
        """The result of the checkpoint that a finished run published; None without held-out problems."""
        run = self.run(seed)
        rows = [row for row in read_metrics(run.path / METRICS) if "evaluation" in row]
        best = run.read_best() if recipe_from_table(run.read_recipe()).publish == "best" else None
        if best is not None:
            rows = [row for row in rows if row["step"] == best[0]] or rows
        if not rows:
            return None
        return SeedResult(seed, float(rows[-1]["evaluation"]["accuracy"]), int(rows[-1]["evaluation"]["n"]))


def check_seeds(seeds: Sequence[object]) -> list[int]:
    """The seeds. Raises CoconutError where there are none, for what is no whole number, and for one that
    comes twice."""
    numbers = [seed for seed in seeds if isinstance(seed, int) and not isinstance(seed, bool)]
    if not numbers or len(numbers) != len(seeds) or len(set(numbers)) != len(numbers):
        raise CoconutError(
            f"seeds are different whole numbers, like 1,2,3, not {','.join(map(str, seeds))[:80]}"
        )
    for seed in numbers:
        check_limits("seed", seed, SEED)
    return numbers
