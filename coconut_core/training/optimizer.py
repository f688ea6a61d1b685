"""AdamW as a recipe has it, and its learning rate at a step."""

import math

from torch.optim import AdamW, Optimizer

from coconut_core.coconut import CoconutModel
from coconut_core.training.recipe import OptimizerChoice


def build_optimizer(model: CoconutModel, choice: OptimizerChoice) -> Optimizer:
    """AdamW with two groups: matrices, and the rest (biases, gains of norms), which may not decay."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rest_decay = choice.weight_decay if choice.decays == "all" else 0.0
    return AdamW(
        [
            {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": choice.weight_decay},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": rest_decay},
        ],
        lr=choice.learning_rate,
        betas=choice.betas,
    )


def learning_rate(choice: OptimizerChoice, step: int, total_steps: int, saved_steps: int = 0) -> float:
    """The rate at a step: linear warm-up, then cosine down to a twentieth, or constant.

    saved_steps is how many of the total were left out in front of it, as stages ended early: a stage has the
    rates that it would have had without.
    """
    warmup = max(1, choice.warmup_steps)
    if step < warmup:
        return choice.learning_rate * (step + 1) / warmup
    if choice.schedule == "constant":
        return choice.learning_rate
    progress = min(1.0, (step + saved_steps - warmup) / max(1, total_steps - warmup))
    return choice.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))
