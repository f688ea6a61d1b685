"""Many runs side by side: the latent loop in batches, without a Session's bookkeeping.

Rows of a batch share a cache and nothing else: each has its own number of thoughts, interventions and words.
What goes wrong in one ends that row, which keeps the error; an error that belongs to no row is raised.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from math import inf
from typing import Literal

import torch
from torch import Tensor

from coconut_core.common.errors import device_failure
from coconut_core.common.reprs import record_repr
from coconut_core.common.seeds import new_generator
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.finite import WeightsError, check_finite, not_finite
from coconut_core.latent.layers import Activations, watching
from coconut_core.latent.model import LatentModel
from coconut_core.latent.parallel import find_thoughts
from coconut_core.latent.prompt_shortcut import prompt_shortcut, reading_prompt
from coconut_core.latent.readout import Readout
from coconut_core.runs.decoding import pick_token
from coconut_core.runs.edits import Intervention
from coconut_core.runs.halting import Ending, next_step
from coconut_core.runs.inside import acting, acting_in_prompts, check_fits
from coconut_core.runs.machine import Machine, Mode, Move
from coconut_core.runs.passes import changing, check_edit, choose_passes
from coconut_core.runs.plan import Plan

Keep = Literal["nothing", "thoughts", "inside"]  # what a row records of its thoughts


@dataclass(frozen=True)
class Recording:
    """What a run thought in its first latent segment: the vectors fed, as they were fed, and where it was asked
    for what the layers and heads put out while each was read."""

    thoughts: Tensor  # (count, hidden)
    layers: Tensor | None = None  # (count, layers, hidden), see coconut_core.latent.layers.Activations
    heads: Tensor | None = None  # (count, layers, heads, head size)

    __repr__ = record_repr


@dataclass
class Row:
    """One run. `plan` is done to the thoughts of its first latent segment."""

    machine: Machine
    ending: Ending
    generator: torch.Generator
    forced: deque[int] = field(default_factory=deque)  # words to be said first
    room: float = inf  # positions of the model's context that are left
    max_new_tokens: int = 64
    temperature: float = 0.0
    plan: Plan = field(default_factory=Plan)
    token_ids: list[int] = field(default_factory=list)  # words said, end of text included, markers not
    ended: list[str] = field(default_factory=list)  # why thinking ended, once a segment
    thought_count: int = 0  # thoughts taken, in all segments
    recent: list[Readout] = field(default_factory=list)  # of the latent segment, as many as its end depends on
    parallel_thoughts: list[Tensor] = field(default_factory=list)  # (hidden,) each, found ahead, with edits
    thoughts: list[Tensor] = field(default_factory=list)  # (hidden,) each, where they are kept
    activations: list[Activations] = field(default_factory=list)  # of this row alone, (1, …), where it is kept
    error: Exception | None = None  # what ended it, where something went wrong

    def fail(self, error: Exception) -> None:
        """End this row with an error. One of the weights or the device, which belongs to no row, is raised."""
        if isinstance(error, WeightsError) or device_failure(error) is not None:
            raise error
        self.error = error
        self.machine.finish()

    def look_back(self, readout: Readout) -> list[Readout]:
        """The readouts that its end depends on, this one the newest."""
        self.recent = [*self.recent, readout][-self.ending.window :]
        return self.recent

    def recording(self) -> Recording:
        """What was kept of its thoughts."""
        if not self.thoughts:
            return Recording(torch.zeros(0, 0))
        layers = torch.cat([record.layers for record in self.activations]) if self.activations else None
        heads = torch.cat([record.heads for record in self.activations]) if self.activations else None
        return Recording(torch.stack(self.thoughts), layers, heads)


@dataclass
class Decision:
    """What the rows are fed next."""

    tokens: list[int] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    ended: list[str | None] = field(default_factory=list)  # why thinking ends with this step, where it does
    thoughts: list[Tensor] = field(default_factory=list)  # (hidden,) each
    readouts: list[Readout] = field(default_factory=list)  # of the thought, or of the state behind a word
    interventions: dict[int, Intervention] = field(default_factory=dict)  # by row, where there is one

    @property
    def thinking(self) -> list[bool]:
        """Whether a row is fed a thought, not the token."""
        return [move is Move.THINK for move in self.moves]

    @property
    def counts(self) -> list[int]:
        """0 for a row that is over, else 1."""
        return [int(move is not Move.NOTHING) for move in self.moves]


class _RowReadout(Readout):
    """The readout of one row of a batch; the first to be asked computes the logits of all rows."""

    def __init__(self, model: LatentModel, hidden: Tensor, row: int, together: Callable[[], Tensor]) -> None:
        super().__init__(model, hidden)
        self._row, self._together = row, together

    @cached_property
    def logits(self) -> Tensor:
        """(vocabulary,), float32."""
        return self._together()[self._row]


def new_row(
    model: LatentModel,
    prompt_length: int,
    ending: Ending,
    *,
    plan: Plan | None = None,
    forced: Sequence[int] = (),
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
) -> Row:
    """A run that has read its prompt. A plan that says how many thoughts are taken overrules the ending."""
    plan = Plan() if plan is None else plan
    ending = ending if plan.thoughts is None else Ending(plan.thoughts)
    room = inf if model.max_positions is None else model.max_positions - prompt_length
    generator = new_generator(seed)
    machine, words = new_machine(model), deque(forced)
    return Row(machine, ending, generator, words, room, max_new_tokens, temperature, plan)


def new_machine(model: LatentModel) -> Machine:
    """The state machine of a run that has read its prompt."""
    return Machine(model.config.bot_id, model.config.fed_behind, model.eos_ids)


def in_batches(prompts: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Numbers of the prompts in batches of neighbours in length, which pad little."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    return [order[start : start + size] for start in range(0, len(order), size)]


@torch.inference_mode()
def read_prompts(
    model: LatentModel,
    prompts: Sequence[Sequence[int]],
    *,
    shortcut: bool = False,
    edits: Mapping[int, Intervention] | None = None,
) -> Context:
    """A context that has read prompts of any lengths, a row each; with the shortcut of prompt_shortcut its
    numbers are the same up to rounding, and without it to the bit. edits: what is done while they are read, by
    row."""
    shortcut = shortcut and not edits
    width = max(map(len, prompts))
    pad = model.config.latent_id  # masked out, so any id will do
    ids = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    acts = acting_in_prompts(model, [*map(len, prompts)], edits or {})
    with prompt_shortcut(model) if shortcut else nullcontext(), reading_prompt(model, shortcut), acts:
        return model.start_context(
            torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)
        )


def prompt_edits(rows: Iterable[Row]) -> dict[int, Intervention]:
    """What the plans of rows do while prompts are read, by the row's number."""
    return {number: edit for number, row in enumerate(rows) if (edit := row.plan.prompt) is not None}


