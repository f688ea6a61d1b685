"""One training step without its optimizer, forward and backward, beside two plain ways to take it, and beside
the step of an ordinary language model over the same tokens, which thinks nothing."""

from dataclasses import dataclass, replace
from functools import partial
from math import isclose, isfinite

from torch import Tensor
from torch.nn.utils import get_total_norm

from bench.measure import Comparison, Way, take_turns
from bench.naive import ReadFunction, loss_of, loss_of_words, read_again, read_official
from bench.shapes import Batch, Shape, random_batch
from coconut_core.coconut import CoconutModel
from coconut_core.latent.prompt_shortcut import prompt_shortcut
from coconut_core.training.gradient_checkpointing import kept_for_gradients

OURS, AGAIN, OFFICIAL, WORDS = "coconut_core", "prefix again", "official way", "one pass of words"
TARGETS = {("gpt2-small", AGAIN): 3.0, ("gpt2-small", WORDS): 1.15, ("prosqa", WORDS): 1.0}
TOLERANCE = 1e-4  # of loss and gradient norm, relative; float32 sums in another order


@dataclass(frozen=True)
class StepResult:
    """What a training step came to."""

    loss: float
    gradient_norm: float
    thinks: bool = True  # whether thoughts were fed: another step than without


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure one shape. Raises AssertionError where the ways differ in loss or gradients."""
    model = shape.build()
    batch = random_batch(shape, model)
    ways = [
        Way(OURS, partial(our_step, model, batch)),
        Way(AGAIN, partial(naive_step, read_again, model, batch)),
        Way(OFFICIAL, partial(naive_step, read_official, model, batch)),
        Way(WORDS, partial(words_step, model, batch)),
    ]
    seconds, same = take_turns(ways, repetitions, check_same)
    return [
        Comparison(
            "train",
            shape.name,
            name,
            same[name],
            seconds[OURS],
            seconds[name],
            TARGETS.get((shape.name, name)),
            cost=name == WORDS,
        )
        for name in (AGAIN, OFFICIAL, WORDS)
    ]


def our_step(model: CoconutModel, batch: Batch, checkpointing: bool = False) -> StepResult:
    """A step as the trainer takes it."""
    model.zero_grad(set_to_none=True)
    kept = kept_for_gradients(model, checkpointing=checkpointing, sharded=False)
    with kept, prompt_shortcut(model):
        output = model(batch.input_ids, batch.attention_mask, batch.labels)
        output.loss.backward()
    return _step_result(model, output.loss)


def naive_step(read: ReadFunction, model: CoconutModel, batch: Batch) -> StepResult:
    """The same with one of the plain ways to read."""
    model.zero_grad(set_to_none=True)
    loss = loss_of(read, model, batch.input_ids, batch.attention_mask, batch.labels)
    loss.backward()
    return _step_result(model, loss)


def words_step(model: CoconutModel, batch: Batch) -> StepResult:
    """A step of an ordinary language model with the same labels."""
    model.zero_grad(set_to_none=True)
    loss = loss_of_words(model, batch.input_ids, batch.attention_mask, batch.labels)
    loss.backward()
    return replace(_step_result(model, loss), thinks=False)


def check_same(ours: StepResult, theirs: StepResult) -> str:
    """Both, as text. Raises AssertionError where they differ by more than float32 does; a step without thoughts
    has another loss, and has to have numbers."""
    if not theirs.thinks:
        if not isfinite(theirs.loss) or not isfinite(theirs.gradient_norm) or not theirs.gradient_norm:
            raise AssertionError(f"not a step: {theirs}")
        return f"labels, and another loss, as nothing is thought: {ours.loss:.6f} and {theirs.loss:.6f}"
    if not isclose(ours.loss, theirs.loss, rel_tol=TOLERANCE) or not isclose(
        ours.gradient_norm, theirs.gradient_norm, rel_tol=TOLERANCE
    ):
        raise AssertionError(f"not the same step: {ours} and {theirs}")
    return (
        f"loss {ours.loss:.6f} and {theirs.loss:.6f}, "
        f"gradient norm {ours.gradient_norm:.6f} and {theirs.gradient_norm:.6f}"
    )


def _step_result(model: CoconutModel, loss: Tensor) -> StepResult:
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return StepResult(loss.item(), get_total_norm(gradients).item())
