"""A model that is trained to answer right and to ignore its thoughts: it only ever trained on noise."""

import random
from pathlib import Path

import torch
from torch import Tensor, nn

from coconut_core.coconut import CoconutModel
from coconut_core.latent.feedback_modules import HiddenFeedback
from coconut_core.problems import Problem, recognise, write_problems
from coconut_core.problems.prosqa import CONCEPTS, PERSONS
from tests.core.tiny_recipes import tiny_recipe, trainer_for

THOUGHTS = 2


class NoiseFeedback(nn.Module):
    """A random vector of the state's norm, whatever the state."""

    def forward(self, hidden: Tensor) -> Tensor:
        noise = torch.randn_like(hidden)
        factor: Tensor = hidden.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True)
        return noise * factor.detach()


def easy_problems(count: int, seed: int) -> list[Problem]:
    """A person, a fact, and a question about it: no reasoning, only a look."""
    rng = random.Random(seed)
    problems: list[Problem] = []
    while len(problems) < count:
        asked, (true, false) = rng.choice(PERSONS), rng.sample(CONCEPTS, 2)
        shown = [true, false]
        rng.shuffle(shown)
        found = recognise(f"{asked} is a {true}. Is {asked} a {shown[0]} or {shown[1]}?")
        assert found is not None
        problems.append(found)
    return problems


def train_ignoring_model(folder: Path, steps: int = 200) -> CoconutModel:
    """Train with noise at the thoughts' places, then give the model its own states there, as any other has."""
    data = folder / "easy.json"
    write_problems(data, easy_problems(4000, seed=1))
    recipe = tiny_recipe(
        method="coconut-no-curriculum",
        batch_size=16,
        step_style="chain",
        checkpoint_every=steps,
        evaluate_every=10 * steps,
        evaluation_problems=1,
        model={"hidden_size": 64, "heads": 2, "intermediate_size": 128},
        data={"train": str(data)},
        curriculum={"lookup": 0, "stages": THOUGHTS, "total": steps, "other_stages": 0.0},
        optimizer={"learning_rate": 3e-3, "warmup_steps": 50},
    )
    trainer = trainer_for(recipe, folder / "run")
    model = trainer.plain_model
    model.feedback = NoiseFeedback()
    trainer.run(lambda row: None)
    model.feedback = HiddenFeedback()
    return trainer.plain_model.eval()
