"""Tiny checkpoints as CODI (zhenyi4/codi) writes them, and what that method computes, without a cache.

Nothing of coconut_core is used here.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from tests.core.tiny_adapters import adapt, last_states, logits_of, projection
from tests.core.tiny_official import tiny_base

WIDTH = 24
ANSWER = "The answer is:"


class CodiModel(nn.Module):
    """Module names as in a CODI checkpoint: codi.base_model.model.* and prj.*."""

    def __init__(self, architecture: str, *, lora: bool = True, prj: bool = True, norm: bool = True) -> None:
        super().__init__()
        base, self.tokenizer = tiny_base(architecture)
        rows = base.config.vocab_size
        self.pad_id, self.bot_id, self.eot_id = rows, rows + 1, rows + 2
        base.resize_token_embeddings(rows + 3, mean_resizing=False)
        with torch.no_grad():
            for table in (base.get_input_embeddings().weight, base.get_output_embeddings().weight):
                table[-3:] = 0.4 * torch.randn(3, table.shape[1])
            base.get_output_embeddings().weight[-3:] *= 0.1  # a trained model never says them
        self._own = (adapt(base) if lora else base,)  # in a tuple: it is registered once, as codi
        if lora:
            self.codi = nn.Module()
            self.codi.base_model = nn.Module()
            self.codi.base_model.model = base
        else:
            self.codi = base
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if ".lora_" in name:
                    parameter.normal_(std=0.3)
        self.has_prj = prj
        if prj:
            self.prj = projection(base.config.hidden_size, WIDTH, dropout=True, norm=norm)
        self.eval()

    @property
    def language_model(self) -> PreTrainedModel:
        return self._own[0]

    @property
    def table(self) -> Tensor:
        table: Tensor = self.language_model.get_input_embeddings().weight
        return table

    def embed(self, question: str, thoughts: int, said: list[int]) -> list[Tensor]:
        """Embeddings (hidden,) of question, <bot>, thoughts, <eot> and what is said."""
        embeddings = [self.table[token] for token in [*self.tokenizer(question).input_ids, self.bot_id]]
        for _ in range(thoughts):
            state = last_states(self.language_model, embeddings)[-1]
            embeddings.append(self.prj(state) if self.has_prj else state)
        return embeddings + [self.table[token] for token in [self.eot_id, *said]]

    @torch.no_grad()
    def answer(self, question: str, thoughts: int, length: int) -> list[int]:
        """The likeliest token at each place but the last of the vocabulary, until the end of text."""
        said: list[int] = []
        while len(said) < length:
            logits = logits_of(self.language_model, self.embed(question, thoughts, said))
            token = int(logits[-1, :-1].argmax())
            if token == self.tokenizer.eos_token_id:
                break
            said.append(token)
        return said

    @torch.no_grad()
    def loss(self, question: str, thoughts: int, answer: str) -> Tensor:
        """Mean cross entropy of the answer and the end of text behind <eot>."""
        said = [*self.tokenizer(f"{ANSWER} {answer}").input_ids, self.tokenizer.eos_token_id]
        logits = logits_of(self.language_model, self.embed(question, thoughts, said))
        return cross_entropy(logits[-len(said) - 1 : -1], torch.tensor(said))


def write_codi(model: CodiModel, folder: Path, *, safe: bool = False) -> Path:
    """The folder that the trainer of transformers writes: the whole state dict."""
    folder.mkdir()
    state = model.state_dict()
    if not safe:
        torch.save(state, folder / "pytorch_model.bin")
        return folder
    tied = model.language_model.config.tie_word_embeddings  # then safetensors holds one of the two names
    kept = {name: tensor for name, tensor in state.items() if not (tied and name.endswith("lm_head.weight"))}
    save_file(kept, folder / "model.safetensors")
    return folder
