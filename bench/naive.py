"""The latent loop as it is written without a thought for speed, on the same weights.

Two ways to train. `read_again` is the loop as the method is told: for every thought the whole prefix is run
again. `read_official` does what the official code does by its description: a cache, but the embeddings taken
apart into single vectors and put together again at every pass, and logits and the states of all layers at
all positions. And one way to answer, the official one: one question at a time, thoughts as in training,
then for every word the whole prefix again.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from coconut_core.coconut import CoconutModel
from coconut_core.latent.sequences import label_losses

# (model, ids (B, T), mask (B, T)) -> embeddings with thoughts (B, T, C), logits (B, T, V)
ReadFunction = Callable[[CoconutModel, Tensor, Tensor], tuple[Tensor, Tensor]]


def read_again(model: CoconutModel, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """No cache: a pass over the whole prefix for each thought, and one over everything."""
    embeddings = model.base_lm.get_input_embeddings()(ids)
    positions = _positions(mask)
    for column in _latent_columns(model, ids):
        output = model.base_lm(
            inputs_embeds=embeddings[:, :column],
            attention_mask=mask[:, :column],
            position_ids=positions[:, :column],
            use_cache=False,
            output_hidden_states=True,
        )
        embeddings = _put_thought(embeddings, column, output.hidden_states[-1][:, -1])
    output = model.base_lm(
        inputs_embeds=embeddings, attention_mask=mask, position_ids=positions, use_cache=False
    )
    return embeddings, output.logits


def read_official(model: CoconutModel, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """With a cache, and with logits everywhere."""
    embeddings = model.base_lm.get_input_embeddings()(ids)
    positions = _positions(mask)
    columns = _latent_columns(model, ids)
    cache = DynamicCache(config=model.base_lm.config)
    logits = []
    start = 0
    for end in [*columns, ids.shape[1]]:
        output = model.base_lm(
            inputs_embeds=embeddings[:, start:end],
            attention_mask=mask[:, :end],
            position_ids=positions[:, start:end],
            past_key_values=cache,
            use_cache=True,
            output_hidden_states=True,
        )
        logits.append(output.logits)
        if end < ids.shape[1]:
            embeddings = _put_thought(embeddings, end, output.hidden_states[-1][:, -1])
        start = end
    return embeddings, torch.cat(logits, dim=1)


def loss_of(read: ReadFunction, model: CoconutModel, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy over the labelled positions, from logits at all of them."""
    _, logits = read(model, ids, mask)
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def loss_of_words(model: CoconutModel, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
    """The mean loss at the labels of an ordinary language model over the same tokens: one pass, in which the
    marker of a thought is a word like others, logits at labelled positions only."""
    output = model.text_model(
        inputs_embeds=model.embed(ids), attention_mask=mask, position_ids=_positions(mask), use_cache=False
    )
    return label_losses(model, output.last_hidden_state, labels).mean()


@torch.inference_mode()
def answer(model: CoconutModel, prompt: list[int], thoughts: int, words: int) -> list[int]:
    """The likeliest words after prompt, thoughts and <eot>, the whole prefix read again for each of them; so
    many, or up to the end of the text."""
    ids = torch.tensor([[*prompt, *[model.config.latent_id] * thoughts, model.config.eot_id]])
    embeddings, logits = read_official(model, ids, torch.ones_like(ids))
    answer_ids: list[int] = []
    while True:
        scores = logits[0, -1]
        scores[model.config.latent_id] = -torch.inf  # the placeholder of a thought is not a word
        answer_ids.append(int(scores.argmax()))
        if len(answer_ids) == words or answer_ids[-1] in model.eos_ids:
            return answer_ids
        word = model.base_lm.get_input_embeddings()(torch.tensor([[answer_ids[-1]]]))
        embeddings = torch.cat([embeddings, word], dim=1)
        logits = model.base_lm(inputs_embeds=embeddings, use_cache=False).logits


def _latent_columns(model: CoconutModel, ids: Tensor) -> list[int]:
    """Columns of the thoughts; here all rows have theirs in the same ones."""
    columns: list[int] = (ids == model.config.latent_id).all(dim=0).nonzero().flatten().tolist()
    return columns


def _positions(mask: Tensor) -> Tensor:
    return (mask.cumsum(dim=1) - 1).clamp(min=0)


def _put_thought(embeddings: Tensor, column: int, thought: Tensor) -> Tensor:
    """The embeddings with a thought in one column, by way of one tensor for every position of every row."""
    rows = [list(row.unbind()) for row in embeddings]
    for row, vector in zip(rows, thought, strict=True):
        row[column] = vector
    return torch.stack([torch.stack(row) for row in rows])
