"""How many bytes of tensors are alive at the same time, whatever makes them, on any device."""

from typing import Any
from weakref import finalize

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveBytes(TorchDispatchMode):
    """While it is open, counts what is made and what is let go of; `peak` is the most that was alive at once.

    What was there before does not count. A storage counts once, however many tensors look at it.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.peak = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation; what comes out is new unless it went in."""
        known = {id(storage) for storage in _storages((args, kwargs))}
        result = function(*args, **(kwargs or {}))
        for storage in _storages(result):
            if id(storage) not in known:
                known.add(id(storage))
                self._add(storage.nbytes())
                finalize(storage, self._add, -storage.nbytes())
        return result

    def _add(self, count: int) -> None:
        self.alive += count
        self.peak = max(self.peak, self.alive)


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [value.untyped_storage() for value in tree_iter(values) if isinstance(value, torch.Tensor)]
