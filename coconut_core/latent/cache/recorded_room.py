"""A layer's keys and values in one place while gradients are recorded: one position more is written behind the
others, forward, and its gradient added to one buffer, on the way back. torch.cat copies all of them both ways.

Written memory stays as it is, since backward reads it: a room only grows. What is handed out is the room's
beginning as a tensor with a version counter of its own, as autograd would take what is written behind it for a
change to it.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class RecordedRoom:
    """Keys and values, (batch, heads, positions, size) each; the first `used` positions are written."""

    def __init__(self, keys: Tensor, values: Tensor, positions: int) -> None:
        """Room for so many positions like these."""
        self.keys, self.values = (
            each.new_empty(*each.shape[:-2], positions, each.shape[-1]) for each in (keys, values)
        )
        self.used = 0
        self.gradients: list[Tensor | None] = [None, None]  # of keys and values, during a backward

    def has_space(self, start: int, keys: Tensor) -> bool:
        """Whether keys (batch, heads, time, size) can be written from `start` on, and nothing written over."""
        end = start + keys.shape[-2]
        return start == self.used and end <= self.keys.shape[-2] and keys.dtype == self.keys.dtype

    def append(self, keys: Tensor, values: Tensor, link: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Write keys and values (batch, heads, time, size); returns those of all positions written so far, and
        the link to hand over with the next ones. link: that of the ones before, by which backward goes from
        the last to the first."""
        before = self.keys.new_empty(0) if link is None else link
        full: tuple[Tensor, Tensor, Tensor] = _Append.apply(self, keys, values, before)  # type: ignore[no-untyped-call]
        return full


class _Append(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, room: RecordedRoom, keys: Tensor, values: Tensor, link: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        start = room.used
        room.used = end = start + keys.shape[-2]
        room.keys[..., start:end, :] = keys
        room.values[..., start:end, :] = values
        ctx.set_materialize_grads(False)
        ctx.room, ctx.start, ctx.end = room, start, end
        return room.keys[..., :end, :].data, room.values[..., :end, :].data, torch.empty_like(link)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, keys: Tensor | None, values: Tensor | None, link: Tensor | None
    ) -> tuple[None, Tensor | None, Tensor | None, Tensor]:
        room: RecordedRoom = ctx.room
        if link is None:  # this backward has been to nothing that was written later
            room.gradients = [None, None]
        for place, gradient in enumerate((keys, values)):
            total = room.gradients[place]
            if gradient is not None and total is None:
                room.gradients[place] = gradient.clone()
            elif gradient is not None and total is not None:
                total[..., : ctx.end, :] += gradient
        own = [None if each is None else each[..., ctx.start : ctx.end, :] for each in room.gradients]
        if not ctx.needs_input_grad[3]:
            room.gradients = [None, None]
        return None, own[0], own[1], room.keys.new_empty(0)
