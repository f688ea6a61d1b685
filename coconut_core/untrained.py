"""What is said of a model that was not trained to think in latents, wherever it is shown. Needs no torch."""

LABEL = "not trained to think in latents"
_STATES = "its own hidden states are no inputs that it knows, so feeding them back is expected to fail"
REMARKS = {  # by the kind of feedback, where there is something that its reader must know
    "hidden": _STATES,
    "normed": _STATES,
}


def untrained_label(feedback: str, thoughts: int | None = None) -> str:
    """The label, and in the same line what is to be expected of that feedback, or that 0 thoughts are taken.

    thoughts: how many, or at most; None where that is not known.
    """
    if thoughts == 0:
        return f"{LABEL}: no thought is taken unless asked for"
    return f"{LABEL}: {REMARKS[feedback]}" if feedback in REMARKS else LABEL


def untrained_usage(feedback: str, thoughts: int | None = None) -> str:
    """What stands in the place of the verdict on its thoughts, see coconut_core.verdict."""
    return f"UNKNOWN: {untrained_label(feedback, thoughts)}"
