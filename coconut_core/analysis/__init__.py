"""Readings of thoughts over a data set: what they say, where they look, what can be read out of them.

`runs` lets a model think over questions and keeps what it saw; `insight` does that for one Session; `lens` and
`tuned_lens` read the layers; the other modules each answer one question with a table, a figure and a control,
which `report` writes down. Nothing here changes a run: whether a thought matters is asked by interventions.
"""

from collections.abc import Sequence

from coconut_core.common.errors import CoconutError

READINGS = {
    "search": "where a thought lies on the graph",
    "inner-products": "thoughts and the embeddings of nodes",
    "values": "what the model would say after k thoughts",
    "depth": "every layer through the lens",
    "attention": "where a thought looks",
    "series": "what changes from thought to thought",
    "pca": "principal components",
    "probes": "what a line finds in a thought",
}


def check_readings(names: Sequence[str]) -> None:
    """Raise CoconutError where there is no reading of such a name."""
    for name in names:
        if name not in READINGS:
            raise CoconutError(f"unknown reading '{name}': choose from {', '.join(READINGS)}")
