"""Tiny models that feed back a projection of the state."""

from dataclasses import replace

import torch

from coconut_core.coconut import CoconutModel
from tests.core.tiny_models import tiny_model

WIDTH = 24


def projecting_model(architecture: str, *, thoughts: int = 4, seed: int = 0, norm: bool = True) -> CoconutModel:
    """A tiny model with a random projection that is far from an identity."""
    plain = tiny_model(architecture, thoughts=thoughts, seed=seed, dtype=torch.float64)
    options = {"width": WIDTH} if norm else {"width": WIDTH, "norm": False}
    config = replace(plain.config, feedback="projection", feedback_options=options)
    torch.manual_seed(seed + 1)
    model = CoconutModel(plain.base_lm, plain.tokenizer, config).eval()
    with torch.no_grad():
        for weight in model.feedback.parameters():
            weight.normal_(std=0.4)
    return model