@torch.inference_mode()
def repeated(context: Context, rows: Sequence[int]) -> Context:
    """A context of its own whose rows are these rows of another, each as often as it is named."""
    copy = context.copy()
    copy.select(torch.tensor(rows, device=context.mask.device))
    return copy


@torch.inference_mode()
def run_rows(
    model: LatentModel,
    context: Context,
    rows: Sequence[Row],
    *,
    keep: Keep = "nothing",
    speak: bool = True,
    passes: int | None = None,
    interrupt: Callable[[], None] | None = None,
    look: Callable[[Sequence[Row], Decision], None] | None = None,
) -> None:
    """Run all rows to their ends; their entries tell what came of them, their errors included. The context is
    used up. interrupt is called before each step: what it raises ends all of them; look behind each step, with
    the rows that took part and what they were fed.

    Without speak a run ends once its first latent segment has. passes: in how many parallel passes the thoughts
    of the first latent segment are found (None: as the checkpoint says; 0: one after the other).
    """
    think_in_parallel(model, context, rows, passes, keep)
    with watching(model) if keep == "inside" else nullcontext() as watch:
        inside = [] if watch is None else watch.passes
        going = list(rows)
        while going_on := end_rows(going, speak):
            if interrupt is not None:
                interrupt()
            going, decision = _step_and_keep(model, context, going, going_on, keep, inside)
            if look is not None:
                look(going, decision)


def _step_and_keep(
    model: LatentModel,
    context: Context,
    rows: list[Row],
    going_on: list[int],
    keep: Keep,
    inside: list[Activations],
) -> tuple[list[Row], Decision]:
    """One step of all rows; which of them are still in the context, and what they were fed."""
    if 2 * len(going_on) <= len(rows):  # copying the cache pays once half of it is of no use
        context.select(torch.tensor(going_on, device=context.mask.device))
        rows = [rows[index] for index in going_on]
    decision = step_rows(model, context, rows)
    if keep != "nothing":
        _keep_thoughts(rows, decision, inside.pop() if inside else None)
    return rows, decision


def end_rows(rows: Sequence[Row], speak: bool = True) -> list[int]:
    """End the rows that may say no more, or are only to think and have; the numbers of those that go on."""
    for row in rows:
        if limit := row.machine.limit(row.max_new_tokens, row.room):
            row.machine.finish(limit)
        elif not speak and row.machine.mode is Mode.SPEAKING:
            row.machine.finish()
    return [index for index, row in enumerate(rows) if row.machine.mode is not Mode.FINISHED]


@torch.inference_mode()
def step_rows(model: LatentModel, context: Context, rows: list[Row]) -> Decision:
    """Feed every row what comes next for it, all in one step; rows that are over or fail read padding."""
    decision = _decide(model, context, rows)
    embedded = model.embed(torch.tensor(decision.tokens, device=model.device)[:, None])[:, 0]
    with acting(model, context, decision.interventions) as visible:
        model.latent_step(
            context,
            torch.stack(decision.thoughts),
            otherwise=embedded,
            thinking=torch.tensor(decision.thinking, device=model.device),
            mask=torch.tensor(decision.counts, device=model.device)[:, None],
            visible=visible,
        )
    for row, counted in zip(rows, decision.counts, strict=True):
        row.room -= counted
    return decision


