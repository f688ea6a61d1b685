"""Answers for many questions at once."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import torch

from coconut_core.decoding import check_temperature
from coconut_core.errors import describe_error
from coconut_core.halting import StopRule, choose_ending
from coconut_core.interventions.plan import Plan
from coconut_core.machine import Mode
from coconut_core.model import CoconutModel
from coconut_core.prompt import encode_text
from coconut_core.rows import Keep, Recording, Row, in_batches, new_row, read_prompts, run_rows
from coconut_core.trace import END

Name = TypeVar("Name", bound=Hashable)


@dataclass
class Answer:
    """What one question led to."""

    text: str = ""  # what was said, without markers
    token_ids: list[int] = field(default_factory=list)  # words said, end of text included, markers not
    thoughts: int = 0  # continuous thoughts taken
    finished: bool = False  # whether the end of text was said
    ended: list[str] = field(default_factory=list)  # why thinking ended, once a segment: see Ending.reason
    recording: Recording | None = None  # where it was asked for
    error: str = ""  # what ended it, where something went wrong; then nothing else is to be relied on
    stopped_by: str | None = (
        None  # "end", or what cut it off: "words" (max_new_tokens) or the model's "context"
    )
    closing: int = 1  # tokens that stand behind the thoughts, such as <eot>

    @property
    def tokens(self) -> int:
        """Tokens spent on the answer as the paper counts them: words, thoughts and the <eot> marker."""
        return len(self.token_ids) + self.thoughts + self.closing


@torch.inference_mode()
def generate(
    model: CoconutModel,
    questions: Sequence[str],
    *,
    thoughts: int | Sequence[int] | None = None,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    seed: int | Sequence[int] = 0,
    answer_only: bool = False,
    stop: StopRule | None = None,
    plans: Sequence[Plan | None] | None = None,
    keep: Keep = "nothing",
    speak: bool = True,
    passes: int | None = None,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
    raising: bool = True,
    interrupt: Callable[[], None] | None = None,
    ended: Callable[[int, Answer], None] | None = None,
) -> list[Answer]:
    """Answer every question, in order. The same words as one run at a time with the same seed.

    Thinking ends as the checkpoint says; thoughts asks for exactly so many, of all or of each, stop for a rule
    that may end it before them, each row by itself.
    seed is that of all questions, or one for each.
    answer_only puts the model's answer prefix behind the thoughts, so that no reasoning can go into words.
    plans: what is done to the thoughts of each question. keep: what is recorded of them. Without speak a run
    ends with its thoughts. passes: in how many parallel passes thoughts are found, see coconut_core.parallel.
    progress is called with the number of questions answered, batch by batch.
    raising: what goes wrong with one question, such as numbers that overflow, is raised; else it stands in its
    answer and the others are answered. A question that cannot be read and what goes wrong with all is raised.
    interrupt is called before each step: what it raises ends everything. ended is called with the number of a
    question, from 0, and its answer as soon as that has ended, in whatever order they do.
    """
    check_temperature(temperature)
    asked = [thoughts] * len(questions) if thoughts is None or isinstance(thoughts, int) else thoughts
    endings = [choose_ending(model, number, stop) for number in asked]
    prompts = [model.encode_prompt(question) for question in questions]
    given_plans = [None] * len(prompts) if plans is None else plans
    forced = encode_text(model.tokenizer, model.config.answer_prefix) if answer_only else []
    seeds = [seed] * len(prompts) if isinstance(seed, int) else seed
    begin = partial(new_row, model, forced=forced, max_new_tokens=max_new_tokens, temperature=temperature)
    answers: dict[int, Answer] = {}
    for numbers in in_batches(prompts, batch_size):
        rows = {
            number: begin(len(prompts[number]), endings[number], plan=given_plans[number], seed=seeds[number])
            for number in numbers
        }
        context = read_prompts(model, [prompts[number] for number in numbers], shortcut=keep == "nothing")
        look = interrupt if ended is None else telling(model, rows, ended, interrupt, keep)
        run_rows(model, context, [*rows.values()], keep=keep, speak=speak, passes=passes, interrupt=look)
        if ended is not None and look is not None:
            look()
        answers |= _answers_of(model, rows, keep, raising)
        if progress is not None:
            progress(len(numbers))
    return [answers[number] for number in range(len(prompts))]


def _answers_of(model: CoconutModel, rows: Mapping[int, Row], keep: Keep, raising: bool) -> dict[int, Answer]:
    """What rows led to, by number; with raising, the error of the first that has one is raised."""
    for row in rows.values() if raising else ():
        if row.error is not None:
            raise row.error
    return {number: answer_of(model, row, keep) for number, row in rows.items()}


def telling(
    model: CoconutModel,
    rows: Mapping[Name, Row],
    ended: Callable[[Name, Answer], None],
    interrupt: Callable[[], None] | None = None,
    keep: Keep = "nothing",
) -> Callable[[], None]:
    """What tells the answers of rows, by name, as soon as they have ended: to be called before each step and
    once behind the last. It calls interrupt first; rows in which something went wrong are not told."""
    reported: set[Name] = set()

    def look() -> None:
        if interrupt is not None:
            interrupt()
        for name, row in rows.items():
            if name not in reported and row.machine.mode is Mode.FINISHED and row.error is None:
                reported.add(name)
                ended(name, answer_of(model, row, keep))

    return look


def answer_of(model: CoconutModel, row: Row, keep: Keep = "nothing") -> Answer:
    """What a row that was run led to."""
    return Answer(
        text=model.tokenizer.decode(row.token_ids, skip_special_tokens=True).strip(),
        token_ids=row.token_ids,
        thoughts=row.taken,
        finished=row.machine.stopped_by == END,
        stopped_by=row.machine.stopped_by,
        ended=row.ended,
        recording=None if keep == "nothing" else row.recording(),
        error="" if row.error is None else describe_error(row.error),
        closing=len(row.machine.behind),
    )
