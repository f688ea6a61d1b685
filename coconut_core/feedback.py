"""What is fed back at a thought: a rule from the last hidden state to the next input embedding."""

import torch
from torch import Tensor, nn

from coconut_core.errors import CoconutError


class HiddenFeedback(nn.Module):
    """The hidden state itself, E[t+1] = h[t] (arXiv 2412.06769, section 3)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, hidden) -> (batch, hidden)"""
        return hidden


class MixtureFeedback(nn.Module):
    """The mean of all token embeddings, each weighted by its probability (Soft Thinking, arXiv 2505.15778).

    Needs no training: what is fed back lies where the model's inputs lie.
    """

    def __init__(self, head: nn.Module, embeddings: nn.Module) -> None:
        super().__init__()
        # Held in a tuple so that the base model's modules are not registered here a second time.
        self._parts = (head, embeddings)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, hidden) -> (batch, hidden)"""
        head, embeddings = self._parts
        weight = embeddings.weight
        assert isinstance(weight, Tensor)
        probabilities = torch.softmax(head(hidden).float(), dim=-1)[..., : weight.shape[0]]
        return (probabilities @ weight.float()).to(hidden.dtype)


class PauseFeedback(nn.Module):
    """The learned embedding of the latent marker, whatever the state (pause tokens, arXiv 2310.02226; "pause
    as thought" in arXiv 2412.06769, section 4.3): positions to compute in, but no thought handed on."""

    def __init__(self, embeddings: nn.Module, latent_id: int) -> None:
        super().__init__()
        self._parts = (embeddings,)  # in a tuple, as in MixtureFeedback
        self._latent_id = latent_id

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, hidden) -> (batch, hidden)"""
        ids = torch.full(hidden.shape[:-1], self._latent_id, device=hidden.device)
        pause: Tensor = self._parts[0](ids)
        return pause


KINDS = ("hidden", "mixture", "pause")


def build_feedback(kind: str, head: nn.Module, embeddings: nn.Module, latent_id: int) -> nn.Module:
    """The feedback rule of that name. Raises CoconutError for an unknown one."""
    if kind == "hidden":
        return HiddenFeedback()
    if kind == "mixture":
        return MixtureFeedback(head, embeddings)
    if kind == "pause":
        return PauseFeedback(embeddings, latent_id)
    raise CoconutError(f"unknown feedback '{kind}': choose one of {', '.join(KINDS)}")
