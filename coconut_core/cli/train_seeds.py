"""coconut train --seeds: one recipe with several seeds, one run after the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from coconut_core.common.errors import CoconutError, Interrupted
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.training.recipe import Recipe
    from coconut_core.training.run_folder import RunFolder
    from coconut_core.training.seed_runs import SeedRuns

TrainOne = Callable[["Recipe", "RunFolder", bool], None]  # the flag: whether to go on with a run that has begun


def read_seeds(text: str) -> list[int]:
    """Seeds from "1,2,3". Raises CoconutError for anything else."""
    from coconut_core.training.seed_runs import check_seeds

    try:
        return check_seeds([int(part) for part in text.split(",")])
    except ValueError:
        raise CoconutError(f"--seeds takes whole numbers, like 1,2,3, not '{text[:80]}'") from None


def train_new_seeds(
    runs: "SeedRuns", recipe: "Recipe", seeds: Sequence[int], train_one: TrainOne, first: bool
) -> None:
    """Begin a run for each seed. Raises CoconutError where the folder holds runs already.

    first: whether this is the process that writes and speaks.
    """
    from coconut_core.training.recipe import with_absolute_paths

    recipe = with_absolute_paths(recipe)
    if first:
        runs.check_new(seeds)
        runs.write(recipe, seeds)
    _train_each(runs, recipe, seeds, train_one, first)


def go_on_with_seeds(runs: "SeedRuns", more: Sequence[int], train_one: TrainOne, first: bool) -> None:
    """Finish what was not finished, then the seeds that have been added."""
    recipe, before = runs.read()
    seeds = [*before, *(seed for seed in more if seed not in before)]
    if first and seeds != before:
        runs.write(recipe, seeds)
    _train_each(runs, recipe, seeds, train_one, first)


def _train_each(
    runs: "SeedRuns", recipe: "Recipe", seeds: Sequence[int], train_one: TrainOne, first: bool
) -> None:
    for place, seed in enumerate(seeds, start=1):
        run = runs.run(seed)
        done = runs.is_done(seed)
        if first:
            say(f"seed {seed}, {place} of {len(seeds)}: {run.path}{' is done' if done else ''}", err=True)
        if done:
            continue
        try:
            train_one(replace(recipe, seed=seed), run, bool(run.steps()))
        except CoconutError as error:
            raise CoconutError(f"seed {seed}: {error}") from error
        except Interrupted as stopped:
            where, _, _ = str(stopped).partition(";")
            raise Interrupted(
                f"seed {seed}: {where}; go on with: coconut train --resume --out {runs.path}"
            ) from None
    if first:
        _tell_results(runs, seeds)


def _tell_results(runs: "SeedRuns", seeds: Sequence[int]) -> None:
    """A line a seed, and what lies between them, of the accuracy on held-out problems."""
    from coconut_core.evaluation.significance import Spread

    results = [(seed, runs.result(seed)) for seed in seeds]
    width = max(len(str(seed)) for seed in seeds)
    for seed, result in results:
        right = "no held-out problems" if result is None else f"{100 * result.accuracy:5.1f} %"
        say(f"seed {seed:>{width}}   {right}   {runs.run(seed).checkpoint}")
    known = [result for _, result in results if result is not None]
    if not known:
        return
    spread = Spread(tuple(100 * result.accuracy for result in known))
    low, high = spread.range
    apart = (
        ""
        if spread.deviation is None
        else f", standard deviation {spread.deviation:.1f}, from {low:.1f} to {high:.1f} %"
    )
    say(
        f"mean of {len(known)} seed{'' if len(known) == 1 else 's'}: {spread.mean:.1f} % of {known[0].count} "
        f"held-out problems{apart}"
    )
