"""Training and evaluating every row of the comparison; what is there already is not done again."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coconut_core.training.curriculum import METHODS
from coconut_core.training.recipe import load_recipe
from coconut_core.whole_files import written_aside

RECIPE, BASE_RECIPE = "small", "small-base"
SEEDS = (1, 2, 3)
PROBLEMS = 500
RUNS = Path("runs/results")
BASE = RUNS / "base"
UNLABELLED = "coconut-unlabelled"  # as in the paper: no thought is asked for anything
ROWS = (*METHODS, UNLABELLED)


@dataclass(frozen=True)
class Part:
    """One row of the table with one seed."""

    row: str
    seed: int

    @property
    def method(self) -> str:
        return "coconut" if self.row == UNLABELLED else self.row

    @property
    def folder(self) -> Path:
        return RUNS / f"{self.row}-{self.seed}"

    @property
    def thinks(self) -> bool:
        """Whether it was trained with something at the thoughts' places."""
        return load_recipe(RECIPE, [f"method={self.method}"]).thinks

    @property
    def settings(self) -> list[str]:
        """What differs from the recipe."""
        labels = "frontier" if self.thinks and self.row != UNLABELLED else "no"
        return [f"method={self.method}", f"seed={self.seed}", f"label_thoughts={labels}"]


def parts(rows: Sequence[str], seeds: Sequence[int]) -> list[Part]:
    """All parts, seed by seed, so that a run that is cut short has whole seeds."""
    return [Part(row, seed) for seed in seeds for row in rows]


def do_all(chosen: Sequence[Part], workers: int) -> None:
    """Train and evaluate all parts, `workers` at a time on one thread each."""
    data = problem_file()
    _train(BASE, BASE_RECIPE, [])
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(lambda part: _do(part, data), chosen):
            print(f"done: {part.row}, seed {part.seed}", file=sys.stderr, flush=True)


def problem_file() -> Path:
    """The problems that all are measured on: graphs of the test split, of the recipe's size."""
    path = RUNS / "test.json"
    if not path.exists():
        size = load_recipe(RECIPE).data
        _coconut(
            *("data", "make", "prosqa", "--count", PROBLEMS, "--seed", 7, "--split", "test", "--out", path),
            *("--nodes", "..".join(map(str, size.nodes)), "--hops", "..".join(map(str, size.hops))),
        )
    return path


def evaluation(part: Part, name: str) -> dict[str, Any] | None:
    """What `coconut eval --json` or `coconut controls --json` said of a part, where it has been asked."""
    path = part.folder / f"{name}.json"
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def _do(part: Part, data: Path) -> Part:
    _train(part.folder, RECIPE, part.settings)
    eval_options = ("eval", "--data", data, "--max-new-tokens", 24)
    _ask(part, "free", *eval_options, "--free")
    if part.thinks:
        _ask(part, "no-thoughts", *eval_options, "--free", "--thoughts", "0")
        _ask(part, "controls", "controls", "--data", data, "--count", 200, "--max-new-tokens", 24, "--no-keep")
    if part.method == "coconut":
        _ask(part, "sweep", *eval_options, "--thoughts", "0..4", "--plot", part.folder / "sweep.svg")
    return part


def _train(folder: Path, recipe: str, settings: Sequence[str]) -> None:
    if (folder / "checkpoint").exists():
        return
    if any(folder.glob("step-*/training_state.pt")):
        _coconut("train", "--resume", "--out", folder, "--device", "cpu")
    else:
        chosen = [word for setting in settings for word in ("--set", setting)]
        _coconut("train", recipe, *chosen, "--out", folder, "--device", "cpu")


def _ask(part: Part, name: str, command: str, *options: object) -> None:
    path = part.folder / f"{name}.json"
    if path.exists():
        return
    said = _coconut(command, "--model", part.folder / "checkpoint", "--device", "cpu", "--json", *options)
    with written_aside(path) as file:
        file.write(said)


def _coconut(*arguments: object) -> str:
    """Run the command on one thread; what it printed. Raises RuntimeError, with its last notes, if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "coconut_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        raise RuntimeError(f"coconut {' '.join(map(str, arguments))}\n{done.stderr[-2000:]}")
    return done.stdout
