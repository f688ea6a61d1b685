"""What a decoder trained beside a model reads in its thoughts: SIM-CoT's auxiliary decoder (arXiv 2509.20317).

SIM-CoT trains a second language model to write down each reasoning step from the thoughts that stand in its
place; the first one never sees it. What it says is a reading, not what the model computes with: it has learned
from the same steps and may say likely ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.paths import user_path
from coconut_core.common.text_stream import spoken_text
from coconut_core.latent.cache.contexts import cache_argument
from coconut_core.latent.model import LatentModel

FOLDER = "explainer"  # in a checkpoint's folder
ENTRIES = {"thoughts_per_step": 1, "first_position": 0}  # of its config.json; the least that each may be
LONGEST = 64  # tokens of one explanation


@dataclass(frozen=True)
class Explanation:
    """What the decoder reads in one step's thoughts, numbered from 1."""

    first: int
    last: int
    text: str


@dataclass(frozen=True)
class Explainer:
    """A decoder, how many thoughts stand for a step, and the position that the first of them is given at."""

    decoder: PreTrainedModel
    thoughts_per_step: int
    first_position: int

    @torch.inference_mode()
    def explain(self, model: LatentModel, thoughts: Tensor, longest: int = LONGEST) -> list[Explanation]:
        """The likeliest text for each step's thoughts, at most so many tokens.

        thoughts (count, hidden) are those of a run of the model that the decoder was trained with, before its
        feedback. The decoder is given what that model is fed, then words by that model's embeddings.
        """
        explanations = []
        for start in range(0, thoughts.shape[0], self.thoughts_per_step):
            group = thoughts[start : start + self.thoughts_per_step]
            ids = self._read(model, model.feedback(group), longest)
            text = spoken_text(model.tokenizer, ids)
            explanations.append(Explanation(start + 1, start + group.shape[0], text))
        return explanations

    def _read(self, model: LatentModel, fed: Tensor, longest: int) -> list[int]:
        cache, position = DynamicCache(config=self.decoder.config), self.first_position
        name = cache_argument(self.decoder)
        token_ids: list[int] = []
        embeddings = fed[None]
        while len(token_ids) < longest:
            count = embeddings.shape[1]
            places = torch.arange(position, position + count, device=fed.device)[None]
            logits = self.decoder(
                inputs_embeds=embeddings.to(self.decoder.dtype), position_ids=places, **{name: cache}
            ).logits
            token = int(logits[0, -1].argmax())
            if token in model.eos_ids:
                break
            token_ids.append(token)
            position += count
            embeddings = model.embed(torch.tensor([[token]], device=fed.device))
        return token_ids

    def save(self, folder: Path) -> None:
        """Write it into the folder of a checkpoint."""
        for name in ENTRIES:
            setattr(self.decoder.config, name, getattr(self, name))
        self.decoder.save_pretrained(folder / FOLDER)


def open_explainer(model: LatentModel, source: str) -> Explainer:
    """The explainer of a checkpoint, on the device of its model. Raises CoconutError where it has none."""
    folder = user_path(source)
    if folder.is_dir() and not (folder / FOLDER).is_dir():
        raise CoconutError(
            f"{source} has no explainer: SIM-CoT checkpoints have one, converted with coconut convert sim-cot"
        )
    try:
        decoder: Any = AutoModelForCausalLM.from_pretrained(
            source, subfolder=FOLDER, dtype=model.dtype, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # transformers raises bare Exceptions here
        raise CoconutError(f"the explainer of {source} cannot be loaded: {one_line(error)}") from error
    entries: dict[str, int] = {}
    for name, least in ENTRIES.items():
        value = getattr(decoder.config, name, None)
        if type(value) is not int or value < least:
            raise CoconutError(f"{source}/{FOLDER}/config.json lacks {name}, a whole number of {least} or more")
        entries[name] = value
    return Explainer(decoder.to(model.device).eval(), **entries)


def explain_steps(explainer: Explainer, model: LatentModel, thoughts: Sequence[Tensor]) -> list[Explanation]:
    """Explainer.explain of thoughts (hidden,) each; an empty list without thoughts."""
    return explainer.explain(model, torch.stack(list(thoughts))) if thoughts else []
