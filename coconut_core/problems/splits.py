"""Splits that share no graph, without a list of graphs: a graph's own shape says where it belongs.

The nodes are coloured by colour refinement (Weisfeiler and Leman): each round, a node's new colour is its
old one with the colours around it, until no round tells more nodes apart. Names, node numbers and the order
of the edges play no part, so a graph told anew stays in its split. What is asked about it plays none either:
the same graph asked from its other root is in the same split. Different graphs that refinement cannot tell
apart share a split, which does no harm.

Of problems without a graph it is the sums of the steps that say so; 3+5 and 5+3 are the same.
"""

import hashlib
from collections.abc import Sequence

from coconut_core.common.errors import CoconutError
from coconut_core.problems.arithmetic import step_equation
from coconut_core.problems.base import Graph, Shape

# Of ten graphs eight are for training, one for validation, one for test.
_PLACES = ("train",) * 8 + ("valid", "test")
SPLITS = ("train", "valid", "test")


def check_split(split: str | None) -> None:
    """Raise CoconutError where there is no such split. None stands for all graphs."""
    if split is not None and split not in SPLITS:
        raise CoconutError(f"no split '{split}': choose one of {', '.join(SPLITS)}")


def split_of(shape: Shape) -> str:
    """The one split that a graph, or a chain of sums, belongs to: "train", "valid" or "test".

    Raises CoconutError for steps that are no sums.
    """
    form = canonical_form(shape) if isinstance(shape, Graph) else canonical_sums(shape)
    digest = hashlib.sha256(repr(form).encode()).digest()
    return _PLACES[int.from_bytes(digest[:8], "big") % len(_PLACES)]


def canonical_sums(steps: Sequence[str]) -> list[str]:
    """The same for steps like <<3+5=8>> whose sums differ in the order of what is added or multiplied only."""
    sums = (step_equation(step)[0] for step in steps)
    return [
        "+".join(sorted(total.split("+"))) if "+" in total else "*".join(sorted(total.split("*")))
        for total in sums
    ]


def canonical_form(graph: Graph) -> list[list[tuple[int, ...]]]:
    """The same for graphs that differ in names, numbers and order only: each round's colours, sorted."""
    nodes = range(len(graph.names))
    sources: list[list[int]] = [[] for _ in nodes]
    targets: list[list[int]] = [[] for _ in nodes]
    for source, target in set(graph.edges):
        sources[target].append(source)
        targets[source].append(target)
    colours = [0] * len(nodes)
    rounds: list[list[tuple[int, ...]]] = []
    while True:
        signatures = [
            (colours[node], *_sorted(colours, sources[node]), -1, *_sorted(colours, targets[node]))
            for node in nodes
        ]
        # Numbered in sorted order, so that a colour's number does not depend on the order of the nodes.
        number = {signature: index for index, signature in enumerate(sorted(set(signatures)))}
        rounds.append(sorted(signatures))
        if len(number) == len(set(colours)):
            return rounds
        colours = [number[signature] for signature in signatures]


def _sorted(colours: Sequence[int], nodes: Sequence[int]) -> list[int]:
    return sorted(colours[node] for node in nodes)
