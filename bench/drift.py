"""python -m bench.drift: how far thoughts in a short number format drift from those in float32."""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor

from bench.shapes import SHAPES, random_question
from coconut_core.checkpoints.loading import DTYPES
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.common.markdown import markdown_table
from coconut_core.common.plots import Figure, Line, draw_lines
from coconut_core.evaluation.significance import Share
from coconut_core.problems import generate_problems, read_some_problems
from coconut_core.runs.rows import read_prompts
from coconut_core.terminal.guard import run_guarded, say
from coconut_core.terminal.options import Json

FREE, FORCED = "free", "forced"
DEFAULT_MODELS = ("models/prosqa-labelled", "gpt2-small", "prosqa")
TABLE_THOUGHTS = (1, 2, 8, 64, 256)  # the last one is there in any case
FLOOR = 1e-12  # what a logarithm shows in place of 0


@dataclass(frozen=True)
class Drift:
    """One model's thoughts beside its own in float32; all (thoughts, prompts).

    distance is 1 - cosine of the states; norm the difference of their norms as a share of float32's; divergence
    KL(float32 || other) of the readouts, in nats; same whether both readouts have one likeliest token.
    """

    distance: Tensor
    norm: Tensor
    divergence: Tensor
    same: Tensor

    def at(self, thought: int) -> dict[str, Any]:
        """Plain data of a thought, counted from 1: median and 90th percentile over the prompts, and the share
        of them whose likeliest token is the same."""
        share = Share(int(self.same[thought - 1].sum()), self.same.shape[1])
        record: dict[str, Any] = {"thought": thought}
        for name in ("distance", "norm", "divergence"):
            values = getattr(self, name)[thought - 1]
            record[name] = {"median": float(values.quantile(0.5)), "p90": float(values.quantile(0.9))}
        return record | {
            "same_likeliest": share.accuracy,
            "right": share.right,
            "interval_95": list(share.interval),
        }


@dataclass(frozen=True)
class ModelDrift:
    """What was measured of one model; drifts by FREE and FORCED."""

    name: str
    dtype: str
    prompts: int
    longest: int  # tokens of the longest prompt
    drifts: dict[str, Drift]

    def to_json(self) -> dict[str, Any]:
        """Plain data, every thought."""
        return {
            "model": self.name,
            "dtype": self.dtype,
            "n": self.prompts,
            "longest_prompt": self.longest,
            **{
                kind: [drift.at(number) for number in range(1, len(drift.same) + 1)]
                for kind, drift in self.drifts.items()
            },
        }


@torch.inference_mode()
def think(
    model: CoconutModel, prompts: Sequence[Sequence[int]], thoughts: int, fed: Tensor | None = None
) -> Tensor:
    """The state in front of each latent position, (thoughts, prompts, hidden).

    Each is fed back; or what is fed is `fed` (thoughts, prompts, hidden), the states of another run.
    """
    context = read_prompts(model, prompts)
    states = [context.hidden]
    for number in range(thoughts - 1):
        model.latent_step(context, None if fed is None else fed[number].to(model.dtype))
        states.append(context.hidden)
    return torch.stack(states)


@torch.inference_mode()
def compare(exact: CoconutModel, states: Tensor, rounded: CoconutModel, rounded_states: Tensor) -> Drift:
    """Set the states of two models side by side, (thoughts, prompts, hidden) each, in float64."""
    distances, norms, divergences, same = [], [], [], []
    for state, rounded_state in zip(states, rounded_states, strict=True):
        left, right = state.double(), rounded_state.double()
        long, length = left.norm(dim=-1, keepdim=True), right.norm(dim=-1, keepdim=True)
        distances.append((left / long - right / length).square().sum(dim=-1) / 2)  # 0 where they are the same
        norms.append(((length - long).abs() / long)[:, 0])
        expected = exact.logits(state).double().log_softmax(dim=-1)
        readout = rounded.logits(rounded_state).double().log_softmax(dim=-1)
        divergences.append((expected.exp() * (expected - readout)).sum(dim=-1))
        same.append(expected.argmax(dim=-1) == readout.argmax(dim=-1))
    return Drift(*(torch.stack(values).cpu() for values in (distances, norms, divergences, same)))


