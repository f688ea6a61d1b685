"""The examples of each step: those of its batch, or where a method samples what the model makes of them."""

import random
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from coconut_core.coconut import CoconutModel
from coconut_core.training.data import Batches, StepExamples
from coconut_core.training.encoding import Example
from coconut_core.training.methods.table import method_named
from coconut_core.training.recipe import Recipe


class Draws:
    """Draws the examples of any step. Those that a model made serve for as many steps as options.updates says,
    and are then part of the run's state, since the weights that made them are gone."""

    def __init__(self, batches: Batches, recipe: Recipe, model: CoconutModel) -> None:
        self._batches, self._recipe, self._model = batches, recipe, model
        self._sample = method_named(recipe.method).sample
        self._updates = int(recipe.options.get("updates", 1))
        self._kept: tuple[int, StepExamples] | None = None  # the step that they were made at

    def at(self, step: int) -> StepExamples:
        """The examples of a step, the same in every process. A method that samples leaves the model in
        evaluation mode."""
        if self._sample is None:
            return self._batches.at(step)
        first = step - step % self._updates
        if self._kept is None or self._kept[0] != first:
            batch = self._batches.at(first)
            seed = random.Random(f"samples {self._recipe.seed} {first}").getrandbits(62)
            self._model.eval()
            examples, measures = self._sample(self._model, batch.examples, self._recipe.options, seed)
            self._kept = first, replace(batch, examples=list(examples), measures=measures)
        return self._kept[1]

    def state(self, step: int) -> dict[str, Any]:
        """What a run that goes on from this step needs to take the same steps."""
        if self._kept is None or step % self._updates == 0:
            return {}
        first, batch = self._kept
        return {"samples": {"step": first, **asdict(batch)}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` had."""
        self._kept = None
        if samples := state.get("samples"):
            examples = [Example(**{**each, "marks": tuple(each["marks"])}) for each in samples["examples"]]
            self._kept = samples["step"], StepExamples(samples["stage"], examples, samples["measures"])
