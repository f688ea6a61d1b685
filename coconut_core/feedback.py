"""Feedback rules live in coconut_core.latent.feedback. This path is kept for plugins."""

from coconut_core.latent.feedback import Option, Parts, Rule

__all__ = ["Option", "Parts", "Rule"]
