"""Many runs side by side: the latent loop in batches, without a Session's bookkeeping.

Rows of a batch share a cache and nothing else: each has its own number of thoughts, interventions and words.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import inf
from typing import Literal

import torch
from torch import Tensor

from coconut_core.decoding import pick_token
from coconut_core.halting import Ending
from coconut_core.interventions.edits import Intervention
from coconut_core.interventions.inside import acting
from coconut_core.interventions.plan import Plan
from coconut_core.layers import Seen, watching
from coconut_core.machine import Machine, Mode, Move
from coconut_core.model import CoconutModel, Context
from coconut_core.readout import Readout

Keep = Literal["nothing", "thoughts", "inside"]  # what a row records of its thoughts


@dataclass(frozen=True)
class Recording:
    """What a run thought in its first latent segment: the vectors fed, as they were fed, and where it was asked
    for what the layers and heads put out while each was read."""

    thoughts: Tensor  # (count, hidden)
    layers: Tensor | None = None  # (count, layers, hidden), see coconut_core.layers.Seen
    heads: Tensor | None = None  # (count, layers, heads, head size)


@dataclass
class Row:
    """One run. `plan` is done to the thoughts of its first latent segment."""

    machine: Machine
    ending: Ending
    generator: torch.Generator
    forced: deque[int] = field(default_factory=deque)  # words to be said first
    room: float = inf  # positions of the model's context that are left
    plan: Plan = field(default_factory=Plan)
    token_ids: list[int] = field(default_factory=list)  # words said, end of text included, markers not
    ended: list[str] = field(default_factory=list)  # why thinking ended, once a segment
    taken: int = 0  # thoughts, in all segments
    recent: list[Readout] = field(default_factory=list)  # of the latent segment, as many as its end depends on
    thoughts: list[Tensor] = field(default_factory=list)  # (hidden,) each, where they are kept
    seen: list[Seen] = field(default_factory=list)  # of this row alone, (1, …), where it is kept

    def recording(self) -> Recording:
        """What was kept of its thoughts."""
        if not self.thoughts:
            return Recording(torch.zeros(0, 0))
        layers = torch.cat([each.layers for each in self.seen]) if self.seen else None
        heads = torch.cat([each.heads for each in self.seen]) if self.seen else None
        return Recording(torch.stack(self.thoughts), layers, heads)


@dataclass
class _Decision:
    """What the rows are fed next."""

    tokens: list[int] = field(default_factory=list)
    thinking: list[bool] = field(default_factory=list)  # whether a thought is fed, not the token
    counts: list[int] = field(default_factory=list)  # 0 for a row that is over
    thoughts: list[Tensor] = field(default_factory=list)  # (hidden,) each
    interventions: dict[int, Intervention] = field(default_factory=dict)  # by row, where there is one


class _RowReadout(Readout):
    """The readout of one row of a batch; the first to be asked computes the logits of all rows."""

    def __init__(self, model: CoconutModel, hidden: Tensor, row: int, together: Callable[[], Tensor]) -> None:
        super().__init__(model, hidden)
        self._row, self._together = row, together

    @cached_property
    def logits(self) -> Tensor:
        """(vocabulary,), float32."""
        return self._together()[self._row]


def new_row(
    model: CoconutModel,
    prompt_length: int,
    ending: Ending,
    *,
    plan: Plan | None = None,
    forced: Sequence[int] = (),
    seed: int = 0,
) -> Row:
    """A run that has read its prompt. A plan that says how many thoughts are taken overrules the ending."""
    plan = Plan() if plan is None else plan
    ending = ending if plan.thoughts is None else Ending(plan.thoughts)
    room = inf if model.max_positions is None else model.max_positions - prompt_length
    generator = torch.Generator().manual_seed(seed)
    return Row(new_machine(model, ending.thoughts), ending, generator, deque(forced), room, plan)


def new_machine(model: CoconutModel, thoughts: int) -> Machine:
    """The state machine of a run that has read its prompt."""
    return Machine(model.config.bot_id, model.config.eot_id, model.eos_ids, thoughts)


@torch.inference_mode()
def read_prompts(model: CoconutModel, prompts: Sequence[Sequence[int]]) -> Context:
    """A context that has read prompts of any lengths, a row each."""
    width = max(map(len, prompts))
    pad = model.config.eot_id  # masked out, so any id will do
    ids = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return model.start_context(torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device))


@torch.inference_mode()
def repeated(context: Context, rows: Sequence[int]) -> Context:
    """A context of its own whose rows are these rows of another, each as often as it is named."""
    chosen = torch.tensor(rows, device=context.mask.device)
    cache = deepcopy(context.cache)
    cache.batch_select_indices(chosen)
    return Context(cache, context.mask[chosen], context.hidden[chosen])


@torch.inference_mode()
def run_rows(
    model: CoconutModel,
    context: Context,
    rows: Sequence[Row],
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    keep: Keep = "nothing",
    speak: bool = True,
) -> None:
    """Run all rows to their ends; their entries tell what came of them. The context is used up.

    Without speak a run ends once its first latent segment has.
    """
    with watching(model) if keep == "inside" else nullcontext() as watch:
        passes = [] if watch is None else watch.passes
        _run(model, context, list(rows), max_new_tokens, temperature, keep, speak, passes)


def _run(
    model: CoconutModel,
    context: Context,
    rows: list[Row],
    max_new_tokens: int,
    temperature: float,
    keep: Keep,
    speak: bool,
    passes: list[Seen],
) -> None:
    while True:
        for row in rows:
            silenced = not speak and row.machine.mode is Mode.SPEAKING
            if row.room <= 0 or len(row.token_ids) >= max_new_tokens or silenced:
                row.machine.finish()
        going_on = [index for index, row in enumerate(rows) if row.machine.mode is not Mode.FINISHED]
        if not going_on:
            break
        if 2 * len(going_on) <= len(rows):  # copying the cache pays once half of it is of no use
            _keep_rows(context, going_on)
            rows = [rows[index] for index in going_on]
        decision = _decide(model, context.hidden, rows, temperature)
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
        if keep != "nothing":
            _keep_thoughts(rows, decision, passes.pop() if passes else None)


def _keep_rows(context: Context, rows: list[int]) -> None:
    """Drop all other rows of the batch from the context; columns stay, padding included."""
    chosen = torch.tensor(rows, device=context.mask.device)
    context.cache.batch_select_indices(chosen)
    context.mask, context.hidden = context.mask[chosen], context.hidden[chosen]


def _keep_thoughts(rows: list[Row], decision: _Decision, seen: Seen | None) -> None:
    for number, (row, thinking) in enumerate(zip(rows, decision.thinking, strict=True)):
        if thinking and row.machine.segment == 0:
            row.thoughts.append(decision.thoughts[number])
            if seen is not None:
                row.seen.append(Seen(seen.layers[number, None], seen.heads[number, None]))


def _decide(model: CoconutModel, hidden: Tensor, rows: list[Row], temperature: float) -> _Decision:
    """What each row is fed next, its interventions done."""
    together = cache(lambda: model.logits(hidden).float().cpu())
    decision = _Decision()
    for index, (row, state) in enumerate(zip(rows, hidden.unbind(), strict=True)):
        machine = row.machine
        readout = _RowReadout(model, state, index, together)
        reason = _reason_to_end(row, readout) if machine.mode is Mode.THINKING else None
        token, move = model.config.eot_id, machine.next_move(reason is not None)
        if move is Move.THINK:
            state = _intervene(row, state, index, decision)
            machine.after_thought()
            row.taken += 1
        elif move is Move.END_THINKING:
            assert reason is not None  # as there is no other way for thinking to end
            row.ended.append(reason)
            row.recent = []
            machine.after_token(token)
        elif move is Move.SPEAK:
            if row.forced:
                token = row.forced.popleft()
            else:
                token = pick_token(readout.logits, model.config.latent_id, temperature, row.generator)
            row.token_ids.append(token)
            machine.after_token(token)
        decision.tokens.append(token)
        decision.thinking.append(move is Move.THINK)
        decision.counts.append(int(move is not Move.NOTHING))
        decision.thoughts.append(state)
    return decision


def _intervene(row: Row, state: Tensor, index: int, decision: _Decision) -> Tensor:
    """The thought to feed, (hidden,); what is done inside the model is noted in the decision."""
    machine = row.machine
    intervention = row.plan.edits.get(machine.taken + 1) if machine.segment == 0 else None
    if intervention is None:
        return state
    if intervention.inside:
        decision.interventions[index] = intervention
    return intervention(state)


def _reason_to_end(row: Row, readout: Readout) -> str | None:
    """Why thinking ends in the state of a row that is thinking; None where it goes on."""
    if row.ending.window:
        row.recent = [*row.recent, readout][-row.ending.window :]
    return row.ending.reason(row.recent, row.machine.taken)
