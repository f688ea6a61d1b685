"""Training batches as a pure function of seed and step, so that a resumed run sees what it would have seen."""

import random

from coconut_core.problems import prosqa
from coconut_core.problems.base import Graph, Problem
from coconut_core.training.encoding import Batch, Encoder, collate
from coconut_core.training.lookup import lookup_example
from coconut_core.training.recipe import DataChoice, Recipe


def draw_graphs(choice: DataChoice) -> list[Graph]:
    """The pool of graphs of a recipe, sorted by size so that neighbours make batches with little padding."""
    rng = random.Random(f"pool {choice.seed}")
    size = prosqa.ProsqaSize(nodes=choice.nodes, hops=choice.hops)
    graphs = [prosqa.generate(rng, size).graph for _ in range(choice.problems)]
    return sorted((graph for graph in graphs if graph is not None), key=lambda graph: len(graph.edges))


def held_out_problems(choice: DataChoice, count: int) -> list[Problem]:
    """Problems to select checkpoints by, from another seed than the pool."""
    rng = random.Random(f"held out {choice.seed}")
    size = prosqa.ProsqaSize(nodes=choice.nodes, hops=choice.hops)
    return [prosqa.generate(rng, size) for _ in range(count)]


class Batches:
    """Draws the batch of any step of a recipe."""

    def __init__(self, recipe: Recipe, encoder: Encoder, pad_id: int) -> None:
        self.recipe = recipe
        self.encoder = encoder
        self.pad_id = pad_id
        self.graphs = draw_graphs(recipe.data)
        self.window = max(recipe.batch_size * 4, len(self.graphs) // 64)

    def at(self, step: int) -> tuple[int, Batch]:
        """The stage that this step trains (mostly its own, sometimes an earlier one) and its batch."""
        recipe = self.recipe
        rng = random.Random(f"step {recipe.seed} {step}")
        stage = recipe.stage_at(step)
        if recipe.stages[stage].kind == "lookup":
            return stage, self._lookup(rng)
        earlier = [index for index in range(stage) if recipe.stages[index].kind == "thoughts"]
        if earlier and rng.random() < recipe.earlier_stages:
            stage = rng.choice(earlier)
        return stage, self._thoughts(rng, recipe.stages[stage].thoughts)

    def _lookup(self, rng: random.Random) -> Batch:
        return collate([lookup_example(self.encoder, rng) for _ in range(self.recipe.batch_size)], self.pad_id)

    def _thoughts(self, rng: random.Random, thoughts: int) -> Batch:
        start = rng.randrange(max(1, len(self.graphs) - self.window + 1))
        graphs = rng.choices(self.graphs[start : start + self.window], k=self.recipe.batch_size)
        problems = [prosqa.retell(graph, rng) for graph in graphs]
        return collate([self.encoder.encode(problem, thoughts) for problem in problems], self.pad_id)
