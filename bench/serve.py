"""python -m bench.serve: what `coconut serve` answers to many clients at once, against one after the other."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import psutil
import typer
from rich.console import Console

from bench.measure import Comparison
from bench.shapes import Shape
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems
from coconut_core.server.asks import Ask
from coconut_core.server.client import Server
from coconut_core.terminal.guard import run_guarded

CHECKPOINT = "models/prosqa-labelled"
CLIENTS = 64
TARGET = 8.0
TOKEN = "bench"


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    server: Server
    process: psutil.Process

    def processor_seconds(self) -> float:
        """Processor seconds of all its threads since it started."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(model: str, rows: int) -> Iterator[Running]:
    """Start `coconut serve` and end it as a user would."""
    command = [sys.executable, "-m", "coconut_core", "serve", "--model", model, "--port", "0"]
    command += ["--rows", str(rows), "--queue", "4096", "--timeout", "600"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COCONUT_TOKEN": TOKEN}
    )
    try:
        assert process.stderr is not None
        log = ""
        while (address := re.search(r"answers at (http\S+);", log)) is None:
            line = process.stderr.readline()
            if not line:
                raise CoconutError(f"the server did not start: {log.strip()}")
            log += line
        yield Running(Server(address[1], TOKEN, timeout=600), psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure the checkpoint that has the prosqa shape; nothing for other shapes."""
    return measure(CHECKPOINT, CLIENTS, 2, CLIENTS, repetitions) if shape.name == "prosqa" else []


def measure(model: str, clients: int, questions: int, rows: int, repetitions: int) -> list[Comparison]:
    """Seconds of a clock, and the server's processor seconds, of the same questions asked by so many clients at
    once and by one after the other. Raises CoconutError where an answer differs."""
    prompts = [problem.question for problem in generate_problems("prosqa", clients * questions, seed=5)]
    clock: dict[int, list[float]] = {1: [], clients: []}
    processor: dict[int, list[float]] = {1: [], clients: []}
    with running(model, rows) as server:
        answers(server.server, prompts[:clients], clients)  # so that neither way pays for first uses
        for repetition in range(repetitions):
            results = []
            for count in (1, clients) if repetition % 2 == 0 else (clients, 1):
                before = time.perf_counter(), server.processor_seconds()
                results.append(answers(server.server, prompts, count))
                clock[count].append(time.perf_counter() - before[0])
                processor[count].append(server.processor_seconds() - before[1])
                sys.stderr.write(
                    f"  {repetition + 1}/{repetitions}  {count} at once  {clock[count][-1]:.3g} s\n"
                )
            if results[0] != results[1]:
                raise CoconutError(f"{sum(a != b for a, b in zip(*results, strict=True))} answers differ")
    same = f"{len(prompts)} answers, {len(set(results[0]))} of them different"
    return [
        Comparison("serve", model, f"one by one, {name}", same, seconds[clients], seconds[1], target)
        for name, seconds, target in (("clock", clock, TARGET), ("processor", processor, None))
    ]


def bench(
    model: Annotated[str, typer.Option("--model", "-m", help="Checkpoint folder.")] = CHECKPOINT,
    clients: Annotated[int, typer.Option(min=1, help="Clients at once.")] = CLIENTS,
    questions: Annotated[int, typer.Option(min=1, help="Questions of each client.")] = 2,
    rows: Annotated[int, typer.Option(min=2, help="Rows of the server's batch.")] = CLIENTS,
    repetitions: Annotated[int, typer.Option(min=1, help="How often each way is timed.")] = 3,
) -> None:
    """The same questions of a problem family, asked by many clients at once and by one after the other.

    Both ask the same server process; every answer has to be the same. Seconds are those of a clock and, beside
    them, the server's processor seconds.
    """
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    for result in measure(model, clients, questions, rows, repetitions):
        _, _, against, ours, theirs, *ratios, verdict = result.to_row()
        console.print(
            f"serve {model}, {clients} at once against {against}: {ours} s and {theirs} s, "
            f"ratio {' '.join(ratios)} (min, median, max) {verdict}",
            soft_wrap=True,
        )
    console.print(f"same {result.same}")


def answers(server: Server, questions: list[str], at_once: int) -> list[str]:
    """The answers, in order, to so many clients that each ask again as soon as they are answered."""
    ask: Callable[[str], str] = lambda question: str(server.ask(Ask(question))["answer"])  # noqa: E731
    with ThreadPoolExecutor(at_once) as clients:
        return list(clients.map(ask, questions))


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(bench)
    run_guarded(command)
