"""Seeds: the whole numbers that the generators of torch and numpy take. Needs no torch until one is made."""

from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError

if TYPE_CHECKING:
    import torch

LARGEST_SEED = 2**63 - 1


def check_seed(seed: int) -> int:
    """Return seed, or raise CoconutError for one that no generator takes."""
    if abs(seed) > LARGEST_SEED:
        raise CoconutError(f"seed must be from -{LARGEST_SEED} to {LARGEST_SEED}, not {seed}")
    return seed


def seed_behind(seed: int, count: int) -> int:
    """The seed that comes so many behind another; behind the largest comes the smallest."""
    return (seed + LARGEST_SEED + count) % (2 * LARGEST_SEED + 1) - LARGEST_SEED


def check_samples(samples: int, temperature: float) -> None:
    """Raise CoconutError where so many samples would be none."""
    if samples > 1 and temperature == 0:
        raise CoconutError(f"{samples} samples without a temperature are all the same: give one above 0")


def new_generator(seed: int) -> "torch.Generator":
    """A generator on the CPU that begins at a seed. Raises CoconutError as check_seed does."""
    import torch

    return torch.Generator().manual_seed(check_seed(seed))
