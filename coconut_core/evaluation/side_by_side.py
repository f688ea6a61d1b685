"""Runs of one question side by side: it is read once for all of them, whatever is done in each."""

from collections.abc import Iterator, Sequence

from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.model import LatentModel
from coconut_core.runs.halting import choose_ending
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import Row, new_row, read_prompts, repeated

ROWS = 32  # runs of one question in a batch


def batches(
    model: LatentModel,
    question: str,
    plans: Sequence[Plan],
    thoughts: int | None = None,
    *,
    forced: Sequence[int] = (),
    max_new_tokens: int = 64,
) -> Iterator[tuple[Context, dict[int, Row]]]:
    """The runs with these plans that have read the question and are to be run: a context and its rows, by the
    number of the plan. thoughts: how many a run takes whose plan does not say. forced: see new_row."""
    prompt, ending = model.encode_prompt(question), choose_ending(model, thoughts)
    base = read_prompts(model, [prompt], shortcut=True)
    for start in range(0, len(plans), ROWS):
        some = dict(enumerate(plans[start : start + ROWS], start=start))
        rows = {
            number: new_row(
                model, len(prompt), ending, plan=plan, forced=forced, max_new_tokens=max_new_tokens
            )
            for number, plan in some.items()
        }
        yield repeated(base, [0] * len(rows)), rows
