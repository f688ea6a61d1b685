"""coconut eval: accuracy of a checkpoint on a problem file."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from coconut_core.cli import options
from coconut_core.errors import CoconutError


def evaluate_command(
    data: Annotated[Path, typer.Option("--data", "-d", help="Problem file in the official JSON layout.")],
    model: options.Model = "models/prosqa",
    thoughts: options.Thoughts = None,
    free: Annotated[
        bool, typer.Option("--free", help="Let the model go on to reason in words before it answers.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first N problems.")] = None,
    batch_size: Annotated[int, typer.Option(help="Questions at a time.")] = 64,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    as_json: options.Json = False,
) -> None:
    """Accuracy with its 95 % interval. Thoughts alone do the reasoning: the answer follows them at once.

    Run it again with --thoughts 0 to see what the thoughts are worth.
    """
    from rich.console import Console
    from rich.progress import Progress

    from coconut_core.config import check_thoughts
    from coconut_core.evaluate import evaluate
    from coconut_core.problems import read_problems

    if thoughts is not None:
        check_thoughts(thoughts)
    if batch_size < 1 or (limit is not None and limit < 1):
        raise CoconutError("batch-size and limit must be 1 or more")
    problems = read_problems(data)[:limit]
    if not problems:
        raise CoconutError(f"{data} holds no problems")
    opened = options.open_model(model, device, dtype)
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("evaluating", total=len(problems))
        result = evaluate(
            opened,
            problems,
            thoughts=thoughts,
            answer_only=not free,
            batch_size=batch_size,
            progress=lambda count: bar.advance(task, count),
        )
    low, high = result.interval
    used = opened.config.thoughts if thoughts is None else thoughts
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "model": opened.name,
                    "data": str(data),
                    "n": result.count,
                    "right": sum(result.right),
                    "thoughts": used,
                    "words_allowed": free,
                    "accuracy": result.accuracy,
                    "interval_95": [low, high],
                    "by_hops": result.by_hops,
                    "mean_answer_tokens": result.mean_tokens,
                    "seconds": round(result.seconds, 3),
                }
            )
        )
        return
    how = "thoughts, then free words" if free else "thoughts only"
    typer.echo(
        f"accuracy {100 * result.accuracy:.1f} %  "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}, n={result.count}, {used} thoughts, {how})"
    )
    typer.echo("by hops  " + "  ".join(f"{hops}: {100 * rate:.1f} %" for hops, rate in result.by_hops.items()))
    typer.echo(f"answer tokens {result.mean_tokens:.1f}  seconds {result.seconds:.1f}")
