"""coconut train: run a recipe from its first step, or go on with a run."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from coconut_core.cli import options
from coconut_core.errors import CoconutError


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name or TOML file; see `coconut recipes`.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder.")] = Path("runs/prosqa"),
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Lay a value over the recipe, like --set seed=3.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the run folder.")] = False,
    device: options.Device = "auto",
) -> None:
    """Train a Coconut model by a recipe. The checkpoint is written to RUN/checkpoint.

    Progress goes to stderr, one line a report, and to RUN/metrics.jsonl.
    """
    from coconut_core.loading import choose_device
    from coconut_core.training.recipe import load_recipe, recipe_from_table
    from coconut_core.training.run_folder import RunFolder
    from coconut_core.training.scratch import build_model
    from coconut_core.training.trainer import Trainer

    choose_device(device)
    folder = RunFolder(out)
    if resume:
        if recipe is not None or settings:
            raise CoconutError("--resume goes on with the run's own recipe: leave out the recipe and --set")
        chosen = recipe_from_table(folder.read_recipe())
    else:
        if recipe is None:
            raise CoconutError("name a recipe, like: coconut train prosqa (coconut recipes lists them)")
        chosen = load_recipe(recipe, settings)
        if folder.state.exists():
            raise CoconutError(f"{out} already holds a run: go on with --resume, or choose another --out")
        folder.create()
        folder.write_recipe(chosen.to_json())
    typer.echo("drawing training problems", err=True)
    trainer = Trainer(build_model(chosen), chosen, folder, report=report, device=device)
    if resume:
        trainer.resume()
        typer.echo(f"going on from step {trainer.step}", err=True)
    trainer.run()
    typer.echo(f"done: {folder.checkpoint}", err=True)


def report(row: dict[str, Any]) -> None:
    """One plain line on stderr."""
    if "evaluation" in row:
        seen = row["evaluation"]
        text = (
            f"step {row['step']}  held-out accuracy {100 * seen['accuracy']:.1f} % "
            f"(n={seen['n']}, {seen['thoughts']} thoughts)"
        )
    else:
        parts = "  ".join(f"{name} {value:.3f}" for name, value in row["loss_by_part"].items())
        text = (
            f"step {row['step']}/{row['of']}  stage {row['stage']}  loss {row['loss']:.3f}  {parts}  "
            f"{row['tokens_per_second']} tokens/s"
        )
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def recipes(as_json: options.Json = False) -> None:
    """List the recipes that come with coconut."""
    from coconut_core.training.recipe import available_recipes, load_recipe

    if as_json:
        typer.echo(json.dumps({name: load_recipe(name).to_json() for name in available_recipes()}))
        return
    for name in available_recipes():
        recipe = load_recipe(name)
        typer.echo(f"{name}  {len(recipe.stages)} stages, {recipe.total_steps} steps of {recipe.batch_size}")
