"""The `coconut` command: one module a subcommand. Nothing heavy is imported until a command runs."""

from coconut_core.cli.app import main

__all__ = ["main"]
