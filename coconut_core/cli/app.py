"""The command table of `coconut`, and what every subcommand does with errors."""

import typer

from coconut_core import __version__
from coconut_core.cli import (
    across,
    analyze,
    ask,
    atlas,
    controls,
    convert,
    data,
    evaluate,
    export,
    grid,
    info,
    lens,
    plugins,
    serve,
    train,
)
from coconut_core.terminal.contributed import Commands
from coconut_core.terminal.guard import run_guarded
from coconut_core.terminal.processes import only_main_speaks, refuse_several

app = typer.Typer(
    name="coconut",
    cls=Commands,
    help="Run, look inside and train models that reason in continuous thoughts (Coconut).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("ask")(ask.ask)
app.command("info")(info.info)
app.command("eval")(evaluate.evaluate_command)
app.command("controls")(controls.controls_command)
app.command("grid")(grid.grid_command)
app.command("train")(train.train)
app.command("recipes")(train.recipes)
app.add_typer(data.app, name="data")
app.command("across")(across.across)
app.command("analyze")(analyze.analyze)
app.add_typer(lens.app, name="lens")
app.add_typer(atlas.app, name="atlas")
app.command("convert")(convert.convert)
app.command("export")(export.export)
app.command("serve")(serve.serve_command)
app.command("plugins")(plugins.plugins)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"coconut {__version__}")
        raise typer.Exit


OVER_PROCESSES = ("train", "eval", "controls", "analyze", "grid", "atlas")


@app.callback()
def _root(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    command = context.invoked_subcommand
    if command != "train":  # which says itself who speaks
        only_main_speaks()
    if command not in OVER_PROCESSES:
        refuse_several(f"coconut {command}")


def main() -> None:
    """Entry point of the `coconut` command."""
    run_guarded(app)
