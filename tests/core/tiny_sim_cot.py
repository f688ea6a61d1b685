"""Tiny checkpoints as SIM-CoT on Coconut (InternLM/SIM-CoT) writes them, and what its decoder says; no cache.

Nothing of coconut_core is used here.
"""

import torch
from torch import Tensor

from tests.core.tiny_official import OfficialModel, official_run, tiny_base


class SimCotModel(OfficialModel):
    """An official model with the decoder beside it, which has the base's vocabulary without the markers."""

    def __init__(self, architecture: str) -> None:
        official = official_run(architecture)
        super().__init__(official.base_causallm, official.tokenizer)
        self.expainable_llm, _ = tiny_base(architecture, seed=5)
        self.eval()

    @torch.no_grad()
    def explanations(self, question: str, thoughts: int, per_step: int, length: int) -> list[list[int]]:
        """The likeliest tokens behind each step's thoughts, until the end of text; positions count from 1."""
        embeddings = self.embed(self.prompt(question, thoughts))[-thoughts - 1 : -1]
        return [
            self._read(embeddings[start : start + per_step], length) for start in range(0, thoughts, per_step)
        ]

    def _read(self, fed: list[Tensor], length: int) -> list[int]:
        said: list[int] = []
        while len(said) < length:
            embeddings = torch.stack([*fed, *(self.embedding.weight[token] for token in said)])[None]
            places = torch.arange(1, embeddings.shape[1] + 1)[None]
            logits = self.expainable_llm(inputs_embeds=embeddings, position_ids=places, use_cache=False).logits
            token = int(logits[0, -1].argmax())
            if token == self.tokenizer.eos_token_id:
                break
            said.append(token)
        return said
