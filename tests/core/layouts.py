"""What can stand in front of the thoughts and behind them, besides <bot> and <eot>."""

import copy
from dataclasses import replace
from typing import Any

from coconut_core.coconut import CoconutModel

LAYOUTS: dict[str, dict[str, Any]] = {
    "nothing": {"bot_id": None, "eot_id": None},
    "no eot": {"eot_id": None},  # the model may say <bot> again, and the next word ends thinking
    "texts": {"bot_id": None, "eot_id": None, "before_ids": (20, 21, 22), "behind_ids": (23, 24)},
    "a text behind": {"bot_id": None, "eot_id": None, "behind_ids": (23,)},
    "a text for eot": {"eot_id": None, "behind_ids": (23, 24)},
}


def in_layout(model: CoconutModel, name: str) -> CoconutModel:
    """The same model, weights shared, with something else around its thoughts."""
    other = copy.copy(model)
    other.config = replace(model.config, **LAYOUTS[name])
    return other
