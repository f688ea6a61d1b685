"""A layer's keys and values with room to spare, so that one position more is written, not all of them copied.

What is there is never written over while somebody else may look at it: a copy shares the room of its original,
and the first of them that would write over, or write where the other has, takes a room of its own.
"""

from copy import copy
from threading import Lock
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from coconut_core.latent.cache.recorded_room import RecordedRoom

BLOCK = 64  # positions by which room grows


class Room:
    """Keys and values, (batch, heads, positions, size) each; the first `used` positions are written, and no
    other holds anything but finite numbers, so that it may be read as long as it is masked."""

    def __init__(self, keys: Tensor, values: Tensor, positions: int) -> None:
        """Room for so many positions like these, at least."""
        self.keys, self.values = (_zeros_like(tensor, rounded(positions)) for tensor in (keys, values))
        self.used = 0
        self.shared = False
        self._lock = Lock()

    def holds(self, keys: Tensor) -> bool:
        """Whether these keys are its first positions."""
        return starts_with(self.keys, keys)

    def claim(self, start: int, end: int) -> bool:
        """Take positions from start to end, to be written; False where that is not to be."""
        if end > self.keys.shape[-2] or (self.keys.is_inference() and not torch.is_inference_mode_enabled()):
            return False
        with self._lock:  # forks may be in threads of their own
            if self.shared and start != self.used:
                return False
            if end < self.used:
                self.keys[..., end : self.used, :] = 0
                self.values[..., end : self.used, :] = 0
            self.used = end
        return True


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """A DynamicLayer that does not copy what it holds for every position. The numbers are the same, and where
    gradients are recorded those are."""

    keys: Tensor
    values: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._room: Room | None = None
        self._recorded: RecordedRoom | None = None
        self._link: Tensor | None = None  # of what was written into it last

    def update(self, keys: Tensor, values: Tensor, *more: Any, **options: Any) -> tuple[Tensor, Tensor]:
        """Add keys and values (batch, heads, time, size); returns those of all positions."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        if torch.is_grad_enabled():
            return self._record(keys, values)
        start = self.get_seq_length()
        end = start + keys.shape[-2]
        room = self.reserve(keys.shape[-2], keys, values)
        room.keys[..., start:end, :] = keys
        room.values[..., start:end, :] = values
        return self.take(room, end)

    def _record(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The same where gradients are recorded."""
        start = self.get_seq_length()
        room = self._recorded
        if room is None or not starts_with(room.keys, self.keys) or not room.has_space(start, keys):
            room = RecordedRoom(keys, values, rounded(start + keys.shape[-2]))
            self._recorded, self._link = room, None
            if start:
                *_, self._link = room.append(self.keys, self.values, None)
        self.keys, self.values, self._link = room.append(keys, values, self._link)
        return self.keys, self.values

    def reserve(self, count: int, keys: Tensor | None = None, values: Tensor | None = None) -> Room:
        """A room that holds what has been read, in which the next `count` positions may be written; keys and
        values are like those to come, and need not be given where there are some."""
        start = self.get_seq_length()
        room = self._room
        if room is None or not room.holds(self.keys) or not room.claim(start, start + count):
            like = (self.keys, self.values) if keys is None or values is None else (keys, values)
            room = Room(*like, start + count)
            room.claim(0, start + count)
            if start:
                room.keys[..., :start, :] = self.keys
                room.values[..., :start, :] = self.values
            self._room = room
        return room

    def take(self, room: Room, end: int) -> tuple[Tensor, Tensor]:
        """Hold the room's first `end` positions from now on; returns their keys and values."""
        self.keys, self.values = room.keys[..., :end, :], room.values[..., :end, :]
        return self.keys, self.values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Keep these rows of the batch."""
        super().reorder_cache(beam_idx)
        self._room = self._recorded = self._link = None  # which have all rows

    def __deepcopy__(self, memo: dict[int, Any]) -> "GrowingLayer":
        if self._room is not None:
            self._room.shared = True
        return copy(self)


def starts_with(room: Tensor, keys: Tensor) -> bool:
    """Whether keys are a room's first positions, for the whole batch."""
    return (
        keys.data_ptr() == room.data_ptr() and keys.stride() == room.stride() and keys.shape[0] == room.shape[0]
    )


def rounded(positions: int) -> int:
    """Positions for which there is room where there are so many."""
    return -(-positions // BLOCK) * BLOCK


def _zeros_like(tensor: Tensor, positions: int) -> Tensor:
    return tensor.new_zeros(*tensor.shape[:-2], positions, tensor.shape[-1])
