"""Batches that several processes share out: each is computed by one of them, as one process alone would."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TypeVar

from coconut_core.common.processes import current
from coconut_core.latent.model import LatentModel, Work

Unit = TypeVar("Unit")
Result = TypeVar("Result")


def shared(model: LatentModel, units: Iterable[Unit], work: Callable[[Unit], Result]) -> Iterator[Result]:
    """What work makes of each unit, in order: here, or where processes have joined (common.processes) turn by
    turn, a unit for each, all results being given to all and model.work counting what all have computed.

    All processes must come here with the same units. A unit should be a whole batch: its rows are then computed
    side by side just as without other processes, and its numbers are the same to the bit. What work raises in
    one process is raised in all.
    """
    processes = current()
    if processes.count == 1:
        yield from map(work, units)
        return
    left = iter(units)
    while turn := [*islice(left, processes.count)]:
        own = turn[processes.number : processes.number + 1]
        before = replace(model.work)
        made = processes.exchange(f"{work.__qualname__} of {len(turn)}", partial(_measured, model, own, work))
        model.work.passes = before.passes + sum(done.passes for _, done in made)
        model.work.positions = before.positions + sum(done.positions for _, done in made)
        for results, _ in made:
            yield from results


def _measured(
    model: LatentModel, units: Iterable[Unit], work: Callable[[Unit], Result]
) -> tuple[list[Result], Work]:
    """What work makes of each unit, and what was computed for that."""
    before = replace(model.work)
    results = [*map(work, units)]
    return results, Work(model.work.passes - before.passes, model.work.positions - before.positions)
