"""coconut train: run a recipe from its first step, go on with a run, or draw one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coconut_core.cli.train_seeds import go_on_with_seeds, read_seeds, train_new_seeds
from coconut_core.common.errors import CoconutError, Interrupted
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.training.recipe import Recipe
    from coconut_core.training.run_folder import RunFolder
    from coconut_core.training.trainer import Trainer


def _recipes_beginning(text: str) -> list[str]:
    """For the shell's completion."""
    from coconut_core.training.recipe import available_recipes

    return [name for name in available_recipes() if name.startswith(text)]


@dataclass(frozen=True)
class _Showing:
    """What is shown in place of training."""

    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw a run's loss, accuracy and search by stage, and train nothing.",
            callback=options.expanded,
        ),
    ] = None
    svg: Annotated[
        Path | None, typer.Option(help="With --plot: write the figure there, too.", callback=options.expanded)
    ] = None
    methods: Annotated[
        bool, typer.Option("--list", help="List the methods of training, and train nothing.")
    ] = False


@options.grouped
def train(
    *,
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe's name or TOML file; see `coconut recipes`.", autocompletion=_recipes_beginning
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Run folder; by default runs/ and the recipe's name.", callback=options.expanded
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Lay a value over the recipe, like --set seed=3.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder.")] = False,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="Train one run for each of these seeds, like 1,2,3, in RUN/seed-1 and so on; with --resume, "
            "add these.",
            metavar="N,N,…",
        ),
    ] = None,
    device: options.Device = "auto",
    showing: _Showing,
) -> None:
    """Train a Coconut model by a recipe. The checkpoint is written to RUN/checkpoint.

    Progress goes to stderr and to RUN/metrics.jsonl. Ctrl-C saves and says how to go on.
    At the end of --seeds stdout has the accuracies on held-out problems, their mean, deviation and range.
    On several processes: torchrun --nproc_per_node N -m coconut_core train RECIPE --out RUN
    """
    if _shown(showing):
        return
    from coconut_core.checkpoints.loading import choose_device

    choose_device(device)
    seed_list = None if seeds is None else read_seeds(seeds)
    if resume:
        if recipe is not None or settings:
            raise CoconutError("--resume goes on with the run's own recipe: leave out the recipe and --set")
        if out is None:
            raise CoconutError("name the run to go on with, like: coconut train --resume --out runs/prosqa")
        _resume(out, seed_list, device)
    elif recipe is None:
        raise CoconutError("name a recipe, like: coconut train prosqa (coconut recipes lists them)")
    else:
        _begin(recipe, settings or [], out, seed_list, device)


def _shown(showing: _Showing) -> bool:
    """Show what was asked for in place of training, if anything was."""
    if showing.methods:
        _list_methods()
    elif showing.plot is not None:
        from coconut_core.training.metrics import plot_run

        say(plot_run(showing.plot, showing.svg, int(os.environ.get("COLUMNS", "100"))))
    elif showing.svg is not None:
        raise CoconutError("--svg is where --plot writes its figure: name the run, like --plot runs/prosqa")
    return showing.methods or showing.plot is not None


def _list_methods() -> None:
    """The methods in a line each, with the package of those of plugins, and below a method its options."""
    from coconut_core.common.plugins import package_of, plugins_of
    from coconut_core.training.methods.table import TABLE

    packages = {plugin.name: f" ({package_of(plugin)})" for plugin in plugins_of(TABLE.group)}
    methods = TABLE.values()
    width = max(map(len, methods))
    for name, method in methods.items():
        say(f"{name:<{width}}  {method.description}{packages.get(name, '')}")
        for option, entry in method.options.items():
            say(f"{'':<{width}}    options.{option} = {json.dumps(entry.default)}: {entry.description}")


def _resume(out: Path, seeds: list[int] | None, device: str) -> None:
    from coconut_core.training.run_folder import RunFolder
    from coconut_core.training.seed_runs import SeedRuns

    runs = SeedRuns(out)
    if seeds is not None or runs.record.exists():
        runs.read()
        with _processes(device) as first, runs.held() if first else nullcontext():
            go_on_with_seeds(runs, seeds or [], partial(_run, device=device, first=first), first)
        return
    folder = RunFolder(out)
    recipe = _recipe_of(folder)
    with _processes(device) as first:
        _run(recipe, folder, True, device, first)


