"""Training and evaluating every row of the comparison; what is there already is not done again."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError, visible
from coconut_core.common.whole_files import written_aside
from coconut_core.problems import Problem, generate_problems, write_problems
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.training.curriculum import ALL
from coconut_core.training.methods.table import PAPER_METHODS
from coconut_core.training.recipe import Recipe, load_recipe, recipe_from_table
from coconut_core.training.run_folder import RunFolder

RECIPE, BASE_RECIPE = "small", "small-base"
SEEDS = (1, 2, 3)
PROBLEMS = 500
LABELS = (
    "last",
    "no",
    "frontier",
)  # of recipes: nothing asked of a thought that is fed, the paper's own, all asked


@dataclass(frozen=True)
class Row:
    """A method with one kind of labels."""

    method: str
    labels: str

    @property
    def name(self) -> str:
        return f"{self.method}:{self.labels}"


@dataclass(frozen=True)
class Plan:
    """Where everything goes, and what differs from the recipes."""

    folder: Path = Path("runs/results")
    page: Path = Path("docs/RESULTS.md")
    figures: Path = Path("docs/images")
    problems: int = PROBLEMS
    settings: tuple[str, ...] = ()  # over the recipe of all rows
    base_settings: tuple[str, ...] = ()

    @property
    def base(self) -> Path:
        """The run that all others start from."""
        return self.folder / "base"

    def settings_of(self, row: Row, seed: int) -> list[str]:
        """What a row's run has in place of the recipe's."""
        own = [f"method={row.method}", f"seed={seed}", f"label_thoughts={row.labels}"]
        return [f"model.base={self.base / 'checkpoint'}", *self.settings, *own]

    def recipe(self, row: Row, seed: int = 1) -> Recipe:
        """A row's recipe."""
        return load_recipe(RECIPE, self.settings_of(row, seed))

    def thinks(self, row: Row) -> bool:
        """Whether something stands at the thoughts' places."""
        return self.recipe(row).thinks

    @property
    def rows(self) -> list[Row]:
        """Every method with each kind of labels that makes it another training, the unlabelled ones first.

        The next step is asked in front of <eot> where a stage leaves one in words; a frontier where there are
        thoughts.
        """
        rows = [Row(method, labels) for labels in LABELS for method in PAPER_METHODS]
        return [row for row in rows if row.labels == "last" or self._is_another(row)]

    def _is_another(self, row: Row) -> bool:
        recipe = self.recipe(row)
        return (
            recipe.thinks if row.labels == "frontier" else any(stage.removed < ALL for stage in recipe.stages)
        )


