"""A column of the lens: the readouts of 30 layers in one product with the LM head, beside one by one."""

from functools import partial

import torch
from torch import Tensor

from bench.measure import Comparison, Way, take_turns
from bench.shapes import Shape
from coconut_core.coconut import CoconutModel
from coconut_core.latent.readout import Readout, TokenProbability, readouts

LAYERS = 30
TOKENS = 10
TOGETHER, APART = "one product", "layer by layer"

Column = list[list[TokenProbability]]


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure one shape. Raises AssertionError where the two ways read something else."""
    model = shape.build()
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(LAYERS, model.base_lm.get_output_embeddings().weight.shape[1], generator=generator)
    ways = [Way(TOGETHER, partial(together, model, states)), Way(APART, partial(apart, model, states))]
    seconds, same = take_turns(ways, repetitions, check_same)
    return [Comparison("lens", shape.name, APART, same[APART], seconds[TOGETHER], seconds[APART])]


def together(model: CoconutModel, states: Tensor) -> Column:
    """The likeliest tokens of each layer."""
    return [readout.top(TOKENS) for readout in readouts(model, states)]


def apart(model: CoconutModel, states: Tensor) -> Column:
    """The same, a product for each layer."""
    return [Readout(model, state).top(TOKENS) for state in states]


def check_same(ours: Column, theirs: Column) -> str:
    """How many layers there are. Raises AssertionError where the shares differ by more than rounding."""
    shares = [
        torch.tensor([[item.probability for item in layer] for layer in column]) for column in (ours, theirs)
    ]
    torch.testing.assert_close(*shares, rtol=1e-3, atol=1e-6)
    return f"{len(ours)} layers whose likeliest tokens have {float(shares[0].sum()):.4f} in all"
