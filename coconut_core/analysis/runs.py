"""What models think over many questions, kept with what their layers put out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.common.reprs import record_repr
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.layers import watching
from coconut_core.latent.model import LatentModel
from coconut_core.runs.passes import check_one_by_one
from coconut_core.runs.rows import in_batches, read_prompts
from coconut_core.runs.shared import shared

BATCH = 32  # questions at a time


@dataclass(frozen=True)
class Places:
    """Runs that each take as many thoughts, seen place by place. Place k is where k of them have been read,
    place 0 is <bot>.

    So the state at place k is what is fed as thought k + 1, and that at the last place is fed no more.
    """

    states: Tensor  # (runs, places, hidden), after the final norm
    layers: Tensor  # (runs, places, layers, hidden), the residual stream after each layer
    attention: Sequence[Tensor] = ()  # where asked for, of each place (runs, layers, heads, time), left-padded

    __repr__ = record_repr

    @property
    def thoughts(self) -> Tensor:
        """The vectors that were fed, (runs, thoughts, hidden)."""
        return self.states[:, :-1]


def gather(
    model: LatentModel,
    questions: Sequence[str],
    thoughts: int,
    *,
    batch_size: int = BATCH,
    progress: Callable[[int], None] | None = None,
) -> Places:
    """Let the model take exactly so many thoughts over each question; what is kept is float32, on the CPU.

    progress is called with the number of questions done, batch by batch. Raises CoconutError for an unusable
    question.
    """
    prompts = [model.encode_prompt(question) for question in questions]
    batches = in_batches(prompts, batch_size)

    def read(batch: list[int]) -> tuple[Tensor, Tensor]:
        passes = think(model, [prompts[index] for index in batch], thoughts)
        return passes.states.float().cpu(), passes.layers.float().cpu()

    states: dict[int, Tensor] = {}
    layers: dict[int, Tensor] = {}
    for batch, (of_states, of_layers) in zip(batches, shared(model, batches, read), strict=True):
        states |= zip(batch, of_states, strict=True)
        layers |= zip(batch, of_layers, strict=True)
        if progress is not None:
            progress(len(batch))
    order = range(len(prompts))
    return Places(torch.stack([states[at] for at in order]), torch.stack([layers[at] for at in order]))


@torch.inference_mode()
def think(
    model: LatentModel, prompts: Sequence[Sequence[int]], thoughts: int, *, attention: bool = False
) -> Places:
    """Read prompts and take exactly so many thoughts, all rows at once."""
    check_one_by_one(model)
    check_room(model, prompts, thoughts)
    with watching(model, attention=attention) as watch:
        context = read_prompts(model, prompts)
        states = [context.hidden]
        for _ in range(thoughts):
            states.append(model.latent_step(context))
    return Places(
        torch.stack(states, dim=1),
        torch.stack([seen.layers for seen in watch.passes], dim=1),
        [seen.attention for seen in watch.passes if seen.attention is not None],
    )


def check_room(model: LatentModel, prompts: Sequence[Sequence[int]], more: int) -> None:
    """Raise CoconutError where a prompt and so many more positions are more than the model reads."""
    longest, limit = max(map(len, prompts)), model.max_positions
    if limit is not None and longest + more > limit:
        raise CoconutError(
            f"a question of {longest} tokens leaves no room for {more} more: the model reads {limit} positions"
        )


@contextmanager
def aside(context: Context) -> Iterator[None]:
    """Whatever is fed to the context within is taken back at the end, which is exact."""
    length, hidden = context.length, context.hidden
    before = None if context.croppable else context.copy()
    try:
        yield
    finally:
        if before is not None:
            context.cache, context.mask, context.hidden = before.cache, before.mask, hidden
        elif added := context.length - length:
            context.take_back(added, hidden)
