"""What every command line of the project does with errors."""

import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from coconut_core.errors import CoconutError, Interrupted


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
    except Interrupted as interrupted:
        typer.echo(str(interrupted), err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
