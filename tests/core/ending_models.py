"""Tiny models whose thinking ends by a rule, and the rules once more, written down independently."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from tests.core.tiny_models import tiny_model

THRESHOLDS = {"halting": 0.7, "entropy": 1.5, "stable": 0.3}  # so that runs end early, late and not at all
RULES = tuple(THRESHOLDS)


def ending_model(
    architecture: str, ending: str, *, thoughts: int = 5, window: int = 2, feedback: str = "hidden"
) -> CoconutModel:
    """A tiny model with so many thoughts at most; a halting head that is not flat."""
    plain = tiny_model(architecture, thoughts=thoughts, feedback=feedback, dtype=torch.float64)
    config = replace(plain.config, ending=ending, ending_threshold=THRESHOLDS.get(ending), ending_window=window)
    model = CoconutModel(plain.base_lm, plain.tokenizer, config).eval()
    if model.halting is not None:
        with torch.no_grad():
            noise = torch.randn(model.halting.linear.weight.shape, generator=torch.Generator().manual_seed(3))
            model.halting.linear.weight.copy_(0.5 * noise)
            model.halting.linear.bias.fill_(-0.3)
    return model


def ends_at(model: CoconutModel, states: Sequence[Tensor], logits: Sequence[Tensor]) -> tuple[int, str]:
    """After how many thoughts thinking ends and why, from all states of a latent segment and their logits."""
    config = model.config
    threshold = config.ending_threshold
    assert threshold is not None
    ends: bool
    distributions = [torch.exp(scores - torch.logsumexp(scores, dim=0)) for scores in logits]
    for taken in range(config.thoughts + 1):
        now = distributions[taken]
        if config.ending == "halting" and taken > 0:
            row, bias = model.halting.linear.weight[0], model.halting.linear.bias[0]
            ends = 1 / (1 + torch.exp(-(row @ states[taken] + bias))).item() >= threshold
        elif config.ending == "entropy":
            ends = -sum((share * torch.log(share)).item() for share in now) < threshold
        elif config.ending == "stable" and taken + 1 >= config.ending_window:
            last = distributions[taken + 1 - config.ending_window : taken + 1]
            tops = [max(range(len(each)), key=each.tolist().__getitem__) for each in last]
            changes = [abs(last[n][tops[-1]] - last[n - 1][tops[-1]]) for n in range(1, len(last))]
            ends = len(set(tops)) == 1 and float(max(changes)) < threshold
        else:
            ends = False
        if ends:
            return taken, config.ending
    return config.thoughts, "number" if config.ending == "fixed" else "limit"
