"""Opening a model in the engine's thread, and saying how far that is."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from coconut_core.model_choice import ModelChoice
from coconut_core.problems.base import Problem

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench

READING = "reading the question"
LOADING = ("importing torch and transformers", "reading the model", READING)  # until there is a run


def open_bench(
    choice: ModelChoice,
    others: Sequence[Problem] | None,
    cache_limit: int | None,
    changed: Callable[[], None],
    say: Callable[[str], object],
) -> "Workbench":
    """A workbench with the model, see Workbench; say is told the stages. Raises CoconutError where it cannot be
    opened."""
    say(LOADING[0])
    from coconut_tui.engine.workbench import CACHE_LIMIT, Workbench

    say(LOADING[1])
    limit = CACHE_LIMIT if cache_limit is None else cache_limit
    return Workbench(choice.open(), others, cache_limit=limit, changed=changed)
