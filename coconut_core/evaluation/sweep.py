"""Many questions, each with several plans by name: its prompt is read once for all of them."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import encode_text
from coconut_core.runs.generate import Answer, answer_of, run_named
from coconut_core.runs.halting import Ending
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import in_batches, new_row, prompt_edits, read_prompts, repeated
from coconut_core.runs.shared import shared

Name = TypeVar("Name", bound=Hashable)
ROWS = 128  # runs side by side


def answers_by_plan(
    model: LatentModel,
    questions: Sequence[str],
    plans: Sequence[Mapping[Name, Plan | None]],
    endings: Sequence[Ending],
    *,
    answer_only: bool = False,
    max_new_tokens: int = 64,
    batch_size: int = ROWS,
    progress: Callable[[int], None] | None = None,
    raising: bool = True,
    interrupt: Callable[[], None] | None = None,
    ended: Callable[[tuple[int, Name], Answer], None] | None = None,
) -> Iterator[tuple[int, Name, Answer]]:
    """Answer each question with each of its plans, by name; None is passed over. Yields the question's number,
    from 0, the plan's name and the answer. progress is called with the number of runs done, batch by batch.

    endings: how thinking ends in each question's runs. The rest: see generate; ended is called with the
    question's number and the plan's name. Greedy.
    """
    forced = encode_text(model.tokenizer, model.config.answer_prefix) if answer_only else []
    prompts = [model.encode_prompt(question) for question in questions]
    most = max((sum(plan is not None for plan in by_name.values()) for by_name in plans), default=1)

    def answer(batch: list[int]) -> list[tuple[int, Name, Answer]]:
        named = [
            (place, index, name, plan)
            for place, index in enumerate(batch)
            for name, plan in plans[index].items()
            if plan is not None
        ]
        rows = {
            (index, name): new_row(
                model,
                len(prompts[index]),
                endings[index],
                plan=plan,
                forced=forced,
                max_new_tokens=max_new_tokens,
            )
            for _, index, name, plan in named
        }
        if not named:
            return []
        if edits := prompt_edits(rows.values()):
            context = read_prompts(model, [prompts[index] for index, _ in rows], edits=edits)
        else:
            base = read_prompts(model, [prompts[index] for index in batch], shortcut=True)
            places = [place for place, *_ in named]
            context = base if places == [*range(len(batch))] else repeated(base, places)
        run_named(model, context, rows, interrupt=interrupt, ended=ended)
        for row in rows.values():
            if raising and row.error is not None:
                raise row.error
        return [(index, name, answer_of(model, row)) for (index, name), row in rows.items()]

    for answers in shared(model, in_batches(prompts, max(1, batch_size // max(1, most))), answer):
        yield from answers
        if progress is not None and answers:
            progress(len(answers))
