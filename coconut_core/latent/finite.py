"""NaN and infinity: reported where they arise, and never shown as if they were a thought."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from coconut_core.common.errors import CoconutError

NAMED = 3  # tensors in a message


class WeightsError(CoconutError):
    """The weights hold NaN or infinity: no run of this model can be right."""


def not_finite(module: nn.Module) -> list[str]:
    """Names of the weights that hold NaN or infinity. Reads all of them."""
    return [
        name
        for name, weight in module.named_parameters()
        if weight.is_floating_point() and not weight.is_meta and not torch.isfinite(weight).all()
    ]


def check_finite(
    module: nn.Module, state: Tensor, what: str, weights: Callable[[], list[str]] | None = None
) -> None:
    """Raise CoconutError, saying what is not finite and where that comes from, unless all of state is finite:
    WeightsError where it comes from the weights.

    state is of any shape. On a GPU this waits for it. weights: what not_finite says of the module, where
    several are checked in a row.
    """
    if torch.isfinite(state).all():
        return
    names = not_finite(module) if weights is None else weights()
    text = f"{what} is not finite (NaN or infinity): "
    if not names:
        raise CoconutError(f"{text}the numbers overflow; use --dtype float32, or a smaller change to a thought")
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    raise WeightsError(f"{text}the weights {', '.join(names[:NAMED])}{more} are not either; take other weights")