def _begin(name: str, settings: list[str], out: Path | None, seeds: list[int] | None, device: str) -> None:
    from coconut_core.training.recipe import load_recipe
    from coconut_core.training.run_folder import RunFolder
    from coconut_core.training.seed_runs import SeedRuns
    from coconut_core.training.trackers import check_trackers

    recipe = load_recipe(name, settings)
    check_trackers(recipe.report_to)
    path = out if out is not None else Path("runs") / recipe.name
    runs = SeedRuns(path)
    if seeds is None:
        runs.check_no_seeds()
        folder = RunFolder(path)
        folder.check_new()
        with _processes(device) as first:
            _run(recipe, folder, False, device, first)
        return
    if any(setting.partition("=")[0].strip() == "seed" for setting in settings):
        raise CoconutError("--seeds says the seeds: leave out --set seed")
    with _processes(device) as first, runs.held() if first else nullcontext():
        train_new_seeds(runs, recipe, seeds, partial(_run, device=device, first=first), first)


def _recipe_of(folder: "RunFolder") -> "Recipe":
    from coconut_core.training.recipe import recipe_from_table

    return recipe_from_table(folder.read_recipe())


@contextmanager
def _processes(device: str) -> Iterator[bool]:
    """Whether this is the first of the processes that train, which part in order at the end."""
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    first = state.is_main_process
    try:
        yield first
    except Interrupted:
        state.destroy_process_group()
        if first:
            raise
        raise typer.Exit(130) from None  # the main process says how to go on
    state.destroy_process_group()


def _run(recipe: "Recipe", folder: "RunFolder", resume: bool, device: str, first: bool) -> None:
    from coconut_core.training.recipe import with_absolute_paths
    from coconut_core.training.trackers import check_trackers

    check_trackers(recipe.report_to)
    with folder.held() if first else nullcontext():
        if first and not resume:
            folder.check_new()  # another run may have come and gone since we looked
            folder.write_recipe(with_absolute_paths(recipe).to_json())
        _train(recipe, folder, resume, device, first)


def _train(recipe: "Recipe", folder: "RunFolder", resume: bool, device: str, first: bool) -> None:
    from coconut_core.training.start import build_model, reopen_model
    from coconut_core.training.trainer import Trainer

    model = reopen_model(folder) if resume else build_model(recipe)
    if first:
        say("reading problems", err=True)
    trainer = Trainer(model, recipe, folder, device=device)
    if first:
        _tell_processes(trainer)
    if resume:
        trainer.resume()
        if first:
            say(f"going on from step {trainer.step}", err=True)
    if first:
        _run_and_show(trainer, folder)
    else:
        trainer.run(lambda row: None)


def _tell_processes(trainer: "Trainer") -> None:
    if trainer.accelerator.num_processes > 1:
        shared = ", which share the weights out among them (FSDP)" if trainer.sharded else ""
        say(f"{trainer.accelerator.num_processes} processes{shared}", err=True)
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and not trainer.sharded:
        say("note: no FSDP here: accelerate has it for several processes on GPUs only", err=True)


def _run_and_show(trainer: "Trainer", folder: "RunFolder") -> None:
    from coconut_core.terminal.progress import Progress
    from coconut_core.training.metrics import MetricsLog
    from coconut_core.training.trackers import Reporting

    recipe = trainer.recipe
    reporting = Reporting(recipe.report_to, recipe.to_json(), partial(say, err=True))
    opened = MetricsLog(
        folder.path, step=trainer.step, owes_evaluation=trainer.owes_evaluation, reporting=reporting
    )
    with opened as log, Progress() as progress:

        def report(row: dict[str, object]) -> None:
            log.append(row)
            progress(row)

        trainer.run(report)
    best = folder.read_best()
    note = "" if best is None else f"; best on held-out problems: step {best[0]}, {100 * best[1]:.1f} % right"
    say(f"done: {folder.checkpoint}{note}", err=True)


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Print this recipe whole, every default written out.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the recipes that come with coconut, or print one."""
    from coconut_core.training.methods.table import TABLE as METHODS
    from coconut_core.training.recipe import available_recipes, load_recipe

    if name is not None:
        recipe = load_recipe(name)
        say(json.dumps(recipe.to_json()) if as_json else recipe.to_toml(), nl=as_json)
        return
    if as_json:
        say(json.dumps({name: load_recipe(name).to_json() for name in available_recipes()}))
        return
    for name in available_recipes():
        recipe = load_recipe(name)
        say(
            f"{name:<18} {recipe.method:<9} {len(recipe.stages)} stages, "
            f"{recipe.curriculum.total} {recipe.curriculum.unit} of {recipe.batch_size}"
        )
    say("methods: " + ", ".join(METHODS.names()) + " (coconut train --list says what they are)")
