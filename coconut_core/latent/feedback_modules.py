"""The modules of the built-in feedback rules, from the last hidden state to the next input embedding; the table
of rules is coconut_core.latent.feedback."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from coconut_core.common.errors import CoconutError

ROWS = 8192  # of the vocabulary at a time, to spare memory


class HiddenFeedback(nn.Module):
    """The hidden state itself, E[t+1] = h[t] (arXiv 2412.06769, section 3)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, hidden) -> (batch, hidden)"""
        return hidden


class NormedFeedback(nn.Module):
    """The hidden state made as long as a token embedding is on average, times scale.

    Behind a final norm a state is often many times as long as any embedding. The length is that of the
    embeddings as they are at the time, so it follows them in training; no gradient goes to them through it.
    """

    def __init__(self, embeddings: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self._parts = (embeddings,)  # in a tuple, as in MixtureFeedback
        self.scale = scale

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, hidden) -> (…, hidden)"""
        with torch.no_grad():
            length = mean_length(embedding_table(self._parts[0], hidden.device)).to(hidden.device)
        wide = hidden.to(length.dtype)
        return (nn.functional.normalize(wide, dim=-1) * (length * self.scale)).to(hidden.dtype)


class MixtureFeedback(nn.Module):
    """The mean of token embeddings, each weighted by its probability (Soft Thinking, arXiv 2505.15778).

    Needs no training: what is fed back lies where the model's inputs lie. As in the paper only the likeliest
    tokens may be kept, their probabilities then adding up to 1 again: first the top_k of them, then as few as
    are as likely as top_p together. temperature divides the logits before; 0 is the likeliest token alone.
    """

    def __init__(
        self,
        logits: Callable[[Tensor], Tensor],
        embeddings: nn.Module,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int | None = None,
    ) -> None:
        """logits maps (…, hidden) to (…, vocabulary)."""
        super().__init__()
        # Held in a tuple so that the base model's modules are not registered here a second time.
        self._parts = (embeddings,)
        self._logits = logits
        self.temperature, self.top_p, self.top_k = temperature, top_p, top_k

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, hidden) -> (batch, hidden)"""
        embeddings = self._parts[0]
        tokens = weight_of(embeddings).shape[0]
        logits = self._logits(hidden).float()
        if self.temperature == 0:
            likeliest: Tensor = embeddings(logits[..., :tokens].argmax(dim=-1))
            return likeliest.to(hidden.dtype)
        probabilities = torch.softmax(logits / self.temperature, dim=-1)[..., :tokens]
        return self._mean(probabilities, embeddings).to(hidden.dtype)

    def _mean(self, probabilities: Tensor, embeddings: nn.Module) -> Tensor:
        if self.top_k is None and self.top_p == 1:
            return probabilities @ embedding_table(embeddings, probabilities.device).float()
        tokens = probabilities.shape[-1]
        shares, ids = probabilities.topk(min(self.top_k or tokens, tokens))
        shares = shares / shares.sum(dim=-1, keepdim=True)
        likelier = shares.cumsum(dim=-1) - shares  # probability of the tokens in front of each
        shares = shares.where(likelier < self.top_p, 0)
        shares = shares / shares.sum(dim=-1, keepdim=True)
        if self.top_k is not None:
            rows: Tensor = embeddings(ids)  # no others are read
            return (shares[..., None] * rows.float()).sum(dim=-2)
        probabilities = torch.zeros_like(probabilities).scatter(-1, ids, shares)
        return probabilities @ embedding_table(embeddings, probabilities.device).float()


class LinearFeedback(nn.Module):
    """A linear map from where the hidden states lie to where the embeddings lie (LatentMAS, arXiv 2511.20639).

    It takes the row of each token in the language-model head to the embedding of that token, as nearly as
    ridge regression can: W = (O'O + penalty I)^-1 O'E, with O (vocabulary, hidden) the head's rows and E the
    embeddings. So it needs no data; with tied embeddings it is the identity, but for the penalty. With
    match_norm the result is as long as an embedding is on average.
    """

    def __init__(
        self, head: nn.Module, embeddings: nn.Module, penalty: float = 1e-5, match_norm: bool = True
    ) -> None:
        super().__init__()
        outputs = weight_of(head).detach()
        if outputs.is_meta:
            raise CoconutError(
                "the linear map is made from the language-model head, which is not in memory: take mixture"
            )
        with torch.no_grad():
            inputs = embedding_table(embeddings, outputs.device)
        self.map = nn.Parameter(ridge_map(outputs, inputs, penalty).to(outputs))
        self.norm: Tensor | None
        norm = mean_length(inputs).to(outputs) if match_norm else None
        self.register_buffer("norm", norm)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, hidden) -> (batch, hidden)"""
        mapped = hidden.float() @ self.map.float()
        if self.norm is not None:
            mapped = nn.functional.normalize(mapped, dim=-1) * self.norm
        return mapped.to(hidden.dtype)


def ridge_map(outputs: Tensor, inputs: Tensor, penalty: float) -> Tensor:
    """The W (hidden, hidden) with the least ||outputs W - inputs||² + penalty ||W||², in float64 on the CPU.

    outputs and inputs are (vocabulary, hidden); where one has more rows, those are left out.
    """
    rows = min(outputs.shape[0], inputs.shape[0])
    left = torch.eye(outputs.shape[1], dtype=torch.float64) * penalty
    right = torch.zeros(outputs.shape[1], inputs.shape[1], dtype=torch.float64)
    for start in range(0, rows, ROWS):
        block = outputs[start : min(start + ROWS, rows)].float()
        left += (block.T @ block).cpu()
        right += (block.T @ inputs[start : start + block.shape[0]].float()).cpu()
    matrix: Tensor = torch.linalg.solve(left, right)
    return matrix


def weight_of(module: nn.Module) -> Tensor:
    """The weight (rows, columns) of a module that has one."""
    assert isinstance(module.weight, Tensor)
    return module.weight


def embedding_table(embeddings: nn.Module, device: torch.device) -> Tensor:
    """What the module makes of each token, (vocabulary, hidden): some scale their rows, as Gemma's, others keep
    them where they cannot be read as they are. device is where tokens are given to it."""
    weight = weight_of(embeddings)
    if type(embeddings) is nn.Embedding and not weight.is_meta:
        return weight
    table: Tensor = embeddings(torch.arange(weight.shape[0], device=device))
    return table


def mean_length(table: Tensor) -> Tensor:
    """The mean Euclidean length of the rows of (vocabulary, hidden), a number in float32 or better."""
    dtype = torch.promote_types(table.dtype, torch.float32)
    rows = table.split(ROWS)  # of which a wider copy is made
    return torch.cat([torch.linalg.vector_norm(block, dim=-1, dtype=dtype) for block in rows]).mean()


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


class ProjectionFeedback(nn.Module):
    """A trained map of the hidden state: linear, GELU, linear, layer norm (CODI, arXiv 2502.21074, section 3;
    PCCoT, arXiv 2506.18582, has the same). Its weights belong to the checkpoint."""

    def __init__(self, hidden_size: int, width: int, norm: bool = True) -> None:
        """width is that of the inner layer; norm says whether there is a layer norm at the end."""
        super().__init__()
        self.inner = nn.Linear(hidden_size, width)
        self.outer = nn.Linear(width, hidden_size)
        self.norm = nn.LayerNorm(hidden_size) if norm else nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, hidden) -> (…, hidden)"""
        projected: Tensor = self.norm(self.outer(nn.functional.gelu(self.inner(hidden))))
        return projected
