"""Training and evaluating every method of the comparison; what is there already is not done again."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coconut_core.training.recipe import load_recipe

RECIPE = "small"
SEEDS = (1, 2, 3)
PROBLEMS = 500
RUNS = Path("runs/results")


@dataclass(frozen=True)
class Part:
    """One method with one seed."""

    method: str
    seed: int

    @property
    def folder(self) -> Path:
        return RUNS / f"{self.method}-{self.seed}"

    @property
    def thinks(self) -> bool:
        """Whether it was trained with something at the thoughts' places."""
        return load_recipe(RECIPE, [f"method={self.method}"]).thinks


def parts(methods: Sequence[str], seeds: Sequence[int]) -> list[Part]:
    """All parts, seed by seed, so that a run that is cut short has whole seeds."""
    return [Part(method, seed) for seed in seeds for method in methods]


def do_all(chosen: Sequence[Part], workers: int) -> None:
    """Train and evaluate all parts, `workers` at a time on one thread each."""
    data = problem_file()
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(lambda part: _do(part, data), chosen):
            print(f"done: {part.method}, seed {part.seed}", file=sys.stderr, flush=True)


def problem_file() -> Path:
    """The problems that all are measured on: graphs of the test split, of the recipe's size."""
    path = RUNS / "test.json"
    if not path.exists():
        _coconut(
            *("data", "make", "prosqa", "--count", PROBLEMS, "--seed", 7, "--split", "test"),
            *("--nodes", "8..12", "--hops", "2..3", "--out", path),
        )
    return path


def evaluation(part: Part, name: str) -> dict[str, Any] | None:
    """What `coconut eval --json` said of a part, where it has been asked."""
    path = part.folder / f"{name}.json"
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def _do(part: Part, data: Path) -> Part:
    if not (part.folder / "checkpoint").exists():
        started = any(part.folder.glob("step-*/training_state.pt"))
        if started:
            _coconut("train", "--resume", "--out", part.folder, "--device", "cpu")
        else:
            settings = ("--set", f"method={part.method}", "--set", f"seed={part.seed}")
            _coconut("train", RECIPE, *settings, "--out", part.folder, "--device", "cpu")
    _evaluate(part, data, "free", "--free")
    if part.thinks:
        _evaluate(part, data, "no-thoughts", "--free", "--thoughts", "0")
    if part.method == "coconut":
        _evaluate(part, data, "sweep", "--thoughts", "0..4", "--plot", part.folder / "sweep.svg")
    return part


def _evaluate(part: Part, data: Path, name: str, *options: object) -> None:
    path = part.folder / f"{name}.json"
    if path.exists():
        return
    said = _coconut(
        *("eval", "--model", part.folder / "checkpoint", "--data", data, "--device", "cpu", "--json"), *options
    )
    aside = path.with_suffix(".new")
    aside.write_text(said, encoding="utf-8")
    aside.replace(path)


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
