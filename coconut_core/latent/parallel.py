"""Thoughts found side by side: a pass reads all latent positions at once, and a few passes find the thoughts.

One after the other, n thoughts cost n passes that read one position each. Here every pass reads all n of them,
each fed the state that the position in front of it had in the pass before (Jacobi iteration; PCCoT, arXiv
2506.18582). The first thought is right from the start and each pass makes one more right, so after as many
passes as thoughts they are those of the loop that takes one at a time; fewer passes make other thoughts, and a
model that was trained with them expects those. The first inputs are the embeddings of the latent marker.

What the passes decide is which vectors are fed. The keys and values of the last pass are those that feeding its
vectors one by one through LatentModel.latent_step gives, so a run can be stepped all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import Context

if TYPE_CHECKING:
    from coconut_core.latent.model import LatentModel


@dataclass(frozen=True)
class Others:
    """What stands at latent positions where a row has no thought: (batch, count, hidden) embeddings, and
    thinking (batch, count), whether there is a thought."""

    embeddings: Tensor
    thinking: Tensor


def find_thoughts(
    model: "LatentModel",
    context: Context,
    count: int,
    passes: int,
    *,
    mask: Tensor | None = None,
    others: Others | None = None,
    change: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Read the next `count` positions of all rows, their thoughts found in so many passes, 1 or more.

    mask (batch, count) is 0 where a row has ended. change maps the thoughts of a pass (batch, count, hidden) to
    what is fed in their places. Returns the thoughts as they were fed and the states behind them, both (batch,
    count, hidden), and moves the context on, as if they had been fed one by one. Gradients flow through all
    passes. Raises CoconutError for a model whose cache cannot be taken back.
    """
    if not context.croppable:
        raise CoconutError(
            f"{type(model.base_lm).__name__} has recurrent layers, which read one position after the other: "
            "take its thoughts one by one with --passes 0"
        )
    before = context.hidden
    states = _first_guess(model, context, count, mask, others)
    for number in range(min(passes, count)):  # more of them would change nothing
        if number:
            context.take_back(count, before)
        thoughts = states if change is None else change(states)
        hidden = model.latent_positions(
            context,
            thoughts,
            otherwise=None if others is None else others.embeddings,
            thinking=None if others is None else others.thinking,
            mask=mask,
        )
        states = torch.cat([before[:, None], hidden[:, :-1]], dim=1)
    return thoughts, hidden


def _first_guess(
    model: "LatentModel", context: Context, count: int, mask: Tensor | None, others: Others | None
) -> Tensor:
    """The thoughts of the first pass, (batch, count, hidden): states of a model that reads latent markers."""
    before = context.hidden
    if count == 1:
        return before[:, None]
    marker = model.embed(torch.full((1, 1), model.config.latent_id, device=model.device))
    read = marker.expand(before.shape[0], count - 1, -1)
    if others is not None:
        read = torch.where(others.thinking[:, :-1, None], read, others.embeddings[:, :-1])
    hidden = model.feed(context, read, None if mask is None else mask[:, :-1])
    context.take_back(count - 1, before)
    return torch.cat([before[:, None], hidden], dim=1)
