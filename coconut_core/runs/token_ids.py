"""Generation from token ids to token ids, as transformers' models are called."""

from typing import Any

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.latent.model import LatentModel
from coconut_core.runs.generate import generate


def generate_ids(
    model: LatentModel,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    *,
    thoughts: int | None = None,
    do_sample: bool | None = None,
    **options: Any,
) -> Tensor:
    """Think and answer behind prompts (batch, time), padded on either side where attention_mask is 0.

    A prompt is what the tokenizer makes of the question and the line break behind it, or what encode_prompt
    gives; what stands in front of the thoughts (<bot>) is put behind one that does not end so. Returns (batch,
    time + words): input_ids and the words said, end of text included, filled up with padding; thoughts are no
    tokens and have no place there. do_sample false takes the likeliest words, true draws them, at temperature 1
    unless that is given; other options: see generate. Raises CoconutError for a prompt that is empty or too
    long.
    """
    if do_sample is not None:
        options["temperature"] = options.get("temperature", 1.0) if do_sample else 0.0
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    rows = [row[here.bool()].tolist() for row, here in zip(input_ids, mask, strict=True)]
    prompts = [_with_opening(model, row) for row in rows]
    said = [answer.token_ids for answer in generate(model, prompts, thoughts=thoughts, **options)]
    pad = model.tokenizer.pad_token_id
    pad = model.tokenizer.eos_token_id if pad is None else pad
    words = torch.full((len(said), max(map(len, said), default=0)), 0 if pad is None else pad)
    for row, ids in zip(words, said, strict=True):
        row[: len(ids)] = torch.tensor(ids, dtype=words.dtype)
    return torch.cat([input_ids, words.to(input_ids)], dim=1)


def _with_opening(model: LatentModel, prompt: list[int]) -> list[int]:
    """A prompt that ends with what stands in front of the thoughts."""
    opening, most = list(model.config.fed_before), model.max_positions
    if opening and prompt[-len(opening) :] != opening:
        prompt = [*prompt, *opening]
    if not prompt:
        raise CoconutError("input_ids has a row without tokens")
    if most is not None and len(prompt) > most:
        raise CoconutError(f"a prompt has {len(prompt)} tokens, the model reads at most {most}: shorten it")
    return prompt
