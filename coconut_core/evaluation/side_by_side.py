"""Runs of one question side by side: it is read once for all of them, whatever is done in each."""

from collections.abc import Iterator, Sequence

import torch

from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.model import LatentModel
from coconut_core.runs.edits import Intervention
from coconut_core.runs.halting import choose_ending
from coconut_core.runs.inside import acting_in_prompts, check_in_prompt
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
            number: new_row(model, len(prompt), ending, plan=plan, forced=forced, max_new_tokens=max_new_tokens)
            for number, plan in some.items()
        }
        yield _reading(model, base, prompt, [plan.prompt for plan in some.values()]), rows


@torch.inference_mode()
def _reading(
    model: LatentModel, base: Context, prompt: Sequence[int], edits: Sequence[Intervention | None]
) -> Context:
    """A context of its own with a row for each edit, which has read the prompt of base with that; what stands
    in front of the first change is not read again."""
    by_row = {row: edit for row, edit in enumerate(edits) if edit is not None}
    if not by_row:
        return repeated(base, [0] * len(edits))
    length, prompts = len(prompt), [prompt] * len(edits)
    patches = [patch for edit in by_row.values() for patch in check_in_prompt(model, edit, length)]
    first = min(patch.position or 0 for patch in patches)
    if not first or not base.croppable:
        return read_prompts(model, prompts, edits=by_row)
    context = repeated(base, [0] * len(edits))
    context.take_back(length - first, context.hidden)
    rest = torch.tensor([prompt[first:] for prompt in prompts], device=model.device)
    with acting_in_prompts(model, [length] * len(edits), by_row, skipped=first):
        model.feed(context, model.embed(rest))
    return context
