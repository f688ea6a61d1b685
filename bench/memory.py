"""python -m bench.memory: the memory that training needs, beside that of another way or of a shorter file."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.terminal.guard import run_guarded

if TYPE_CHECKING:
    from bench.shapes import Shape

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help=__doc__)
MIB = 1 << 20
DEFAULT_SHAPE = "gpt2-small"


@app.command()
def data(
    counts: Annotated[list[int], typer.Argument(min=1, help="Problems of each file, like 20000 400000.")],
    steps: Annotated[int, typer.Option(min=1, help="How many steps to train on each.")] = 20,
) -> None:
    """Making a problem file and training on it, for files of several lengths.

    Runs the commands that a user runs, and asks the operating system how much each had in memory at most.
    """
    typer.echo(f"{'problems':>9}  {'file':>8}  {'coconut data make':>17}  {'coconut train':>13}  of the first")
    first: Peaks | None = None
    for count in counts:
        peaks = measure_data(count, steps)
        first = first or peaks
        typer.echo(
            f"{count:>9}  {peaks.file / MIB:>4.0f} MiB  {peaks.make / MIB:>13.0f} MiB  "
            f"{peaks.train / MIB:>9.0f} MiB  {peaks.make / first.make:.2f} and {peaks.train / first.train:.2f}"
        )


@dataclass(frozen=True)
class Peaks:
    """Bytes: of the file, and the most that the two commands had resident."""

    file: int
    make: int
    train: int


def measure_data(count: int, steps: int) -> Peaks:
    """Make a file of so many problems in a temporary folder and train a small model on it."""
    with tempfile.TemporaryDirectory() as folder:
        path, run = Path(folder) / "problems.json", Path(folder) / "run"
        size = ("--nodes", "8", "--hops", "2", "--seed", "1")
        make = _peak_of("data", "make", "prosqa", "--count", str(count), *size, "--out", str(path))
        settings = ["method=cot", f"data.train={path}", "curriculum.lookup=0", f"curriculum.total={steps}"]
        options = [part for setting in settings for part in ("--set", setting)]
        train = _peak_of("train", "small-base", *options, "--out", str(run), "--device", "cpu")
        return Peaks(path.stat().st_size, make, train)


def _peak_of(*arguments: str) -> int:
    """Run `coconut`; the most bytes it had resident. Raises CoconutError, with its last words, if it fails."""
    # A small process stands in between: one that is started inherits the peak of the one that starts it.
    between = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    command = [sys.executable, "-c", between, sys.executable, "-m", "coconut_core", *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise CoconutError(f"coconut {' '.join(arguments)} failed: {' '.join(process.stderr.split())[-300:]}")
    return int(process.stdout.split()[-1]) * (1 if sys.platform == "darwin" else 1024)


@app.command()
def step(
    shape: Annotated[str, typer.Option(help="Model and lengths; python -m bench --list.")] = DEFAULT_SHAPE,
) -> None:
    """One training step, forward and backward, with gradient checkpointing and without.

    Memory is that of all tensors made on the way, gradients of the weights included, where it was highest.
    """
    from bench.shapes import SHAPES

    if shape not in SHAPES:
        raise CoconutError(f"no shape '{shape}': name one of {', '.join(SHAPES)}")
    without, sparing, weights = measure_step(SHAPES[shape])
    typer.echo(f"{shape}, gradients of the weights: {weights / MIB:.0f} MiB")
    for name, cost in (("without", without), ("gradient_checkpointing", sparing)):
        typer.echo(f"{name:<23} {cost.peak / MIB:>6.0f} MiB at most  {cost.seconds:>6.3g} CPU s")
    typer.echo(
        f"{'ratio':<23} {sparing.peak / without.peak:>6.2f} of the memory, "
        f"{sparing.seconds / without.seconds:.2f} of the time"
    )


@dataclass(frozen=True)
class StepCost:
    """Bytes of the tensors that were alive at the same time at most, and seconds of the processor."""

    peak: int
    seconds: float


def measure_step(shape: "Shape") -> tuple[StepCost, StepCost, int]:
    """A step of a shape without gradient checkpointing and with it, and the bytes of all gradients.

    Raises AssertionError where the two differ in loss or gradients.
    """
    from bench.shapes import random_batch
    from bench.train import check_same, our_step
    from coconut_core.runs.live_bytes import LiveBytes

    model = shape.build()
    batch = random_batch(shape, model)
    costs, results = [], []
    for checkpointing in (False, True):
        model.zero_grad(set_to_none=True)
        with LiveBytes() as live:
            our_step(model, batch, checkpointing)
        began = time.process_time()
        results.append(our_step(model, batch, checkpointing))
        costs.append(StepCost(live.peak, time.process_time() - began))
    check_same(*results)
    weights = sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)
    return costs[0], costs[1], weights


if __name__ == "__main__":
    run_guarded(app)
