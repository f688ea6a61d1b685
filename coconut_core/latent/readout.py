"""From a hidden state to something readable: the LM head's distribution and what can be said of it."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from coconut_core.common.errors import CoconutError
from coconut_core.latent.model import LatentModel


@dataclass(frozen=True)
class TokenProbability:
    """One token and its probability (or, for neighbours, its cosine)."""

    token: str  # its text, decoded alone
    token_id: int
    probability: float
    name: str  # visible, another one for each token


def ordinary(hidden: Tensor) -> Tensor:
    """The same numbers as a tensor that may take part in a gradient, for probes and the like; runs are taken
    without (torch.inference_mode), and what comes of that may not."""
    with torch.inference_mode(False):
        return hidden.clone() if hidden.is_inference() else hidden


class Readout:
    """What a hidden state would say: softmax(h · W_lm_head). Computed when first asked for.

    With tied embeddings the logits are also the inner products of the state with every token embedding,
    so one computation answers "what would it say" and "which names are superposed in it".
    """

    def __init__(
        self, model: LatentModel, hidden: Tensor, among: "tuple[_Together, int] | None" = None
    ) -> None:
        """hidden is (hidden,), after the final norm; among, see readouts."""
        self._model = model
        self.hidden = hidden
        self._among = among

    def __repr__(self) -> str:
        return f"Readout({tuple(self.hidden.shape)}: {self.likeliest(3)}; entropy {self.entropy:.2f} nats)"

    @cached_property
    def logits(self) -> Tensor:
        """(vocabulary,), float32."""
        if self._among is not None:
            together, row = self._among
            return together.logits[row]
        with torch.inference_mode():
            return self._model.logits(self.hidden[None].to(self._model.dtype))[0].float()

    @cached_property
    def probabilities(self) -> Tensor:
        """(vocabulary,), float32."""
        return torch.softmax(self.logits, dim=-1)

    def forget(self) -> None:
        """Keep nothing that is as large as the vocabulary; it is computed again where it is asked for."""
        for name in ("logits", "probabilities"):
            self.__dict__.pop(name, None)

    def top(self, k: int = 5) -> list[TokenProbability]:
        """The k likeliest tokens, likeliest first."""
        values, ids = self.probabilities.topk(min(check_top_k(k), self.probabilities.shape[0]))
        return self._named(ids.tolist(), values.tolist())

    def likeliest(self, k: int = 3) -> str:
        """The k likeliest tokens in one line: "lempus 0.46, rompus 0.33"."""
        return ", ".join(f"{token.name} {token.probability:.2f}" for token in self.top(k))

    def probability(self, token: str | int) -> float:
        """Probability of one token, by id or by text that is exactly one token.

        Raises CoconutError where the text is no single token of the vocabulary.
        """
        return float(self.probabilities[self._model.token_id(token) if isinstance(token, str) else token])

    @cached_property
    def entropy(self) -> float:
        """Entropy of the distribution, in nats."""
        return float(-(self.probabilities * self.probabilities.clamp(min=1e-45).log()).sum())

    @cached_property
    def norm(self) -> float:
        """Euclidean norm of the state."""
        return float(self.hidden.float().norm())

    def cosine(self, other: "Readout") -> float:
        """Cosine between two states."""
        return float(cosine_similarity(self.hidden.float(), other.hidden.float(), dim=0))

    def nearest(self, k: int = 5) -> list[TokenProbability]:
        """The k token embeddings with the largest cosine to the state; the cosine stands as `probability`."""
        embeddings = self._model.embedding_table().float()
        with torch.inference_mode():
            cosines = cosine_similarity(embeddings, self.hidden.float()[None], dim=-1)
        values, ids = cosines.topk(min(check_top_k(k), cosines.shape[0]))
        return self._named(ids.tolist(), values.tolist())

    def name(self, token_id: int) -> str:
        """The visible name of a token."""
        return self._model.vocabulary.name(token_id)

    def _named(self, ids: list[int], values: list[float]) -> list[TokenProbability]:
        return [
            TokenProbability(self._model.token_text(number), number, value, self._model.vocabulary.name(number))
            for number, value in zip(ids, values, strict=True)
        ]


class _Together:
    """States whose logits are computed in one product, when those of one are first asked for."""

    def __init__(self, model: LatentModel, states: Tensor) -> None:
        self._model, self._states = model, states

    @cached_property
    def logits(self) -> Tensor:
        """(states, vocabulary), float32."""
        with torch.inference_mode():
            return self._model.logits(self._states.to(self._model.dtype)).float()


def readouts(model: LatentModel, states: Tensor) -> tuple[Readout, ...]:
    """Readouts of states (count, hidden), after the final norm, that share one product with the LM head."""
    together = _Together(model, states)
    return tuple(Readout(model, state, (together, row)) for row, state in enumerate(states))


def check_top_k(k: int) -> int:
    """Return k, or raise CoconutError where it is not positive."""
    if k < 1:
        raise CoconutError(f"top-k must be 1 or more, not {k}")
    return k
