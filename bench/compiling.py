"""A thought through a compiled graph (`--compile`), beside the plain step: one row, and many side by side."""

import time
from functools import partial

import torch
from torch import Tensor

from bench.measure import Comparison, Way, take_turns
from bench.shapes import Shape, random_question
from coconut_core.coconut import CoconutModel
from coconut_core.latent.cache.compiled import CompiledPass
from coconut_core.latent.cache.contexts import Context
from coconut_core.runs.rows import read_prompts

STEPS = 16  # timed together; in some random models differences of rounding grow from step to step
ROWS = (1, 64)
PLAIN = "plain step"


def compare(shape: Shape, repetitions: int, backend: str = "inductor") -> list[Comparison]:
    """Measure one shape. Raises AssertionError where the two ways give different states.

    backend: see torch.compile.
    """
    model, comparisons = shape.build(), []
    for count in ROWS:
        prompts = [model.encode_prompt(random_question(shape, seed)) for seed in range(count)]
        model.compile_steps(backend)
        graph = model.compiled
        began = time.perf_counter()
        think(model, graph, read_prompts(model, prompts))
        compile_seconds = (
            time.perf_counter() - began
        )  # the graph, from what the compiler keeps on disk where it is there
        prepare = partial(read_prompts, model, prompts)
        name = f"{count} row{'s' if count > 1 else ''}"
        ways = [
            Way(name, partial(think, model, graph), prepare),
            Way(PLAIN, partial(think, model, None), prepare),
        ]
        seconds, same = take_turns(ways, repetitions, check_same)
        text = f"{same[PLAIN]}; the graph took {compile_seconds:.1f} s"
        comparisons.append(Comparison("compile", shape.name, name, text, seconds[name], seconds[PLAIN]))
    return comparisons


@torch.inference_mode()
def think(model: CoconutModel, graph: CompiledPass | None, context: Context) -> Tensor:
    """The last state (rows, hidden) after some thoughts."""
    model.compiled = graph
    for _ in range(STEPS):
        model.latent_step(context)
    return context.hidden


def check_same(ours: Tensor, theirs: Tensor) -> str:
    """How many numbers there are. Raises AssertionError where they differ by more than rounding."""
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3 * float(theirs.abs().max()))
    return f"{ours.numel()} numbers of norm {float(ours.norm()):.6f} and {float(theirs.norm()):.6f}"
