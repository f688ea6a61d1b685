"""The command table of `coconut`, and what every subcommand does with errors."""

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from coconut_core import __version__
from coconut_core.cli import ask, data, evaluate, info, train
from coconut_core.errors import CoconutError

app = typer.Typer(
    name="coconut",
    help="Run, look inside and train models that reason in continuous thoughts (Coconut).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("ask")(ask.ask)
app.command("info")(info.info)
app.command("eval")(evaluate.evaluate_command)
app.command("train")(train.train)
app.command("recipes")(train.recipes)
app.add_typer(data.app, name="data")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"coconut {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    pass


def main() -> None:
    """Entry point of the `coconut` command."""
    run_guarded(app)


def run_guarded(command: Callable[[], Any]) -> None:
    """Run a command line; a user's error becomes one line on stderr and exit code 2."""
    try:
        command()
    except CoconutError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:  # the reader went away, as in `coconut … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
