"""Choosing the next word from logits, and when a rule wants to stop thinking."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from coconut_core.errors import CoconutError

# (logits of one state (vocabulary,), thoughts taken) -> should thinking end here?
StopRule = Callable[[Tensor, int], bool]


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


def entropy_below(nats: float) -> StopRule:
    """Stop thinking once the readout's entropy is under a threshold."""

    def rule(logits: Tensor, taken: int) -> bool:
        distribution = torch.distributions.Categorical(logits=logits.float())
        return bool(distribution.entropy() < nats)

    return rule
