"""The objective of SIM-CoT on Coconut (arXiv 2509.20317, InternLM/SIM-CoT), each step by itself.

Plain forwards of transformers: no padding, no cache, nothing of coconut_core's loop.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from coconut_core.coconut import CoconutModel
from coconut_core.problems import Problem
from tests.core.reference import embed_with_thoughts, word_embeddings


def sim_cot_loss(
    model: CoconutModel, decoder: Any, problems: Sequence[Problem], groups: int, each: int, gone: int
) -> Tensor:
    """The whole loss over a batch: `groups` times `each` thoughts for the first `gone` steps."""
    own: list[Tensor] = []
    explained: list[Tensor] = []
    for problem in problems:
        losses, steps = _losses(model, decoder, problem, groups, each, gone)
        own += losses
        explained.append(steps)
    return torch.stack(own).mean() + torch.stack(explained).mean()


def _losses(
    model: CoconutModel, decoder: Any, problem: Problem, groups: int, each: int, gone: int
) -> tuple[list[Tensor], Tensor]:
    """The losses of what the model says of a problem, and the mean over the groups of the decoder's sums."""
    config, table, read = model.config, word_embeddings(model), model.tokenizer.encode
    assert config.bot_id is not None
    assert config.eot_id is not None
    front = [*read(problem.question + "\n"), config.bot_id]
    said = read("".join(step + "\n" for step in problem.steps[gone:]) + f"### {problem.answer}")
    ids = [
        *front,
        *[config.latent_id] * (groups * each),
        config.eot_id,
        *said,
        int(model.tokenizer.eos_token_id),
    ]
    embeddings = embed_with_thoughts(model, ids)
    logits = model.base_lm(inputs_embeds=torch.stack(embeddings)[None], use_cache=False).logits[0]
    start = len(ids) - len(said) - 1
    own = [cross_entropy(logits[place - 1], torch.tensor(ids[place])) for place in range(start, len(ids))]
    texts = [*problem.steps[:gone]]
    if len(texts) > groups:
        texts[groups - 1 :] = ["\n".join(texts[groups - 1 :])]
    words = [read(text) for text in texts] + [said] * (groups - len(texts))
    sums = []
    for group, tokens in enumerate(words):
        first = len(front) + group * each
        tokens = [*tokens, int(model.tokenizer.eos_token_id)]
        row = [*embeddings[first : first + each], *(table[token] for token in tokens)]
        scores = decoder(
            inputs_embeds=torch.stack(row)[None],
            position_ids=torch.arange(1, len(row) + 1)[None],
            use_cache=False,
        ).logits[0, each - 1 : -1]
        sums.append(cross_entropy(scores, torch.tensor(tokens), reduction="sum"))
    return own, torch.stack(sums).mean()