def measure(name: str, dtype: str, thoughts: int, count: int, data: Path | None, device: str) -> ModelDrift:
    """Drift of one model, a shape with random weights or a checkpoint, in that number format.

    Raises CoconutError where the model cannot read so many thoughts behind the longest prompt.
    """
    with folder_of(name) as folder:
        exact = CoconutModel.from_pretrained(folder, device=device, dtype="float32")
        rounded = CoconutModel.from_pretrained(folder, device=device, dtype=dtype)
    prompts = [exact.encode_prompt(question) for question in questions(name, count, data)]
    longest = max(map(len, prompts))
    if exact.max_positions is not None and longest + thoughts > exact.max_positions:
        raise CoconutError(
            f"{name} reads {exact.max_positions} positions and the longest prompt has {longest}: "
            f"ask for --thoughts {exact.max_positions - longest} at most"
        )
    states = think(exact, prompts, thoughts)
    drifts = {}
    for kind, fed in ((FREE, None), (FORCED, states)):
        drifts[kind] = compare(exact, states, rounded, think(rounded, prompts, thoughts, fed))
        sys.stderr.write(f"  {name}, {dtype}, {kind}\n")
    return ModelDrift(name, dtype, len(prompts), longest, drifts)


@contextmanager
def folder_of(name: str) -> Iterator[str]:
    """The folder of a checkpoint; a shape's random model is saved first, so that both are opened alike."""
    if name not in SHAPES:
        yield name
        return
    with tempfile.TemporaryDirectory() as folder:
        SHAPES[name].build().save_pretrained(folder)
        yield folder


def questions(name: str, count: int, data: Path | None) -> list[str]:
    """Random words for a shape, problems for a checkpoint: those of the file, or freshly drawn ones."""
    if name in SHAPES:
        return [random_question(SHAPES[name], seed) for seed in range(count)]
    problems = generate_problems("prosqa", count, seed=5) if data is None else read_some_problems(data, count)
    return [problem.question for problem in problems]


def figure(results: Sequence[ModelDrift]) -> Figure:
    """The states' distance and the readouts' agreement, thought by thought."""
    distances, agreements = [], []
    for result in results:
        for kind, drift in result.drifts.items():
            label, numbers = f"{result.name}, {kind}", list(range(1, len(drift.same) + 1))
            medians = drift.distance.quantile(0.5, dim=1).clamp(min=FLOOR).log10()
            distances.append(Line(label, numbers, medians.tolist()))
            agreements.append(Line(label, numbers, (100 * drift.same.double().mean(dim=1)).tolist()))
    dtype = results[0].dtype
    states = draw_lines(distances, f"States, {dtype} beside float32", "thought", "log10 of median 1 − cosine")
    readouts = draw_lines(
        agreements, "Readouts with the same likeliest token", "thought", "prompts (%)", y_range=(0, 100)
    )
    return states.beside(readouts)


def table(results: Sequence[ModelDrift]) -> str:
    """Medians and 90th percentiles at some thoughts, in Markdown."""
    head = ["model", "fed", "thought", "1 − cosine", "norm", "KL, nats", "same likeliest (95 %)"]
    rows = []
    for result in results:
        for kind, drift in result.drifts.items():
            last = len(drift.same)
            for number in sorted({*(thought for thought in TABLE_THOUGHTS if thought < last), last}):
                at = drift.at(number)
                low, high = at["interval_95"]
                cells = [
                    f"{at[key]['median']:.1e} ({at[key]['p90']:.1e})"
                    for key in ("distance", "norm", "divergence")
                ]
                same = f"{at['right']} of {result.prompts} ({100 * low:.0f}–{100 * high:.0f})"
                rows.append([result.name, kind, str(number), *cells, same])
    return markdown_table(head, rows, left=head[:2])


def bench(
    models: Annotated[
        list[str] | None, typer.Argument(help="Checkpoint folders, or shapes of python -m bench --list.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Set beside float32: bfloat16, float16 or float32.")] = "bfloat16",
    thoughts: Annotated[int, typer.Option(min=1, help="Continuous thoughts of each prompt.")] = 256,
    prompts: Annotated[int, typer.Option(min=1, help="Prompts of each model.")] = 32,
    data: Annotated[
        Path | None, typer.Option(help="Problem file for checkpoints; by default ProsQA, freshly drawn.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Write the figure as SVG.")] = None,
    as_json: Json = False,
) -> None:
    """The same model in float32 and with its weights rounded to another format, on the same prompts.

    free: each model is fed its own states. forced: the other one is fed float32's thoughts, rounded; what it is
    off then comes of its own arithmetic over the same inputs, and no more is added from thought to thought.
    """
    if dtype not in DTYPES:
        raise CoconutError(f"unknown dtype '{dtype}': use {', '.join(DTYPES)}")
    results = [measure(name, dtype, thoughts, prompts, data, device) for name in models or list(DEFAULT_MODELS)]
    drift_figure = figure(results)
    if out is not None:
        drift_figure.save_svg(out)
    if as_json:
        say(json.dumps({"results": [result.to_json() for result in results]}))
        return
    say(f"{dtype} beside float32, median (90th percentile) over the prompts")
    say(table(results))
    say("\n" + drift_figure.to_text(width=100))


if __name__ == "__main__":
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(bench)
    run_guarded(command)
