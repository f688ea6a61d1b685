"""CoconutConfig lives in coconut_core.latent.config. This path is kept for plugins."""

from coconut_core.latent.config import CoconutConfig

__all__ = ["CoconutConfig"]
