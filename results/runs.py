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
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError, visible
from coconut_core.common.whole_files import written_aside
from coconut_core.problems import Problem, generate_problems, write_problems
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.training.curriculum import ALL, METHODS
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
        chosen = [f"method={row.method}", f"seed={seed}", f"label_thoughts={row.labels}"]
        return [f"model.base={self.base / 'checkpoint'}", *self.settings, *chosen]

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
        rows = [Row(method, labels) for labels in LABELS for method in METHODS]
        return [row for row in rows if row.labels == "last" or self._is_another(row)]

    def _is_another(self, row: Row) -> bool:
        recipe = self.recipe(row)
        return recipe.thinks if row.labels == "frontier" else any(each.removed < ALL for each in recipe.stages)


@dataclass(frozen=True)
class Part:
    """One row of the table with one seed."""

    plan: Plan
    row: Row
    seed: int

    @property
    def folder(self) -> Path:
        return self.plan.folder / f"{self.row.method}-{self.row.labels}-{self.seed}"

    def said(self, name: str) -> Any:
        """What a command said of it as JSON, where it has been asked, else None."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def parts(plan: Plan, rows: Sequence[Row], seeds: Sequence[int]) -> list[Part]:
    """All parts, seed by seed, so that a run that is cut short has whole seeds."""
    return [Part(plan, row, seed) for seed in seeds for row in rows]


def seeds_run(plan: Plan) -> list[int]:
    """The seeds of which some row has been asked."""
    asked = [path for row in plan.rows for path in plan.folder.glob(f"{row.method}-{row.labels}-*/free.json")]
    found = [re.search(r"-(-?\d+)\Z", path.parent.name) for path in asked]
    return sorted({int(number[1]) for number in found if number})


def do_all(plan: Plan, chosen: Sequence[Part], workers: int) -> None:
    """Train and evaluate all parts, `workers` at a time on one thread each."""
    data, by_hops = _problem_files(plan)
    _train(plan.base, BASE_RECIPE, list(plan.base_settings))
    pool = ThreadPoolExecutor(workers)
    try:
        for part in pool.map(lambda part: _do(part, data, by_hops), chosen):
            print(f"done: {part.row.name}, seed {part.seed}", file=sys.stderr, flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # behind an error, or Ctrl-C, nothing new is begun


def hops_tested(plan: Plan) -> range:
    """The numbers of hops that all are asked about: those trained on, one fewer and one more."""
    low, high = plan.recipe(Row("coconut", "last")).data.hops
    return range(max(1, low - 1), high + 2)


def _problem_files(plan: Plan) -> tuple[Path, Path]:
    """Graphs of the test split, of the recipe's size; and some of each number of hops around it."""
    nodes, hops = (part := plan.recipe(Row("coconut", "last")).data).nodes, part.hops
    each = max(1, 2 * plan.problems // 5)

    def draw(count: int, seed: int, hops: tuple[int, int]) -> list[Problem]:
        return generate_problems("prosqa", count, seed, "test", ProsqaSize(nodes=nodes, hops=hops))

    name = f"nodes-{nodes[0]}-{nodes[1]}-hops-{hops[0]}-{hops[1]}"
    data = plan.folder / f"test-{name}-{plan.problems}.json"
    by_hops = plan.folder / f"by-hops-{name}-{each}.json"
    if not data.exists():
        write_problems(data, draw(plan.problems, 7, hops))
    if not by_hops.exists():
        write_problems(
            by_hops, [one for number in hops_tested(plan) for one in draw(each, 8, (number, number))]
        )
    return data, by_hops


def _do(part: Part, data: Path, by_hops: Path) -> Part:
    _train(part.folder, RECIPE, part.plan.settings_of(part.row, part.seed))
    words = ("eval", "--data", data, "--max-new-tokens", 24)
    _ask(part, "free", *words, "--free")
    _ask(part, "by-hops", "eval", "--data", by_hops, "--max-new-tokens", 24, "--free")
    if part.plan.thinks(part.row):
        _ask(part, "no-thoughts", *words, "--free", "--thoughts", "0")
        count = min(200, part.plan.problems)
        _ask(
            part, "controls", "controls", "--data", data, "--count", count, "--max-new-tokens", 24, "--no-keep"
        )
    if part.row.method == "coconut":
        most = max(stage.thoughts for stage in part.plan.recipe(part.row).stages) + 1
        _ask(part, "sweep", *words, "--thoughts", f"0..{most}", "--plot", part.folder / "sweep.svg")
        _analyze(part, data)
    if part.said("made") is None:
        with written_aside(part.folder / "made.json") as file:
            file.write(json.dumps({"date": date.today().isoformat(), "machine": machine()}) + "\n")
    return part


def machine() -> str:
    """What all is trained and measured on."""
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
        chosen = [word for setting in settings for word in ("--set", setting)]
        _coconut("train", recipe, *chosen, "--out", folder, "--device", "cpu")


def _same(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes train the same, wherever their base lies."""
    return replace(one, model=replace(one.model, base="")) == replace(
        other, model=replace(other.model, base="")
    )


def _ask(part: Part, name: str, command: str, *options: object) -> None:
    path = part.folder / f"{name}.json"
    if path.exists():
        return
    said = _coconut(command, "--model", part.folder / "checkpoint", "--device", "cpu", "--json", *options)
    with written_aside(path) as file:
        file.write(said)


def _analyze(part: Part, data: Path) -> None:
    if part.said("analysis/analysis") is None:
        read = ("--only", "inner-products", "--data", data, "--count", min(300, part.plan.problems))
        model = ("--model", part.folder / "checkpoint", "--device", "cpu")
        _coconut("analyze", *model, *read, "--out", part.folder / "analysis")


def _coconut(*arguments: object) -> str:
    """Run the command on one thread; what it printed. Raises CoconutError with its last words if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "coconut_core", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise CoconutError(f"coconut {' '.join(map(str, arguments))} failed: {visible(last)}")
    return done.stdout
