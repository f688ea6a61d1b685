"""How near two ways to the same number have to come, by the number format that they compute in."""

from typing import Any

import torch

from coconut_core.latent.model import LatentModel

# In float64. The libraries round inside norms, softmax and recurrences to float32 all the same (half a unit in
# the last place, 6e-8, of numbers up to 4, some dozens of times), and what is kept of a run is float32.
EXACT: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-5, "check_dtype": False}

# In float32: half a unit in the last place for each of some thousand additions that a number of the tiny models
# goes through (two layers of sums over 32 to 60 terms, three thoughts, and a head); in which order they are
# added is each processor's own.
FLOAT32: dict[str, Any] = {"rtol": 1e-3, "atol": 2e-4, "check_dtype": False}

# Architectures that the library cannot compute in float64: eager attention gives NaN behind padding, a scan
# takes float32 only, a recurrence is computed in chunks of float32.
FLOAT32_ONLY = ("gemma2", "mamba", "qwen3_next")


def format_for(architecture: str) -> torch.dtype:
    """The widest number format that the library computes this architecture in."""
    return torch.float32 if architecture in FLOAT32_ONLY else torch.float64


def tolerance(model: LatentModel) -> dict[str, Any]:
    """Arguments of torch.testing.assert_close for numbers of this model."""
    return EXACT if model.dtype == torch.float64 else FLOAT32
