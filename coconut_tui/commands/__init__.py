"""Subcommands of `coconut` that the explorer brings; entry points name them. Nothing heavy is imported until
one runs."""
