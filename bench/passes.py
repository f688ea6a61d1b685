"""python -m bench.passes: what finding thoughts in parallel passes costs in accuracy, and saves in time."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from bench.measure import Way, take_turns
from coconut_core.cli.evaluate import read_numbers
from coconut_core.coconut import CoconutModel
from coconut_core.common.markdown import markdown_table
from coconut_core.evaluation.evaluate import Evaluation, evaluate
from coconut_core.evaluation.significance import Pairs, adjusted, paired
from coconut_core.latent.config import check_passes
from coconut_core.problems import Problem, read_some_problems
from coconut_core.terminal.guard import run_guarded, say
from coconut_core.terminal.options import Json

LOOP = "loop"


@dataclass(frozen=True)
class Measured:
    """One way to find the thoughts, beside the loop that takes one after the other."""

    name: str  # LOOP or the number of passes
    result: Evaluation
    seconds: tuple[float, ...]  # of the processor, for each repetition
    pairs: Pairs  # right with the loop against right with this way
    same: int  # answers that are the loop's, word for word
    p_value: float  # that both are right equally often, corrected for the number of ways

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "passes": self.name,
            **self.result.to_json(),
            "processor_seconds": list(self.seconds),
            "same_answers": self.same,
            "lost": self.pairs.lost,
            "won": self.pairs.won,
            "drop": self.pairs.drop,
            "drop_interval_95": list(self.pairs.interval),
            "p": self.p_value,
        }

    def to_row(self) -> list[str]:
        """Cells of a table."""
        (low, high), count = self.result.interval, self.result.count
        accuracy = f"{100 * self.result.accuracy:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
        work = self.result.work
        cost = [f"{median(self.seconds):.2f}", str(work.passes), str(work.positions)]
        if self.name == LOOP:
            return [self.name, accuracy, "", "", "", "", *cost]
        low, high = self.pairs.interval
        drop = f"{100 * self.pairs.drop:.1f} ({100 * low:.1f} to {100 * high:.1f})"
        discordant = f"{self.pairs.lost} and {self.pairs.won}"
        same = f"{100 * self.same / count:.1f} %"
        return [self.name, accuracy, same, drop, discordant, f"{self.p_value:.2g}", *cost]


HEAD = ("passes", "right (95 %)", "same answer", "points lost (95 %)", "lost and won", "p")
COST = ("processor s", "forward passes", "positions")


def measure(
    model: CoconutModel,
    against: CoconutModel,
    problems: Sequence[Problem],
    passes: Sequence[int],
    repetitions: int,
    batch_size: int,
) -> list[Measured]:
    """Evaluate the loop of `against`, then the model with each number of passes (0: its own loop)."""
    results: dict[str, Evaluation] = {}

    def run(name: str, thinker: CoconutModel, number: int) -> Evaluation:
        thinker.config = replace(thinker.config, passes=number)
        results[name] = evaluate(thinker, problems, batch_size=batch_size)
        return results[name]

    ways = [Way(LOOP, partial(run, LOOP, against, 0))]
    ways += [Way(str(number), partial(run, str(number), model, number)) for number in passes]
    same: Callable[[Evaluation, Evaluation], str] = lambda ours, theirs: str(same_answers(ours, theirs))  # noqa: E731
    seconds, equal = take_turns(ways, repetitions, same)
    pairs = {name: paired(results[LOOP].right, result.right) for name, result in results.items()}
    p_values = adjusted([pairs[way.name].p_value for way in ways[1:]])
    return [
        Measured(
            way.name, results[way.name], tuple(seconds[way.name]), pairs[way.name], int(equal[way.name]), p
        )
        for way, p in zip(ways, [1.0, *p_values], strict=True)
    ]


def same_answers(ours: Evaluation, theirs: Evaluation) -> int:
    """How many questions got the same words."""
    return sum(left.text == right.text for left, right in zip(ours.answers, theirs.answers, strict=True))


def bench(
    data: Annotated[Path, typer.Option("--data", "-d", help="Problem file.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Checkpoint folder.")] = "models/prosqa-labelled",
    against: Annotated[
        str | None, typer.Option(help="Checkpoint whose loop is set beside it. Default: the model's own.")
    ] = None,
    passes: Annotated[str, typer.Option(help="Numbers of passes, like 1..6 or 2,3; 0 is the loop.")] = "1..6",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N problems.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Questions at a time.")] = 64,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each way is timed.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Accuracy with the thoughts found in so many parallel passes, beside one thought after the other.

    Answers follow the thoughts at once, as in coconut eval. Same: word for word the loop's. Lost and won:
    right with the loop only, and right with the passes only; p is McNemar's exact one, Holm's correction over
    the rows. Seconds are the processor's, the ways taking turns.
    """
    numbers = [check_passes(number) for number in read_numbers(passes)]
    problems = read_some_problems(data, limit)
    in_passes = CoconutModel.from_pretrained(model, device=device)
    in_loop = in_passes if against is None else CoconutModel.from_pretrained(against, device=device)
    results = measure(in_passes, in_loop, problems, numbers, repetitions, batch_size)
    if as_json:
        say(
            json.dumps(
                {
                    "model": model,
                    "against": against or model,
                    "results": [result.to_json() for result in results],
                }
            )
        )
        return
    say(f"{model}, loop: {against or model}, {data.name}, n={len(problems)}, {batch_size} at a time")
    say(markdown_table([*HEAD, *COST], [result.to_row() for result in results], left=HEAD[:1]))


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(bench)
    run_guarded(command)
