"""The `coconut-tui` command. Textual is imported only once there is something to show."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from coconut_core.errors import CoconutError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(context_settings={"help_option_names": ["-h", "--help"]})
def explore(
    trace: Annotated[Path | None, typer.Argument(help="A saved run to replay, without a model.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help="Checkpoint folder or hub id.")] = "models/prosqa",
    question: Annotated[str | None, typer.Option(help="The question to open.")] = None,
    example: Annotated[int | None, typer.Option(help="Open example N of the model's problem family.")] = None,
    thoughts: Annotated[int | None, typer.Option("--thoughts", "-n", help="Continuous thoughts.")] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="Tokens shown of a step.")] = 10,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16, float16.")] = "auto",
    feedback: Annotated[
        str | None, typer.Option(help="For models not trained to think: hidden or mixture.")
    ] = None,
) -> None:
    """Step a Coconut model through its thoughts in the terminal."""
    from coconut_core.config import check_thoughts
    from coconut_core.trace import Trace

    if thoughts is not None:
        check_thoughts(thoughts)
    if top_k < 1 or (example is not None and example < 1):
        raise CoconutError("top-k and example must be 1 or more")
    if question is not None and example is not None:
        raise CoconutError("give --question or --example, not both")
    loaded = None if trace is None else Trace.load(trace)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CoconutError("coconut-tui needs a terminal; in a pipe or script use: coconut ask --trace")
    from coconut_tui.app import Explorer
    from coconut_tui.engine import ModelChoice

    choice = None if loaded is not None else ModelChoice(model, device, dtype, feedback)
    Explorer(choice, trace=loaded, question=question, example=example, thoughts=thoughts, top_k=top_k).run()


def main() -> None:
    """Entry point of the `coconut-tui` command."""
    from coconut_core.cli.guard import run_guarded

    run_guarded(app)
