"""What is said of a model that was not trained to think in latents, wherever it is shown. Needs no torch."""

from coconut_core.common.errors import CoconutError
from coconut_core.latent.feedback import TABLE

LABEL = "not trained to think in latents"


def untrained_label(feedback: str, thoughts: int | None = None) -> str:
    """The label, and in the same line what is to be expected of that feedback, or that 0 thoughts are taken.

    thoughts: how many, or at most; None where that is not known.
    """
    if thoughts == 0:
        return f"{LABEL}: no thought is taken unless asked for"
    try:
        rule = TABLE.get(feedback)
    except CoconutError:  # of a plugin that does not work here
        rule = None
    return f"{LABEL}: {rule.remark}" if rule is not None and rule.remark else LABEL


def untrained_usage(feedback: str, thoughts: int | None = None) -> str:
    """What stands in the place of the verdict on its thoughts, see coconut_core.evaluation.verdict."""
    return f"UNKNOWN: {untrained_label(feedback, thoughts)}"