@dataclass(frozen=True)
class SeedRun:
    """The run of one row of the table with one seed."""

    plan: Plan
    row: Row
    seed: int

    @property
    def folder(self) -> Path:
        return self.plan.folder / f"{self.row.method}-{self.row.labels}-{self.seed}"

    def output(self, name: str) -> Any:
        """What a command printed of it as JSON; None where the command has not been run."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def seed_runs(plan: Plan, rows: Sequence[Row], seeds: Sequence[int]) -> list[SeedRun]:
    """The runs of these rows, seed by seed: where the work is cut short, the first seeds are whole."""
    return [SeedRun(plan, row, seed) for seed in seeds for row in rows]


def seeds_on_disk(plan: Plan) -> list[int]:
    """The seeds of which some row has been evaluated."""
    paths = [path for row in plan.rows for path in plan.folder.glob(f"{row.method}-{row.labels}-*/free.json")]
    matches = [re.search(r"-(-?\d+)\Z", path.parent.name) for path in paths]
    return sorted({int(match[1]) for match in matches if match})


def do_all(plan: Plan, runs: Sequence[SeedRun], workers: int) -> None:
    """Train and evaluate these runs, `workers` at a time on one thread each."""
    data, by_hops = _problem_files(plan)
    _train(plan.base, BASE_RECIPE, list(plan.base_settings))
    pool = ThreadPoolExecutor(workers)
    try:
        for run in pool.map(lambda run: _do(run, data, by_hops), runs):
            print(f"done: {run.row.name}, seed {run.seed}", file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # behind an error, or Ctrl-C, nothing new is begun


def hops_tested(plan: Plan) -> range:
    """The numbers of hops that all are asked about: those trained on, one fewer and one more."""
    low, high = plan.recipe(Row("coconut", "last")).data.hops
    return range(max(1, low - 1), high + 2)


def _problem_files(plan: Plan) -> tuple[Path, Path]:
    """Graphs of the test split, of the recipe's size; and some of each number of hops around it."""
    data_choice = plan.recipe(Row("coconut", "last")).data
    nodes, hops = data_choice.nodes, data_choice.hops
    count_by_hops = max(1, 2 * plan.problems // 5)

    def draw(count: int, seed: int, hops: tuple[int, int]) -> list[Problem]:
        return generate_problems("prosqa", count, seed, "test", ProsqaSize(nodes=nodes, hops=hops))

    name = f"nodes-{nodes[0]}-{nodes[1]}-hops-{hops[0]}-{hops[1]}"
    data = plan.folder / f"test-{name}-{plan.problems}.json"
    by_hops = plan.folder / f"by-hops-{name}-{count_by_hops}.json"
    if not data.exists():
        write_problems(data, draw(plan.problems, 7, hops))
    if not by_hops.exists():
        problems = (draw(count_by_hops, 8, (number, number)) for number in hops_tested(plan))
        write_problems(by_hops, [*chain.from_iterable(problems)])
    return data, by_hops


def _do(run: SeedRun, data: Path, by_hops: Path) -> SeedRun:
    _train(run.folder, RECIPE, run.plan.settings_of(run.row, run.seed))
    words = ("eval", "--data", data, "--max-new-tokens", 24)
    _ask(run, "free", *words, "--free")
    _ask(run, "by-hops", "eval", "--data", by_hops, "--max-new-tokens", 24, "--free")
    if run.plan.thinks(run.row):
        _ask(run, "no-thoughts", *words, "--free", "--thoughts", "0")
        count = min(200, run.plan.problems)
        _ask(run, "controls", "controls", "--data", data, "--count", count, "--max-new-tokens", 24, "--no-keep")
    if run.row.method == "coconut":
        most = max(stage.thoughts for stage in run.plan.recipe(run.row).stages) + 1
        _ask(run, "sweep", *words, "--thoughts", f"0..{most}", "--plot", run.folder / "sweep.svg")
        _analyze(run, data)
    if run.output("made") is None:
        with written_aside(run.folder / "made.json") as file:
            file.write(json.dumps({"date": date.today().isoformat(), "machine": machine()}) + "\n")
    return run


def machine() -> str:
    """The machine and packages that all is trained and measured with."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return f"{platform.machine()}, {os.cpu_count()} CPU cores, a thread a run, {packages}"


def _train(folder: Path, recipe: str, settings: Sequence[str]) -> None:
    run = RunFolder(folder)
    if run.recipe.exists() and not _same(
        recipe_from_table(run.read_recipe()), load_recipe(recipe, [*settings])
    ):
        raise CoconutError(f"{folder} is of another recipe than this: remove it, or choose another --out")
    if run.checkpoint.exists():
        return
    if run.steps():
        _coconut("train", "--resume", "--out", folder, "--device", "cpu")
    else:
        options = [word for setting in settings for word in ("--set", setting)]
        _coconut("train", recipe, *options, "--out", folder, "--device", "cpu")


def _same(first: Recipe, second: Recipe) -> bool:
    """Whether two recipes train the same, wherever their base lies."""
    return first == replace(second, model=replace(second.model, base=first.model.base))


def _ask(run: SeedRun, name: str, command: str, *options: object) -> None:
    path = run.folder / f"{name}.json"
    if path.exists():
        return
    output = _coconut(command, "--model", run.folder / "checkpoint", "--device", "cpu", "--json", *options)
    with written_aside(path) as file:
        file.write(output)


def _analyze(run: SeedRun, data: Path) -> None:
    if run.output("analysis/analysis") is None:
        options = ("--only", "inner-products", "--data", data, "--count", min(300, run.plan.problems))
        model = ("--model", run.folder / "checkpoint", "--device", "cpu")
        _coconut("analyze", *model, *options, "--out", run.folder / "analysis")


def _coconut(*arguments: object) -> str:
    """Run the command on one thread; what it printed. Raises CoconutError with its last words if it fails."""
    process = subprocess.run(
        [sys.executable, "-m", "coconut_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise CoconutError(f"coconut {' '.join(map(str, arguments))} failed: {visible(last)}")
    return process.stdout
