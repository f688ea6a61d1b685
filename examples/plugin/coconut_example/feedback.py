"""A feedback rule: the hidden state, made as long as a token embedding is on average."""

import torch
from torch import Tensor, nn

from coconut_core.feedback import Option, Parts, Rule, embedding_table


class NormedFeedback(nn.Module):
    """The hidden state times a factor that gives it the mean length of the token embeddings, times scale."""

    def __init__(self, embeddings: nn.Module, device: torch.device, scale: float = 1.0) -> None:
        super().__init__()
        length = embedding_table(embeddings, device).float().norm(dim=-1).mean() * scale
        self.length: Tensor
        self.register_buffer("length", length, persistent=False)  # follows from the weights: not saved

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, hidden) -> (…, hidden)"""
        return nn.functional.normalize(hidden.float(), dim=-1).mul(self.length).to(hidden.dtype)


def build(parts: Parts, **options: float) -> nn.Module:
    """The rule of a model; the options are those of NORMED, checked."""
    device = next(parts.head.parameters()).device
    return NormedFeedback(parts.embeddings, device, **options)


NORMED = Rule(
    build,
    {"scale": Option("a number above 0", lambda value: type(value) in (int, float) and 0 < value < 1e6)},
)
