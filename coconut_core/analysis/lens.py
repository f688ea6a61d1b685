"""The lens: what the residual stream would say after each layer, if that layer were the last.

The plain (logit) lens puts the final norm and the LM head behind every layer. The tuned lens (Belrose et al.,
arXiv 2303.08112) first moves each layer's stream by an affine map that was trained for it, see `tuned_lens`.
"""

import torch
from torch import Tensor, nn

from coconut_core.common.errors import CoconutError
from coconut_core.latent.architectures import NORMS
from coconut_core.latent.model import LatentModel


class Translators(nn.Module):
    """An affine map for each layer but the last, which needs none. They begin as the identity."""

    def __init__(self, layers: int, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(layers - 1, hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(layers - 1, hidden))

    def forward(self, layers: Tensor) -> Tensor:
        """(…, layers, hidden) -> (…, layers, hidden)"""
        early, last = layers[..., :-1, :], layers[..., -1:, :]
        moved = early + torch.einsum("...lh,lhg->...lg", early, self.weight) + self.bias
        return torch.cat([moved, last], dim=-2)


class Lens:
    """Reads every layer through the final norm; with translators, each layer moved by its own first."""

    def __init__(self, model: LatentModel, translators: Translators | None = None) -> None:
        """Raises CoconutError where the model's final norm cannot be told."""
        self._model, self._translators = model, translators
        self._norm = final_norm(model)

    def states(self, layers: Tensor) -> Tensor:
        """Residual streams (…, layers, hidden) as states after the final norm, (…, layers, hidden).

        The last layer's are exactly the states of the run.
        """
        streams = layers.to(self._model.device, self._model.dtype)
        if self._translators is not None:
            streams = self._translators(streams.float()).to(streams.dtype)
        states: Tensor = self._norm(streams)
        return states

    def stream_states(self, stream: Tensor) -> Tensor:
        """Residual streams (…, layers + 1, hidden), what the first layer is fed in front, as states after the
        final norm. What is fed has no translator: it is read plainly."""
        fed: Tensor = self._norm(stream[..., :1, :].to(self._model.device, self._model.dtype))
        return torch.cat([fed, self.states(stream[..., 1:, :])], dim=-2)

    def logits(self, layers: Tensor) -> Tensor:
        """(…, layers, hidden) -> (…, layers, vocabulary), float32."""
        return self._model.logits(self.states(layers)).float()


def final_norm(model: LatentModel) -> nn.Module:
    """The norm behind the last layer. Raises CoconutError where the model has no norm of a known name."""
    base = model.text_model
    modules = (getattr(base, name, None) for name in NORMS)
    norm = next((module for module in modules if isinstance(module, nn.Module)), None)
    if norm is None:
        raise CoconutError(f"{type(base).__name__} has no final norm of a known name, so there is no lens")
    return norm


def divergence(logits: Tensor, reference: Tensor) -> Tensor:
    """KL(reference || logits) in nats, of logits (…, vocabulary) each -> (…)."""
    log_shares, log_reference = torch.log_softmax(logits, dim=-1), torch.log_softmax(reference, dim=-1)
    return (log_reference.exp() * (log_reference - log_shares)).sum(dim=-1)
