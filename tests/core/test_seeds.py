"""Whatever whole number is given as a seed, it draws, or is refused in one line."""

from collections.abc import Callable

import pytest
import torch

from coconut_core.analysis.pca import dealt_anew
from coconut_core.common.errors import CoconutError
from coconut_core.common.seeds import LARGEST_SEED
from coconut_core.runs.edits import Noise
from coconut_core.runs.generate import generate
from coconut_core.runs.plan import shuffled
from coconut_core.runs.session import Session
from tests.core.tiny_models import QUESTIONS, tiny_model

MODEL = tiny_model("llama")
POINTS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def answer(seed: int) -> None:
    Session(MODEL, QUESTIONS[0], thoughts=1, temperature=1.0, seed=seed, max_new_tokens=1).finish()


SEEDED: dict[str, Callable[[int], object]] = {
    "a run": answer,
    "a batch": lambda seed: list(generate(MODEL, [QUESTIONS[0]], thoughts=1, seed=seed, max_new_tokens=1)),
    "noise": lambda seed: Noise(seed, 3)(POINTS[0]),
    "another order": lambda seed: shuffled(POINTS, seed),
    "a control": lambda seed: dealt_anew(POINTS, seed),
}


@pytest.mark.parametrize("what", SEEDED)
def test_the_largest_seeds_draw_and_those_beyond_are_refused(what: str) -> None:
    for seed in (LARGEST_SEED, -LARGEST_SEED, -1):
        SEEDED[what](seed)
    for seed in (LARGEST_SEED + 1, -LARGEST_SEED - 1, 10**30):
        with pytest.raises(CoconutError, match="seed must be from"):
            SEEDED[what](seed)
