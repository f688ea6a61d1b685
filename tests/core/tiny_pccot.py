"""Tiny folders as PCCoT (whyNLP/PCCoT) writes them with PEFT, and what that method computes, without a cache.

Nothing of coconut_core is used here.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tests.core.tiny_adapters import ALPHA, RANK, adapt, last_states, logits_of, projection
from tests.core.tiny_official import tiny_base

MARKERS = ("<pcot.bot>", "<pcot.eot>", "<pcot.latent>", "[PAD]")
PROMPT = "The answer is:"
THOUGHTS, PASSES = 5, 2


class PccotModel(nn.Module):
    """A language model with LoRA, its markers' embeddings trained, and `prj`; state_dict as PEFT names it."""

    def __init__(self, architecture: str, *, prj: bool = True, lora: bool = True) -> None:
        super().__init__()
        base, self.tokenizer = tiny_base(architecture)
        self.base_rows = base.config.vocab_size
        self.tokenizer.add_special_tokens({"additional_special_tokens": list(MARKERS[:3])})
        self.tokenizer.add_special_tokens({"pad_token": MARKERS[3]})
        self.bot, self.eot, self.latent, self.pad = self.tokenizer.convert_tokens_to_ids(list(MARKERS))
        base.resize_token_embeddings(len(self.tokenizer), mean_resizing=False)
        self.trained = [self.bot, self.eot, self.latent, self.pad, self.tokenizer.eos_token_id]
        with torch.no_grad():
            base.get_input_embeddings().weight[self.trained] = 0.4 * torch.randn(5, base.config.hidden_size)
            if not base.config.tie_word_embeddings:
                base.get_output_embeddings().weight[-4:] *= 0.0
        self.language_model = adapt(base) if lora else base
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if ".lora_" in name:
                    parameter.normal_(std=0.3)
        self.hidden_size = base.config.hidden_size
        self.prj = projection(self.hidden_size, self.hidden_size, dropout=False) if prj else nn.Identity()
        self.eval()

    @property
    def table(self) -> Tensor:
        table: Tensor = self.language_model.get_input_embeddings().weight
        return table

    def embed(self, question: str, said: list[int], *, thoughts: int, passes: int) -> list[Tensor]:
        """Embeddings (hidden,) in the last pass, the answer's prompt and what is said behind <eot>."""
        start = [self.table[token] for token in [*self.tokenizer(question).input_ids, self.bot]]
        fed = [self.table[self.latent]] * thoughts
        for _ in range(passes):
            states = last_states(self.language_model, [*start, *fed])
            fed = [self.prj(states[len(start) - 1 + place]) for place in range(thoughts)]
        rest = [self.eot, *self.tokenizer(PROMPT).input_ids, *said]
        return [*start, *fed, *(self.table[token] for token in rest)]

    @torch.no_grad()
    def answer(
        self, question: str, length: int, *, thoughts: int = THOUGHTS, passes: int = PASSES
    ) -> list[int]:
        """The likeliest token at each place behind the answer's prompt, until the end of text."""
        said: list[int] = []
        while len(said) < length:
            embeddings = self.embed(question, said, thoughts=thoughts, passes=passes)
            token = int(logits_of(self.language_model, embeddings)[-1].argmax())
            if token == self.tokenizer.eos_token_id:
                break
            said.append(token)
        return said

    @torch.no_grad()
    def loss(self, question: str, answer: str) -> Tensor:
        """Mean cross entropy of the answer's prompt, the answer and the end of text."""
        prompt, said = self.tokenizer(PROMPT).input_ids, self.answer_ids(answer)
        embeddings = self.embed(question, said, thoughts=THOUGHTS, passes=PASSES)
        wanted = torch.tensor([*prompt, *said])
        return cross_entropy(logits_of(self.language_model, embeddings)[-len(wanted) - 1 : -1], wanted)

    def answer_ids(self, answer: str) -> list[int]:
        return [*self.tokenizer(answer).input_ids, self.tokenizer.eos_token_id]

    def row(self, question: str, answer: str) -> tuple[list[int], list[int]]:
        """The whole sequence, and what is labelled in it."""
        labelled = [*self.tokenizer(PROMPT).input_ids, *self.answer_ids(answer)]
        asked = [*self.tokenizer(question).input_ids, self.bot, *[self.latent] * THOUGHTS, self.eot]
        return asked + labelled, labelled


def write_pccot(model: PccotModel, folder: Path, *, table: bool = True) -> Path:
    """What the training script leaves: the adapter, with the lengthened embedding table or without, the
    tokenizer, the arguments and the configuration. Without LoRA the whole model."""
    folder.mkdir()
    model.tokenizer.save_pretrained(folder)
    base = model.language_model.config
    shape = base.to_dict() | {"model_type": f"pccot-{base.model_type}", "num_iterations": PASSES}
    shape |= {"use_projection": not isinstance(model.prj, nn.Identity), "loss_alpha": 1.0}
    (folder / "config.json").write_text(json.dumps(shape, default=str))
    arguments = {
        "bot_token_id": model.bot,
        "eot_token_id": model.eot,
        "latent_token_id": model.latent,
        "label_pad_token_id": -100,
        "answer_prompt": PROMPT,
        "num_latent_tokens": THOUGHTS,
        "use_peft": True,
        "lora_r": RANK,
    }
    (folder / "pccot_args.json").write_text(json.dumps(arguments))
    weights = model.language_model.state_dict()
    own = {f"prj.{name}": tensor for name, tensor in model.prj.state_dict().items()}
    tied = {"lm_head.weight"} if base.tie_word_embeddings else set()
    lora = {name.replace(".default", ""): tensor for name, tensor in weights.items() if ".lora_" in name}
    if not lora:
        save_file(
            {**{name: tensor for name, tensor in weights.items() if name not in tied}, **own},
            folder / "model.safetensors",
        )
        return folder
    wte = "transformer.wte" if base.model_type == "gpt2" else "model.embed_tokens"
    lora[f"{wte}.token_adapter.trainable_tokens_delta"] = model.table[model.trained].detach().clone()
    if table:
        whole = model.table.detach().clone()
        whole[model.trained] = 9.0  # PEFT keeps the rows as they were before they were trained
        lora[f"{wte}.token_adapter.base_layer.weight"] = whole
    if not tied:
        lora["lm_head.weight"] = weights["lm_head.weight"]
    save_file(
        {f"base_model.model.{name}": tensor.contiguous() for name, tensor in (lora | own).items()},
        folder / "adapter_model.safetensors",
    )
    adapter = {
        "peft_type": "LORA",
        "r": RANK,
        "lora_alpha": ALPHA,
        "fan_in_fan_out": base.model_type == "gpt2",
        "trainable_token_indices": {wte.rpartition(".")[2]: model.trained},
        "use_dora": False,
        "use_rslora": False,
        "alpha_pattern": {},
        "rank_pattern": {},
        "modules_to_save": ["prj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    return folder
