"""Choosing the next word from logits."""

import math

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError


def pick_token(logits: Tensor, latent_id: int, temperature: float, generator: torch.Generator) -> int:
    """The next token of one row, logits (vocabulary,). Temperature 0 takes the likeliest.

    The latent placeholder stands for a thought and is never spoken.
    """
    scores = logits.float().cpu().clone()
    if latent_id < scores.shape[0]:
        scores[latent_id] = -torch.inf
    if temperature == 0:
        return int(scores.argmax())
    scores = (scores - scores.max()).double() / temperature  # so that no temperature can overflow
    return int(torch.multinomial(torch.softmax(scores, dim=-1), 1, generator=generator))


def check_temperature(temperature: float) -> float:
    """Return temperature, or raise CoconutError for a negative or an infinite one."""
    if not 0 <= temperature < math.inf:
        raise CoconutError(f"temperature must be 0 (likeliest word) or more, not {temperature}")
    return temperature
