"""Where answers part, as it is shown."""

from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.deciding import Parting
from coconut_tui.run.state import DecidingPlace


def deciding_place(model: CoconutModel, at: Parting) -> DecidingPlace:
    """The place where two answers part, in words."""
    behind = model.tokenizer.decode(list(at.words)).strip()
    return DecidingPlace(behind, tuple(model.vocabulary.name(token) for token in at.tokens), at.judged)
