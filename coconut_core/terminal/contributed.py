"""Subcommands of `coconut` that other packages bring, through entry points; see docs/EXTENDING.md.

They are looked for where all commands are listed, and where a name is none of the engine's own.
"""

from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from coconut_core.common.plugins import Table


@dataclass(frozen=True)
class Command:
    """A subcommand: its name, and a Typer app with one command or several. The module that has it is imported
    for `coconut --help`, so whatever is heavy is imported when the command runs."""

    name: str
    app: typer.Typer


COMMANDS = Table("command", "coconut.commands", Command, {})


class Commands(TyperGroup):
    """The engine's own commands, then those that other packages bring. Contexts and commands are click's, which
    typer has a copy of."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names; a package whose command does not work is logged in a line, and left out."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in COMMANDS.values() if name not in own)]

    def get_command(self, ctx: Any, name: str) -> Any:
        """A command by its name; the engine's own goes before one that another package brings. Raises
        CoconutError in a line where that one does not work."""
        own = super().get_command(ctx, name)
        brought = COMMANDS.get(name) if own is None else None
        if brought is None:
            return own
        command = get_command(brought.app)
        command.name = name
        return command
