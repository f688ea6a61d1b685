"""Answers for many questions at once: the latent loop in batches, without a Session's bookkeeping."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import inf

import torch
from torch import Tensor

from coconut_core.decoding import check_temperature, pick_token
from coconut_core.halting import Ending, StopRule, choose_ending
from coconut_core.machine import Machine, Mode, Move
from coconut_core.model import CoconutModel, Context
from coconut_core.prompt import encode_text
from coconut_core.readout import Readout


@dataclass
class Answer:
    """What one question led to."""

    text: str = ""  # what was said, without markers
    token_ids: list[int] = field(default_factory=list)  # words said, end of text included, markers not
    thoughts: int = 0  # continuous thoughts taken
    finished: bool = False  # False: cut off by max_new_tokens or by the model's context
    ended: list[str] = field(default_factory=list)  # why thinking ended, once a segment: see Ending.reason

    @property
    def tokens(self) -> int:
        """Tokens spent on the answer as the paper counts them: words, thoughts and the <eot> marker."""
        return len(self.token_ids) + self.thoughts + 1


@dataclass
class _Row:
    machine: Machine
    generator: torch.Generator
    forced: deque[int]
    room: float  # positions of the model's context that are left
    answer: Answer = field(default_factory=Answer)
    recent: list[Readout] = field(default_factory=list)  # of the latent segment, as many as its end depends on


class _RowReadout(Readout):
    """The readout of one row of a batch; the first to be asked computes the logits of all rows."""

    def __init__(self, model: CoconutModel, hidden: Tensor, row: int, together: Callable[[], Tensor]) -> None:
        super().__init__(model, hidden)
        self._row, self._together = row, together

    @cached_property
    def logits(self) -> Tensor:
        """(vocabulary,), float32."""
        return self._together()[self._row]


@torch.inference_mode()
def generate(
    model: CoconutModel,
    questions: Sequence[str],
    *,
    thoughts: int | None = None,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
    answer_only: bool = False,
    stop: StopRule | None = None,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> list[Answer]:
    """Answer every question, in order. The same words as one run at a time with the same seed.

    Thinking ends as the checkpoint says; thoughts asks for exactly so many, stop for a rule that may end it
    before them, each row by itself.
    answer_only puts the model's answer prefix behind <eot>, so that no reasoning can go into words.
    progress is called with the number of questions answered, batch by batch.
    """
    check_temperature(temperature)
    ending = choose_ending(model, thoughts, stop)
    prompts = [model.encode_prompt(question) for question in questions]
    forced = encode_text(model.tokenizer, model.config.answer_prefix) if answer_only else []
    answers: list[Answer | None] = [None] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))  # neighbours pad little
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        rows = [
            _Row(
                new_machine(model, ending.thoughts),
                torch.Generator().manual_seed(seed),
                deque(forced),
                inf if model.max_positions is None else model.max_positions - len(prompts[index]),
            )
            for index in chosen
        ]
        _run_batch(model, [prompts[index] for index in chosen], rows, max_new_tokens, temperature, ending)
        for index, row in zip(chosen, rows, strict=True):
            row.answer.finished = row.answer.finished or _ended(model, row.answer)
            row.answer.text = model.tokenizer.decode(row.answer.token_ids, skip_special_tokens=True).strip()
            answers[index] = row.answer
        if progress is not None:
            progress(len(chosen))
    return [answer for answer in answers if answer is not None]


def new_machine(model: CoconutModel, thoughts: int) -> Machine:
    """The state machine of a run that has read its prompt."""
    return Machine(model.config.bot_id, model.config.eot_id, model.eos_ids, thoughts)


def _ended(model: CoconutModel, answer: Answer) -> bool:
    return bool(answer.token_ids) and answer.token_ids[-1] in model.eos_ids


def _run_batch(
    model: CoconutModel,
    prompts: list[list[int]],
    rows: list[_Row],
    max_new_tokens: int,
    temperature: float,
    ending: Ending,
) -> None:
    width = max(map(len, prompts))
    pad = model.config.eot_id  # masked out, so any id will do
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor(
        [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device
    )
    context = model.start_context(ids, mask)
    while True:
        for row in rows:
            if row.room <= 0 or len(row.answer.token_ids) >= max_new_tokens:
                row.machine.finish()
        going_on = [index for index, row in enumerate(rows) if row.machine.mode is not Mode.FINISHED]
        if not going_on:
            break
        if 2 * len(going_on) <= len(rows):  # copying the cache pays once half of it is of no use
            _keep_rows(context, going_on)
            rows = [rows[index] for index in going_on]
        tokens, thinking, counts = _decide(model, context.hidden, rows, temperature, ending)
        embedded = model.embed(torch.tensor(tokens, device=model.device)[:, None])[:, 0]
        model.latent_step(
            context,
            otherwise=embedded,
            thinking=torch.tensor(thinking, device=model.device),
            mask=torch.tensor(counts, device=model.device)[:, None],
        )
        for row, counted in zip(rows, counts, strict=True):
            row.room -= counted


def _keep_rows(context: Context, rows: list[int]) -> None:
    """Drop all other rows of the batch from the context; columns stay, padding included."""
    chosen = torch.tensor(rows, device=context.mask.device)
    context.cache.batch_select_indices(chosen)
    context.mask, context.hidden = context.mask[chosen], context.hidden[chosen]


def _decide(
    model: CoconutModel,
    hidden: Tensor,
    rows: list[_Row],
    temperature: float,
    ending: Ending,
) -> tuple[list[int], list[bool], list[int]]:
    """For each row: the token to feed, whether a thought is fed instead, and whether the position counts."""
    together = cache(lambda: model.logits(hidden).float().cpu())
    tokens, thinking, counts = [], [], []
    for index, (row, state) in enumerate(zip(rows, hidden.unbind(), strict=True)):
        machine, answer = row.machine, row.answer
        readout = _RowReadout(model, state, index, together)
        reason = _reason_to_end(row, readout, ending) if machine.mode is Mode.THINKING else None
        token, move = model.config.eot_id, machine.next_move(reason is not None)
        if move is Move.THINK:
            machine.after_thought()
            answer.thoughts += 1
        elif move is Move.END_THINKING:
            assert reason is not None  # as there is no other way for thinking to end
            answer.ended.append(reason)
            row.recent = []
            machine.after_token(token)
        elif move is Move.SPEAK:
            if row.forced:
                token = row.forced.popleft()
            else:
                token = pick_token(readout.logits, model.config.latent_id, temperature, row.generator)
            answer.token_ids.append(token)
            machine.after_token(token)
        tokens.append(token)
        thinking.append(move is Move.THINK)
        counts.append(int(move is not Move.NOTHING))
    return tokens, thinking, counts


def _reason_to_end(row: _Row, readout: Readout, ending: Ending) -> str | None:
    """Why thinking ends in the state of a row that is thinking; None where it goes on."""
    if ending.window:
        row.recent = [*row.recent, readout][-ending.window :]
    return ending.reason(row.recent, row.machine.taken)
