"""The `coconut` command: one module a subcommand. Nothing heavy is imported until a command runs."""


def main() -> None:
    """Entry point of the `coconut` command."""
    from coconut_core.cli.app import main as run

    run()


__all__ = ["main"]
