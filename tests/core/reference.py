"""The same numbers obtained in the obvious slow way: one row at a time, no padding, no cache.

For every thought the whole prefix is run again from its embeddings, with the whole causal language model
of Hugging Face. Nothing of coconut_core's loop is used here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from coconut_core.coconut import CoconutModel
from coconut_core.latent.model import LatentModel


def states_of(model: LatentModel, embeddings: Sequence[Tensor]) -> Tensor:
    """Last hidden states (time, hidden) of one sequence of embeddings (hidden,)."""
    output = model.base_lm(
        inputs_embeds=torch.stack(list(embeddings))[None], use_cache=False, output_hidden_states=True
    )
    states: Tensor = output.hidden_states[-1][0]
    return states


def word_embeddings(model: LatentModel) -> Tensor:
    """What the base model makes of each token, (vocabulary, hidden); some scale their table."""
    module = model.base_lm.get_input_embeddings()
    table: Tensor = module(torch.arange(module.weight.shape[0]))
    return table


def embed_with_thoughts(model: CoconutModel, ids: Sequence[int]) -> list[Tensor]:
    """Embeddings of a row in which each latent is the hidden state of the position before it."""
    table = word_embeddings(model)
    embeddings: list[Tensor] = []
    for token in ids:
        latent = token == model.config.latent_id
        embeddings.append(states_of(model, embeddings)[-1] if latent else table[token])
    return embeddings


def logits_of_row(model: CoconutModel, ids: Sequence[int]) -> Tensor:
    """Logits (time, vocabulary) of one row without padding."""
    embeddings = torch.stack(embed_with_thoughts(model, ids))[None]
    logits: Tensor = model.base_lm(inputs_embeds=embeddings, use_cache=False).logits[0]
    return logits


def loss_of_rows(
    model: CoconutModel, rows: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> tuple[Tensor, list[Tensor]]:
    """Mean cross entropy over all labelled tokens of rows (ids, labels), and the logits of each row."""
    logits = [logits_of_row(model, ids) for ids, _ in rows]
    losses: list[Tensor] = []
    for scores, (_, labels) in zip(logits, rows, strict=True):
        for position in range(1, len(labels)):
            if labels[position] != -100:
                losses.append(cross_entropy(scores[position - 1], torch.tensor(labels[position])))
    return torch.stack(losses).mean(), logits
