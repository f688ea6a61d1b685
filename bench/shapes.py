"""What is measured: models with random weights, and how long a question, its thoughts and its answer are."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from coconut_core.coconut import CoconutModel
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.losses import IGNORE
from coconut_core.problems.prosqa import CONCEPTS
from coconut_core.problems.wording import build_tokenizer
from coconut_core.training.recipe import ModelShape, load_recipe
from coconut_core.training.start import build_model

GPT2_VOCABULARY = 50257  # without the three markers, which stand behind it as in the official checkpoints


@dataclass(frozen=True)
class Shape:
    """A model and the lengths, in tokens, of what it reads."""

    name: str
    build: Callable[[], CoconutModel]
    batch: int = 4
    question: int = 200
    thoughts: int = 6
    answer: int = 40
    items: int = 6  # questions of an evaluation


@dataclass(frozen=True)
class Batch:
    """Padded sequences in the official layout, (batch, time) each."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


def gpt2(**sizes: int) -> CoconutModel:
    """A GPT-2 of these sizes, by default GPT-2 small, with the three markers added."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=GPT2_VOCABULARY + 3, **sizes)
    markers = CoconutConfig(GPT2_VOCABULARY, GPT2_VOCABULARY + 1, GPT2_VOCABULARY + 2)
    return _ready(CoconutModel(GPT2LMHeadModel(config), build_tokenizer(), markers))


def llama(shape: ModelShape | None = None) -> CoconutModel:
    """The model of the prosqa recipe before training, or one of another shape."""
    recipe = load_recipe("prosqa-labelled")
    return _ready(build_model(recipe if shape is None else replace(recipe, model=shape)))


def _ready(model: CoconutModel) -> CoconutModel:
    model.base_lm.generation_config.eos_token_id = []  # nothing ends a run early: every way says as many words
    return model.eval()  # dropout would draw other numbers in every way


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("gpt2-small", gpt2, items=16),
        Shape("prosqa", llama, batch=16, items=500),
        Shape("tiny-gpt2", lambda: gpt2(n_embd=16, n_layer=2, n_head=2), 3, 12, 2, 5),
        Shape(
            "tiny-llama", lambda: llama(ModelShape(hidden_size=16, heads=2, intermediate_size=16)), 3, 12, 2, 5
        ),
    )
}
DEFAULT_SHAPES = ("gpt2-small", "prosqa")


def random_batch(shape: Shape, model: CoconutModel) -> Batch:
    """Sequences of random words. Rows differ in length by up to a tenth, so that there is padding."""
    rng, config = random.Random(0), model.config
    rows = model.base_lm.get_input_embeddings().weight.shape[0]
    words = sorted(set(range(rows)) - {config.bot_id, config.eot_id, config.latent_id})
    middle = [config.bot_id, *[config.latent_id] * shape.thoughts, config.eot_id]
    ids, mask, labels = [], [], []
    for _ in range(shape.batch):
        left, right = rng.randint(0, shape.question // 10), rng.randint(0, shape.answer // 10)
        question = rng.choices(words, k=shape.question - left)
        answer = rng.choices(words, k=shape.answer - right)
        front = [*question, *middle]
        ids.append([*[0] * left, *front, *answer, *[0] * right])
        mask.append([*[0] * left, *[1] * len(front + answer), *[0] * right])
        labels.append([*[IGNORE] * (left + len(front)), *answer, *[IGNORE] * right])
    return Batch(torch.tensor(ids), torch.tensor(mask), torch.tensor(labels))


def random_question(shape: Shape, seed: int = 0) -> str:
    """A question of as many words, each of which is one token."""
    return " ".join(random.Random(seed).choices(CONCEPTS, k=shape.question))