@torch.inference_mode()
def think_in_parallel(
    model: LatentModel, context: Context, rows: Sequence[Row], passes: int | None, keep: Keep
) -> None:
    """Let all rows take the thoughts of their first latent segment in parallel passes, where there are any.

    Where what happens inside at each thought is kept, they are only found, and fed one by one afterwards.
    """
    passes = max((choose_passes(model, passes, row.ending) for row in rows), default=0)
    if not passes:
        return
    length, before = context.length, context.hidden
    for row, state in zip(rows, before, strict=True):
        _check_edits(row, state, passes)
    fits = [row.error is None for row in rows]
    counts = [
        int(min(row.ending.thoughts, row.room)) if fit else 0 for row, fit in zip(rows, fits, strict=True)
    ]
    if not max(counts):
        return
    ends = torch.tensor(counts, device=model.device)
    mask = (torch.arange(max(counts), device=model.device) < ends[:, None]).long()
    change = changing([row.plan.at_thoughts if fit else {} for row, fit in zip(rows, fits, strict=True)])
    thoughts, hidden = find_thoughts(model, context, max(counts), passes, mask=mask, change=change)
    if keep == "inside":
        context.take_back(context.length - length, before)
    else:
        states = torch.cat([before[:, None], hidden], dim=1)
        context.hidden = states[torch.arange(len(rows), device=model.device), ends]
    for row, count, vectors in zip(rows, counts, thoughts, strict=True):
        if keep == "inside":
            row.parallel_thoughts = list(vectors[:count])
            continue
        row.machine.thought_count, row.thought_count = count, count
        row.room -= count
        if keep == "thoughts":
            row.thoughts = list(vectors[:count])


def _check_edits(row: Row, state: Tensor, passes: int) -> None:
    """End a row whose interventions cannot be done in parallel passes, or not to a thought such as state."""
    try:
        for edit in row.plan.at_thoughts.values():
            check_edit(edit, passes)
            edit(state)
    except Exception as error:
        row.fail(error)


def _keep_thoughts(rows: list[Row], decision: Decision, inside: Activations | None) -> None:
    for number, (row, thinking) in enumerate(zip(rows, decision.thinking, strict=True)):
        if thinking and row.machine.segment == 0:
            row.thoughts.append(decision.thoughts[number])
            if inside is not None:
                row.activations.append(Activations(inside.layers[number, None], inside.heads[number, None]))


def _decide(model: LatentModel, context: Context, rows: list[Row]) -> Decision:
    """What each row is fed next, its interventions done; a row that fails is over."""
    hidden = context.hidden
    together = cache(lambda: model.logits(hidden).float().cpu())
    weights = cache(lambda: not_finite(model))
    decision = Decision()
    for index, (row, state) in enumerate(zip(rows, hidden.unbind(), strict=True)):
        readout: Readout = _RowReadout(model, state, index, together)
        machine = row.machine
        token, move, reason = model.config.latent_id, Move.NOTHING, None
        try:
            move, reason = next_step(machine, row.ending, partial(row.look_back, readout))
            if reason is not None:
                row.ended.append(reason)
                row.recent = []
            if move is Move.THINK:
                state = _intervene(model, context, row, state, index, decision)
                readout = readout if state is readout.hidden else Readout(model, state)
                machine.after_thought()
                row.thought_count += 1
            elif move is Move.END_THINKING:
                token = machine.closing_token
                machine.after_closing()
            elif move is Move.SPEAK:
                token = _pick(model, row, readout, weights)
                row.token_ids.append(token)
                machine.after_word(token)
        except Exception as error:
            row.fail(error)
            move = Move.NOTHING
        decision.tokens.append(token)
        decision.moves.append(move)
        decision.ended.append(reason)
        decision.thoughts.append(state)
        decision.readouts.append(readout)
    return decision


def _pick(model: LatentModel, row: Row, readout: Readout, weights: Callable[[], list[str]]) -> int:
    """The word that a row says next."""
    if row.forced:
        return row.forced.popleft()
    check_finite(
        model, readout.logits, f"the readout of a question behind {row.thought_count} thoughts", weights
    )
    return pick_token(readout.logits, model.config.latent_id, row.temperature, row.generator)


def _intervene(
    model: LatentModel, context: Context, row: Row, state: Tensor, index: int, decision: Decision
) -> Tensor:
    """The thought to feed, (hidden,); what is done inside the model is noted in the decision."""
    machine = row.machine
    if machine.segment == 0 and machine.thought_count < len(row.parallel_thoughts):
        return row.parallel_thoughts[machine.thought_count]
    intervention = row.plan.edits.get(machine.thought_count + 1) if machine.segment == 0 else None
    if intervention is None:
        return state
    changed = intervention(state)
    if intervention.inside:
        check_fits(model, intervention, int(context.mask[index].sum()))
        decision.interventions[index] = intervention
    return changed
