"""Session: one reasoning run as a state machine that can be stepped, rewound, forked and edited.

A step reads a hidden state and feeds something: a continuous thought feeds the state itself, a spoken
token or a marker feeds a word. So every step has a readout, the distribution that the state would say.
Thought k is the vector fed at the k-th latent position; the readout of thought 1 is the one at <bot>.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from math import inf
from typing import Any

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.common.reprs import brief
from coconut_core.common.seeds import new_generator
from coconut_core.common.text_stream import spoken_text
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.model import LatentModel
from coconut_core.latent.parallel import find_thoughts
from coconut_core.latent.readout import Readout, ordinary
from coconut_core.problems.base import Problem
from coconut_core.records.stopping import END
from coconut_core.records.trace import Trace
from coconut_core.runs.decoding import check_temperature, pick_token
from coconut_core.runs.edits import Edit, Intervention
from coconut_core.runs.halting import BY_HAND, Ending, StopRule, choose_ending, next_step
from coconut_core.runs.inside import acting, check_fits, check_in_prompt
from coconut_core.runs.machine import Machine, Mode, Move
from coconut_core.runs.passes import ParallelThoughts, allow_edit, changing, choose_passes
from coconut_core.runs.plan import Plan
from coconut_core.runs.recording import trace_session
from coconut_core.runs.rows import new_machine
from coconut_core.runs.steps import Kind, Step, check_run, new_step, read_again


class Session:
    """A run over one question. After any sequence of calls the numbers equal those of a fresh run that
    takes the same decisions: positions are taken back by cropping the cache, which is exact, or where it cannot
    be cropped by reading again what was fed."""

    def __init__(
        self,
        model: LatentModel,
        question: str,
        thoughts: int | None = None,
        *,
        temperature: float = 0.0,
        seed: int = 0,
        max_new_tokens: int = 64,
        stop: StopRule | None = None,
        passes: int | None = None,
        problem: Problem | None = None,
    ) -> None:
        """Read the prompt. Thinking ends as the checkpoint says; thoughts asks for exactly so many in each
        latent segment, stop for a rule that may end it before them. passes: in how many parallel passes the
        thoughts of the first segment are found, see coconut_core.latent.parallel; 0: one after the other.
        problem: what is known of the question, for its traces.

        Raises CoconutError for an unusable question or setting.
        """
        self.model = model
        self.question, self.problem = question, problem
        self.ending = choose_ending(model, thoughts, stop)
        self.passes = choose_passes(model, passes, self.ending)
        self.temperature = check_temperature(temperature)
        self.seed, self.max_new_tokens = seed, max_new_tokens
        self.prompt_ids = model.encode_prompt(question)
        self.steps: list[Step] = []
        self._machine = new_machine(model)
        self._machines: list[Machine] = []  # the machine before each step, to go back to
        self._generators: list[Tensor] = []  # the sampler's state before each step, likewise
        self._generator = new_generator(seed)
        self._edits: dict[tuple[int, int], Intervention] = {}
        self.in_prompt: Intervention | None = None  # what was done while the prompt was read; see edit_prompt
        self._parallel: ParallelThoughts | None = None  # None before any pass was made
        self._next: tuple[Tensor, Readout] | None = None  # the context's last states, and their readout
        self._context: Context = read_again(model, self.prompt_ids, [])

    # -- looking -------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        readouts = " · ".join(step.readout.likeliest(1) for step in self.thought_steps())
        thoughts = f"thoughts {brief(self.thought_vectors)}" + (f": {readouts}" if readouts else "")
        return f"Session({brief(self.question)}, {self.mode}, {thoughts}, says {brief(self.text)})"

    def _repr_html_(self) -> str:
        """What a notebook draws: the trace so far."""
        return self.trace(4)._repr_html_()

    @property
    def thoughts(self) -> int:
        """Number of thoughts in a latent segment; the largest number where a rule may end it earlier."""
        return self.ending.thoughts

    @property
    def mode(self) -> Mode:
        """Thinking, speaking or finished."""
        return self._machine.mode

    @property
    def may_think(self) -> bool:
        """Whether a thought can be taken next, planned or not."""
        return self._machine.may_think

    @property
    def may_speak(self) -> bool:
        """Whether a word can be said next; where nothing stands behind the thoughts, also in place of one."""
        return self._machine.may_speak

    @property
    def next_readout(self) -> Readout:
        """Readout of the state that the next step will use."""
        goes_on = self.may_think and self._machine.thought_count < self.thoughts
        thought = self._parallel_thought(self._edits) if goes_on else None
        return self._readout if thought is None else Readout(self.model, ordinary(thought))

    @property
    def next_move(self) -> Move:
        """What step() will do."""
        return Move.NOTHING if self.over else self._next_step()[0]

    @property
    def stopped_by(self) -> str | None:
        """Why it is over: "end" (of text), "words" (max_new_tokens) or the model's "context"; else None."""
        return self._machine.stopped_by or self._machine.limit(self.max_new_tokens, self._room)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.stopped_by is not None

    @property
    def finished(self) -> bool:
        """Whether the end of text was said."""
        return self.stopped_by == END

    def storages(self) -> dict[int, int]:
        """The memory behind its cache, see Context.storages: what forks share has the same address."""
        return self._context.storages()

    def thought_steps(self) -> list[Step]:
        """The thoughts taken so far."""
        return [step for step in self.steps if step.kind == "thought"]

    @property
    def thought_vectors(self) -> Tensor:
        """The thoughts taken so far as they were fed, (thoughts, hidden); may take part in a gradient."""
        fed = [step.hidden for step in self.thought_steps()]
        return ordinary(torch.stack(fed) if fed else self._context.hidden[:0])

    @property
    def text(self) -> str:
        """What was said so far, without markers."""
        ids = [step.token_id for step in self.steps if step.kind == "token" and step.token_id is not None]
        return spoken_text(self.model.tokenizer, ids)

    # -- going on ------------------------------------------------------------------------------------------

    def step(self) -> Step | None:
        """Take the next step, whatever it is; None where the run is over."""
        move = self.next_move
        if move is Move.THINK:
            return self.think()
        if move is Move.END_THINKING:
            return self.end_thinking()
        return self.speak() if move is Move.SPEAK else None

    @torch.inference_mode()
    def think(self, edit: Edit | None = None) -> Step:
        """Feed one continuous thought, changed by edit if given. May exceed the planned number of thoughts."""
        if not self.may_think:
            raise CoconutError("the model is not thinking now: rewind to where it was to think again")
        key = (self._machine.segment, self._machine.thought_count + 1)
        edit = self._edits.get(key) if edit is None else allow_edit(self.model, edit, self.passes)
        readout = self._readout
        state = readout.hidden
        hidden = state if edit is None else edit(state)  # an edit that does not fit is refused here
        self._check_room()
        thought = self._parallel_thought(self._edits if edit is None else {**self._edits, key: edit})
        hidden = hidden if thought is None else thought
        readout = readout if hidden is state else Readout(self.model, ordinary(hidden))
        with acting(self.model, self._context, {} if edit is None else {0: edit}) as visible:
            self._before_step()
            self.model.latent_step(self._context, hidden[None], visible=visible)
        if edit is not None:
            self._edits[key] = edit
        self._machine.after_thought()
        return self._record("thought", readout, state=state, edit=edit)

    def end_thinking(self) -> Step:
        """Feed <eot>, or the next token of a text in its place, whether or not the planned thoughts have been
        taken. Where nothing stands behind the thoughts, the first word is said."""
        if self.mode is not Mode.THINKING:
            raise CoconutError("the model is not thinking now, so there is no thinking to end")
        if not self._machine.behind:
            return self.speak()
        self._check_room()
        self._before_step()
        return self._feed_token("marker", self._machine.closing_token, self._why_ended())

    def speak(self, token: int | None = None) -> Step:
        """Say one word: the given token, or the one that greedy or sampled decoding picks."""
        if not self.may_speak:
            raise CoconutError(f"the model is {self.mode}: end thinking or rewind before it can speak")
        vocabulary = self.model.base_lm.get_input_embeddings().weight.shape[0]
        if token is not None and not 0 <= token < vocabulary:
            raise CoconutError(f"token {token} is outside the vocabulary of {vocabulary} tokens")
        logits = self._readout.logits if token is None else None
        check_run(self.model, self._context.hidden, self.steps)
        self._check_room()
        self._before_step()
        if logits is not None:
            token = pick_token(logits, self.model.config.latent_id, self.temperature, self._generator)
        assert token is not None
        return self._feed_token("token", token, self._why_ended())

    def finish_thinking(self) -> None:
        """Take all steps in front of the first word."""
        while self.next_move in (Move.THINK, Move.END_THINKING):
            self.step()

    def finish(self) -> str:
        """Run to the end and return what was said."""
        while self.step() is not None:
            pass
        return self.text

    # -- going back, branching, changing -------------------------------------------------------------------

    def rewind(self, position: int) -> None:
        """Go back to where only the first `position` steps had been taken (0: just after the prompt)."""
        if not 0 <= position <= len(self.steps):
            raise CoconutError(f"cannot rewind to step {position}: the run has {len(self.steps)} steps")
        if not (taken_back := len(self.steps) - position):
            return
        if self._context.croppable:
            self._context.take_back(taken_back, self.steps[position].state[None])
        else:
            self._context = read_again(self.model, self.prompt_ids, self.steps[:position], self.in_prompt)
        self._machine = replace(self._machines[position])
        self._generator.set_state(self._generators[position])
        del self.steps[position:], self._machines[position:], self._generators[position:]

    def fork(self, seed: int | None = None) -> "Session":
        """An independent copy at the same point, nothing that can change is shared; seed: its own from here."""
        twin = copy.copy(self)
        twin._context = self._context.copy()
        twin.steps, twin._edits = list(self.steps), dict(self._edits)
        twin._machine = replace(self._machine)
        twin._machines, twin._generators = list(self._machines), list(self._generators)
        twin.seed = self.seed if seed is None else seed
        twin._generator = self._generator.clone_state() if seed is None else new_generator(seed)
        return twin

    def edit(self, thought: int, intervention: Edit | None, segment: int = 0) -> None:
        """Change thought number `thought` (from 1) by an intervention, a function (hidden,) to (hidden,)
        or a vector (hidden,), or with None take an earlier change back.

        What followed is computed again from there, up to the same number of thoughts; words said after
        them are taken back, since they may now differ.
        """
        key = ("thought", segment, thought)
        fed = [(step.kind, step.segment, step.index) for step in self.steps]
        place = fed.index(key) if key in fed else None
        if place is None:
            raise CoconutError(f"thought {thought} has not been taken yet: step to it before editing it")
        if intervention is not None:
            # One that does not fit is refused before anything changes.
            intervention = allow_edit(self.model, intervention, self.passes)
            intervention(self.steps[place].state)
            check_fits(self.model, intervention, len(self.prompt_ids) + place)
        again = sum(step.kind == "thought" and step.segment == segment for step in self.steps[place:])
        self.rewind(place)
        if intervention is None:
            self._edits.pop((segment, thought), None)
        else:
            self._edits[segment, thought] = intervention
        for _ in range(again):
            self.think()

    def edit_prompt(self, intervention: Intervention | None) -> None:
        """Read the prompt again with an intervention, or with None as it is; all steps are taken back. Raises
        CoconutError for one that cannot be done in a prompt."""
        if intervention is not None:
            check_in_prompt(self.model, intervention, len(self.prompt_ids))
        context = read_again(self.model, self.prompt_ids, [], intervention)
        self.rewind(0)
        self._context, self.in_prompt, self._parallel = context, intervention, None

    def apply(self, plan: Plan) -> None:
        """Do a plan to the first latent segment: go back to before the first thought that it touches, or to the
        question where it changes their number or the prompt; steps from there on follow it."""
        if not isinstance(plan, Plan):
            raise CoconutError(f"apply takes a Plan: write model.start(question, do={brief(plan)})")
        for intervention in plan.at_thoughts.values():
            allow_edit(self.model, intervention, self.passes)
        if plan.prompt is not None:
            self.edit_prompt(plan.prompt)
        unchanged = takewhile(lambda step: step.kind == "thought" and step.index not in plan.edits, self.steps)
        self.rewind(0 if plan.thoughts is not None else sum(1 for _ in unchanged))
        if plan.thoughts is not None:
            self.ending = Ending(plan.thoughts)
        self._edits |= {(0, number): intervention for number, intervention in plan.at_thoughts.items()}

    def clear_edits(self) -> None:
        """Forget edits of thoughts that have not been taken yet (those taken keep theirs)."""
        keys = {(step.segment, step.index) for step in self.thought_steps()}
        self._edits = {key: edit for key, edit in self._edits.items() if key in keys}

    def trace(self, top_k: int = 10) -> Trace:
        """Everything seen in this run, as plain data."""
        return trace_session(self, top_k, self.problem)

    # -- inside --------------------------------------------------------------------------------------------

    @property
    def _room(self) -> float:
        """Positions of the model's context that are left."""
        limit = self.model.max_positions
        return inf if limit is None else limit - self._context.length

    def _next_step(self) -> tuple[Move, str | None]:
        """What comes next, and why thinking ends with it, where it does."""
        return next_step(self._machine, self.ending, self._look_back)

    def _look_back(self) -> list[Readout]:
        """Readouts of this latent segment's states, that of the next thought last."""
        thoughts = self.steps[len(self.steps) - self._machine.thought_count :]  # which are its last steps
        return [*(step.readout for step in thoughts), self.next_readout]

    def _why_ended(self) -> str | None:
        """Why thinking ends with the next step, which is no thought; None where it has ended before."""
        return (self._next_step()[1] or BY_HAND) if self.may_think else None

    @torch.inference_mode()
    def _parallel_thought(self, edits: Mapping[tuple[int, int], Intervention]) -> Tensor | None:
        """The next thought as parallel passes found it with these edits, (hidden,); None where
        no passes are to find it."""
        machine, limit = self._machine, self.model.max_positions
        count = max(self.thoughts, machine.thought_count + 1)
        count = count if limit is None else min(count, limit - len(self.prompt_ids))
        if not self.passes or machine.segment or machine.thought_count >= count:
            return None
        by_number = {number: edit for (segment, number), edit in edits.items() if segment == 0}
        parallel = self._parallel
        if parallel is None or parallel.edits != by_number or parallel.thoughts.shape[0] < count:
            context = self._context.copy()
            if self.steps:
                context.take_back(len(self.steps), self.steps[0].state[None])
            fed, _ = find_thoughts(self.model, context, count, self.passes, change=changing([by_number]))
            self._parallel = parallel = ParallelThoughts(by_number, fed[0])
        return parallel.thoughts[machine.thought_count]

    def _check_room(self) -> None:
        if self._room <= 0:
            raise CoconutError(
                f"the model's context of {self.model.max_positions} positions is full: rewind to go on"
            )

    def _before_step(self) -> None:
        """Keep what is needed to go back to here."""
        if len(self._machines) > len(self.steps):  # the last attempt at this step broke off
            self._machines.pop()
            self._generator.set_state(self._generators.pop())
        self._machines.append(replace(self._machine))
        self._generators.append(self._generator.get_state())

    @property
    def _readout(self) -> Readout:
        """Readout of the context's last state, the same as long as that is."""
        hidden = self._context.hidden
        if self._next is None or self._next[0] is not hidden:
            with torch.inference_mode():
                self._next = hidden, Readout(self.model, ordinary(hidden[0]))
        return self._next[1]

    @torch.inference_mode()
    def _feed_token(self, kind: Kind, token: int, ended: str | None = None) -> Step:
        readout = self._readout
        self.model.feed(self._context, self.model.embed(torch.tensor([[token]], device=self.model.device)))
        if kind == "token":
            self._machine.after_word(token)
        else:
            self._machine.after_closing()
        return self._record(kind, readout, token=token, ended=ended)

    def _record(self, kind: Kind, readout: Readout, **entries: Any) -> Step:
        """Keep the step that was just taken; entries are those of new_step."""
        step = new_step(self.model, self._machines[-1], kind, readout, **entries)
        self.steps.append(step)
        window = max(1, self.ending.window)  # no rule looks back farther
        if len(self.steps) > window:
            self.steps[-1 - window].readout.forget()
        return step
