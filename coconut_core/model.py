"""Kept for plugins: CoconutModel is in coconut_core.coconut, the latent loop in coconut_core.latent.model."""

from coconut_core.coconut import CoconutModel
from coconut_core.latent.model import LatentModel

__all__ = ["CoconutModel", "LatentModel"]
