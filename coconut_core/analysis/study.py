"""A model, a data set and what all readings of them share; and the form of what a reading finds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from coconut_core.analysis.graphs import Map, controls, searched_graph
from coconut_core.analysis.runs import BATCH, Places, gather
from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Figure
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import encode_text
from coconut_core.problems.base import Graph, Problem


@dataclass(frozen=True)
class Table:
    """Rows of text under a head."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """What one reading found: a few words on what was done, tables, figures by file name, and all numbers."""

    title: str
    about: str
    record: dict[str, Any]
    tables: Sequence[Table] = ()
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass
class Study:
    """What is read: the runs of a model over problems, each with exactly `thoughts` thoughts.

    progress is called with the number of questions done each time a batch of them is.
    """

    model: LatentModel
    problems: Sequence[Problem]
    thoughts: int
    seed: int = 0
    batch_size: int = BATCH
    progress: Callable[[int], None] | None = None

    @property
    def questions(self) -> list[str]:
        """The questions of the problems, in order."""
        return [problem.question for problem in self.problems]

    @cached_property
    def runs(self) -> Places:
        """What the model thinks; run when first asked for."""
        return gather(
            self.model, self.questions, self.thoughts, batch_size=self.batch_size, progress=self.progress
        )

    @cached_property
    def maps(self) -> list[Map]:
        """The problems' graphs, of ProntoQA those of the kinds. Raises CoconutError where one is missing."""
        graphs = [searched_graph(problem, self.model.config.family) for problem in self.problems]
        if None in graphs or not graphs:
            raise CoconutError("this reading needs problems with graphs whose answers name a node")
        return [Map(graph) for graph in graphs if graph is not None]

    @cached_property
    def control_maps(self) -> list[Map]:
        """The same graphs with their names dealt out anew, see `relabelled`."""
        return [Map(graph) for graph in controls([known.graph for known in self.maps], self.seed)]

    def tokens(self, graph: Graph) -> Tensor:
        """The token of each node's name, (nodes,). Raises CoconutError where a name has several tokens."""
        token_ids = [self.name_ids(name) for name in graph.names]
        if any(len(ids) != 1 for ids in token_ids):
            name = next(name for name, ids in zip(graph.names, token_ids, strict=True) if len(ids) != 1)
            raise CoconutError(
                f"this reading needs names of one token each, and '{name}' has several: only values can be read"
            )
        return torch.tensor([ids[0] for ids in token_ids])

    def name_ids(self, name: str) -> list[int]:
        """The tokens of a name as it stands within a text."""
        return encode_text(self.model.tokenizer, f" {name}")

    def hops(self, place: int) -> int:
        """Number of hops that the state stands for after so many thoughts, that is, thought place + 1."""
        return place + self.model.config.first_thought_hops

    def logits(self, states: Tensor) -> Tensor:
        """The LM head's scores of states on the CPU, (…, hidden) -> (…, vocabulary), float32."""
        with torch.inference_mode():
            return self.model.logits(states.to(self.model.device, self.model.dtype)).float().cpu()

    @property
    def thought_names(self) -> list[str]:
        """A short name for the state at each place: the thought that it is fed as, or "end"."""
        return [*(str(number + 1) for number in range(self.thoughts)), "end"]


def is_chain_style(config: CoconutConfig) -> bool:
    """Whether the model learned to reason in bare names, one a step, and not in sentences."""
    return config.recipe.get("step_style") in ("chain", "nodes")
