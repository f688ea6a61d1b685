"""Gradients of weights from all passes of a training step in one product.

A thought is a pass of one position a row. Its gradient of a matrix is as large as the matrix, to be written
and added to that of the other passes, and is made of a few rows only. Here what went into a matrix, and the
gradient of what came out, are kept until those of all passes are there, and are multiplied then: once for the
longest pass, once for all others. It is the same sum, in another order.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers.pytorch_utils import Conv1D

from coconut_core.latent.model import LatentModel

LARGE = 2**19  # numbers in a matrix; of smaller ones a gradient more costs less than to keep what it is made of


@contextmanager
def joined_weight_gradients(model: LatentModel, least: int = LARGE) -> Iterator[None]:
    """For the time of the block, forward and backward, have the matrices of the base model do so that hold at
    least so many numbers.

    Under FSDP, whose weights come and go with each pass, and with gradient checkpointing, which keeps nothing
    that long, it must not be used. A pass under autocast is read as ever.
    """
    modules: Iterator[Any] = model.text_model.modules()
    matrices = [
        module
        for module in modules
        if type(module) in (nn.Linear, Conv1D)
        and "forward" not in vars(module)
        and module.weight.numel() >= least
    ]
    for module in matrices:
        module.forward = _joined(module)
    try:
        yield
    finally:
        for module in matrices:
            del module.forward  # that of its class is there again


def _outer(given: Tensor, gradient: Tensor, is_turned: bool) -> Tensor:
    return gradient.T @ given if is_turned else given.T @ gradient


def _joined(module: Any) -> Callable[[Tensor], Tensor]:
    forward: Callable[[Tensor], Tensor] = module.forward
    rows, shared = _Rows(), list[Tensor | None]()
    is_turned = isinstance(module, nn.Linear)

    def run(hidden: Tensor) -> Tensor:
        off = torch.is_autocast_enabled(hidden.device.type) or not torch.is_grad_enabled()
        if off or not module.weight.requires_grad:
            return forward(hidden)
        if not shared:
            shared.extend(_Weights.apply(rows, is_turned, module.weight, module.bias))  # type: ignore[no-untyped-call]
        product: Tensor = _Product.apply(rows, is_turned, hidden, *shared)  # type: ignore[no-untyped-call]
        return product

    return run


class _Rows:
    """Of each pass on the way back what went into a matrix (rows, inputs), and the gradient of what came out
    (rows, outputs)."""

    def __init__(self) -> None:
        self.passes: list[tuple[Tensor, Tensor]] = []


class _Weights(torch.autograd.Function):
    """A matrix and its bias, or None, as all passes use them; gradients come here last, after all passes."""

    @staticmethod
    def forward(
        ctx: Any, rows: _Rows, is_turned: bool, weight: Tensor, bias: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        ctx.set_materialize_grads(False)
        ctx.rows, ctx.is_turned, ctx.has_bias = rows, is_turned, bias is not None
        return weight.detach(), None if bias is None else bias.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *_: Tensor | None) -> tuple[None, None, Tensor | None, Tensor | None]:
        passes, ctx.rows.passes = ctx.rows.passes, []
        if not passes:
            return None, None, None, None
        longest = max(range(len(passes)), key=lambda number: len(passes[number][0]))
        given, gradient = passes.pop(longest)
        weight = _outer(given, gradient, ctx.is_turned)
        bias = gradient.sum(dim=0) if ctx.has_bias else None
        if passes:
            given, gradient = (torch.cat(parts) for parts in zip(*passes, strict=True))
            left, right = (gradient, given) if ctx.is_turned else (given, gradient)
            weight.addmm_(left.T, right)
            bias = None if bias is None else bias + gradient.sum(dim=0)
        return None, None, weight, bias


class _Product(torch.autograd.Function):
    """hidden (…, inputs) times a matrix, (outputs, inputs) where it is turned and else (inputs, outputs)."""

    @staticmethod
    def forward(
        ctx: Any, rows: _Rows, is_turned: bool, hidden: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        flat = hidden.reshape(-1, hidden.shape[-1])
        matrix = weight.T if is_turned else weight
        product = flat @ matrix if bias is None else torch.addmm(bias, flat, matrix)
        ctx.rows, ctx.is_turned, ctx.shape = rows, is_turned, hidden.shape
        ctx.save_for_backward(flat, weight)
        return product.view(*hidden.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, None, None]:
        flat, weight = ctx.saved_tensors
        gradient = gradient.reshape(-1, gradient.shape[-1])
        if ctx.needs_input_grad[3]:
            ctx.rows.passes.append((flat, gradient))
        if not ctx.needs_input_grad[2]:
            return None, None, None, None, None
        matrix = weight.T if ctx.is_turned else weight
        hidden = (gradient @ matrix.T).view(*ctx.shape)
        return None, None, hidden, None, None
