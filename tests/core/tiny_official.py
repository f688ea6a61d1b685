"""Tiny checkpoints as the official code (facebookresearch/coconut) writes them, and what that code computes.

Nothing of coconut_core is used here. `official_run` makes a base model as a user has it and trains nothing: it
does what the official run does around the training (markers, embeddings, wrapping, saving). `OfficialModel` is
the official semantics in the obvious slow way: no cache, every prefix recomputed.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

ADDED = ["<|start-latent|>", "<|end-latent|>", "<|latent|>"]
ARCHITECTURES = ("gpt2", "llama")
PROBLEMS = (
    ("Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or yumpus?", "Alex is a rompus."),
    ("2 apples and 3 pears, how many?", "5"),
)
IGNORED = -100


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level tokenizer like GPT-2's with a handful of merges, 261 tokens, the end of text the last."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, "<<", "Ġa", "###", "##"]
    merges = [("<", "<"), ("Ġ", "a"), ("#", "#"), ("##", "#")]
    tokenizer = Tokenizer(BPE({token: number for number, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>"
    )


def tiny_base(architecture: str, seed: int = 0) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """A random base model of the kind that the official recipes start from."""
    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer()
    common: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if architecture == "gpt2":
        model: PreTrainedModel = GPT2LMHeadModel(
            GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=256, **common)
        )
    else:
        model = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=32,
                intermediate_size=48,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=256,
                **common,
            )
        )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval(), tokenizer


class OfficialModel(nn.Module):
    """Module names as in the official checkpoint: the language model, and its embeddings once more."""

    def __init__(self, base: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.base_causallm = base
        self.embedding = base.get_input_embeddings()
        self.tokenizer = tokenizer
        self.start_id, self.end_id, self.latent_id = tokenizer.convert_tokens_to_ids(ADDED)

    def row(self, question: str, thoughts: int, answer: str) -> tuple[list[int], list[int]]:
        """Token ids and labels of the last stage: all steps are thoughts."""
        prompt = self.prompt(question, thoughts)
        said = [
            *self.tokenizer.encode("### " + answer, add_special_tokens=False),
            self.tokenizer.eos_token_id,
        ]
        return prompt + said, [IGNORED] * len(prompt) + said

    def prompt(self, question: str, thoughts: int) -> list[int]:
        asked = self.tokenizer.encode(question + "\n", add_special_tokens=True)
        return [*asked, self.start_id, *[self.latent_id] * thoughts, self.end_id]

    def embed(self, ids: list[int]) -> list[Tensor]:
        """Embeddings (hidden,) of a row; a latent is the last layer's hidden state of the position before."""
        embeddings: list[Tensor] = []
        for token in ids:
            if token == self.latent_id:
                output = self.base_causallm(
                    inputs_embeds=torch.stack(embeddings)[None], output_hidden_states=True, use_cache=False
                )
                embeddings.append(output.hidden_states[-1][0, -1])
            else:
                embeddings.append(self.embedding.weight[token])
        return embeddings

    def logits(self, embeddings: list[Tensor]) -> Tensor:
        scores: Tensor = self.base_causallm(
            inputs_embeds=torch.stack(embeddings)[None], use_cache=False
        ).logits[0]
        return scores

    @torch.no_grad()
    def loss(self, rows: list[tuple[list[int], list[int]]]) -> Tensor:
        """Mean cross entropy over the labels of all rows together, as of one padded batch."""
        scores = torch.cat([self.logits(self.embed(ids))[:-1] for ids, _ in rows])
        targets = torch.cat([torch.tensor(labels[1:]) for _, labels in rows])
        return cross_entropy(scores.float(), targets, ignore_index=IGNORED)

    @torch.no_grad()
    def answer(self, question: str, thoughts: int, length: int) -> list[int]:
        """The likeliest token at each place, until the end of text or so many tokens."""
        embeddings = self.embed(self.prompt(question, thoughts))
        said: list[int] = []
        while len(said) < length:
            token = int(self.logits(embeddings)[-1].argmax())
            if token == self.tokenizer.eos_token_id:
                break
            said.append(token)
            embeddings.append(self.embedding.weight[token])
        return said


def official_run(architecture: str, seed: int = 0) -> OfficialModel:
    """A base model with markers, its new rows moved as training would, in the official wrapping."""
    base, tokenizer = tiny_base(architecture, seed)
    for marker in ADDED:
        tokenizer.add_tokens(marker)
    base.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    copied = tokenizer.convert_tokens_to_ids("<<")
    with torch.no_grad():
        for table in (base.get_input_embeddings().weight, base.get_output_embeddings().weight):
            table[-3:] = table[copied] + 0.3 * torch.randn(3, table.shape[1])
    return OfficialModel(base, tokenizer).eval()


def write_base(architecture: str, folder: Path, seed: int = 0) -> Path:
    """The folder that a user names with --base."""
    base, tokenizer = tiny_base(architecture, seed)
    base.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_checkpoint(
    model: OfficialModel, path: Path, *, dtype: torch.dtype | None = None, prefix: str = ""
) -> Path:
    """torch.save of the state dict; prefix goes in front of every name, as FSDP and DDP do it."""
    if dtype is not None:
        model.to(dtype)
    torch.save({prefix + name: tensor for name, tensor in model.state_dict().items()}, path)
    return path
