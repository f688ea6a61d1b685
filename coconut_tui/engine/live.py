"""Runs that are held in memory: a Session each, with a record of every step; as many as there is room for."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import Intervention, Plan
from coconut_core.latent.readout import Readout
from coconut_core.records.trace import StepRecord
from coconut_core.runs.machine import Mode, Move
from coconut_core.runs.recording import record_step
from coconut_core.runs.session import Session
from coconut_core.runs.steps import Step
from coconut_tui.run.branches import MARKER, PROMPT, THOUGHT, WORD, Decisions
from coconut_tui.run.state import RECORDED_TOKENS

LETTERS = {"thought": THOUGHT, "marker": MARKER, "token": WORD}
_MOVES = {Move.THINK: THOUGHT, Move.END_THINKING: MARKER, Move.SPEAK: WORD}

Stop = Callable[[], bool]  # whether to end as soon as possible
ThoughtPlace = tuple[int, int]  # latent segment (from 0) and number of the thought in it (from 1)


class Interrupted(Exception):  # noqa: N818  (it is no error)
    """What was going on was to end."""


def stopping(stop: Stop) -> Callable[[], None]:
    """What raises Interrupted as soon as there is to be an end."""

    def check() -> None:
        if stop():
            raise Interrupted

    return check


def with_fresh_readout(model: CoconutModel, step: Step) -> Step:
    """The step with a readout of its own: what is read from it is not kept, as large as the vocabulary."""
    return replace(step, readout=Readout(model, step.hidden))


@dataclass(frozen=True, eq=False)
class Ahead:
    """A step that has been taken in a fork before anybody asked for it."""

    move: str
    session: Session
    record: StepRecord


class LiveRun:
    """A Session that takes decisions. Everything that changes it goes through here."""

    def __init__(self, session: Session, planned: int | None, watched: dict[str, int]) -> None:
        """planned: the number of thoughts asked for; watched: names and token ids whose probability is kept."""
        self.session = session
        self.planned = planned
        self.edits: Mapping[ThoughtPlace, Intervention] = {}
        self._watched = watched
        self._records: list[StepRecord] = []
        self._ahead: Ahead | None = None
        self._measured: tuple[tuple[Session, Ahead | None, int], dict[int, int]] | None = None

    def copy(self) -> "LiveRun":
        """An independent run at the same point."""
        twin = LiveRun(self.session.fork(), self.planned, self._watched)
        twin.edits, twin._records = self.edits, list(self._records)
        return twin

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def moves(self) -> str:
        """The kind of each step, as in Decisions."""
        return "".join(LETTERS[step.kind] for step in self.session.steps)

    @property
    def thinking(self) -> bool:
        """Whether a thought can be taken next."""
        return self.session.may_think

    @property
    def at_a_word(self) -> bool:
        """Whether a word comes next, or nothing."""
        return self.session.next_move in (Move.SPEAK, Move.NOTHING)

    def records(self) -> tuple[StepRecord, ...]:
        """What each step showed."""
        for number in range(len(self._records), len(self.session.steps)):
            self._records.append(self._record(self.session, number))
        return tuple(self._records)

    def storages(self) -> Mapping[int, int]:
        """The memory that it takes: bytes by address. What it shares with other runs has the same address."""
        as_it_is = self.session, self._ahead, len(self.session.steps)
        if self._measured is None or self._measured[0] != as_it_is:
            states = {step.state.data_ptr(): step.state.nbytes for step in self.session.steps}
            ahead = {} if self._ahead is None else self._ahead.session.storages()
            self._measured = as_it_is, self.session.storages() | states | ahead
        return self._measured[1]

    # -- changing ------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Take the next step, whatever it is; False where the run is over."""
        move = _MOVES.get(self.session.next_move)
        if move is not None:
            self.take(move)
        return move is not None

    def take(self, move: str) -> None:
        """Take a step of a kind. Raises CoconutError where it cannot be taken."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.move != move:
            self._take(self.session, move)
            return
        self.records()
        self.session = ahead.session
        self._records.append(ahead.record)

    def end_thinking(self) -> None:
        """Take all that stands behind the thoughts; where nothing does, say a word, which ends thinking too."""
        self.take(MARKER)
        while self.session.mode is Mode.THINKING and not self.thinking:
            self.take(MARKER)

    def look_ahead(self) -> None:
        """Take the step that step() would take, in a fork, so that it has it at once. Nothing of it shows."""
        move = _MOVES.get(self.session.next_move)
        if move is None or self._ahead is not None:
            return
        session = self.session.fork()
        self._take(session, move)
        self._ahead = Ahead(move, session, self._record(session, len(session.steps) - 1))

    def rewind(self, position: int) -> None:
        """Go back to where only so many steps had been taken."""
        self._ahead = None
        self.session.rewind(position)
        del self._records[position:]

    def reach(self, decisions: Decisions, edits: Mapping[ThoughtPlace, Intervention]) -> None:
        """Become the run of these decisions; edits are theirs, looked up. What both have in common stays."""
        if decisions.thoughts != self.planned:
            if decisions.thoughts is None:
                raise CoconutError("the rule by which a checkpoint ends thinking needs a new run")
            self.rewind(0)
            self.session.apply(Plan(thoughts=decisions.thoughts))
            self.planned = decisions.thoughts
        if edits.get(PROMPT) is not self.session.in_prompt:
            self.rewind(0)
            self.session.edit_prompt(edits.get(PROMPT))
        self.rewind(self._shared(decisions.moves, edits))
        self.session.clear_edits()
        self.edits = edits  # rewind has forgotten what was looked ahead with others
        for move in decisions.moves[len(self.session.steps) :]:
            self.take(move)

    def go_on_like(self, rest: str, natural: bool, finished: bool, stop: Stop) -> None:
        """Take steps like those of another run: its thoughts, the end of thinking, then as many words.

        natural: it decides itself how many thoughts there are; finished: it goes on to its end.
        """
        thoughts = len(rest) - len(rest.lstrip(THOUGHT))
        for _ in range(thoughts):
            if stop() or not self.thinking or (natural and not self._wants_to_think):
                break
            self.take(THOUGHT)
        after = rest[thoughts:]
        if not after:
            return
        while natural and self._wants_to_think and not stop():
            self.take(THOUGHT)
        words = len(after.lstrip(MARKER))
        for _ in range(len(after) - words):
            if not stop() and self.session.mode is Mode.THINKING:
                self.take(MARKER)
        if words and not stop() and self.session.may_speak:  # which may be what ends thinking
            self.take(WORD)
            words -= 1
        while (finished or words > 0) and not stop() and self.step():
            words -= 1

    def go_to_the_end(self, stop: Stop) -> None:
        """Take all steps that are left."""
        while not stop() and self.step():
            pass

    def _take(self, session: Session, move: str) -> None:
        if move == THOUGHT:
            session.think(self.edits.get(_next_thought(session)) if session.may_think else None)
        elif move == MARKER:
            session.end_thinking()
        else:
            session.speak()

    def _record(self, session: Session, number: int) -> StepRecord:
        earlier = reversed(session.steps[:number])
        before = next((step for step in earlier if step.kind == "thought"), None)
        record = record_step(session.steps[number], before, self._watched, RECORDED_TOKENS)
        session.steps[number].readout.forget()
        return record

    @property
    def _wants_to_think(self) -> bool:
        return self.session.next_move is Move.THINK

    def _shared(self, moves: str, edits: Mapping[ThoughtPlace, Intervention]) -> int:
        for position, (step, move) in enumerate(zip(self.session.steps, moves, strict=False)):
            if LETTERS[step.kind] != move:
                return position
            if step.kind == "thought" and step.edit != edits.get((step.segment, step.index)):
                return position
        return min(len(self.session.steps), len(moves))


def _next_thought(session: Session) -> ThoughtPlace:
    if not session.steps:
        return 0, 1
    last = session.steps[-1]
    return (last.segment, last.index + 1) if last.kind == "thought" else (last.segment + 1, 1)


class LiveRuns:
    """The runs of the branches used last, by the number of their branch."""

    def __init__(self, limit: int) -> None:
        """limit: bytes that they may take together."""
        self.limit = limit
        self._runs: OrderedDict[int, LiveRun] = OrderedDict()

    def get(self, number: int) -> LiveRun | None:
        """The run of a branch, where it is held; it counts as used."""
        if number in self._runs:
            self._runs.move_to_end(number)
        return self._runs.get(number)

    def put(self, number: int, run: LiveRun) -> None:
        """Hold the run of a branch."""
        self._runs[number] = run
        self._runs.move_to_end(number)

    def drop(self, number: int) -> None:
        """Forget the run of a branch."""
        self._runs.pop(number, None)

    def clear(self) -> None:
        """Forget all runs."""
        self._runs.clear()

    def make_room(self, current: int) -> None:
        """Forget those not used for longest until the rest fits; the current branch's stays in any case."""
        for number in list(self._runs):
            if self.used <= self.limit:
                break
            if number != current:
                del self._runs[number]

    @property
    def used(self) -> int:
        """Bytes that the runs take; what forks share counts once."""
        storages: dict[int, int] = {}
        for run in self._runs.values():
            storages.update(run.storages())
        return sum(storages.values())

    @property
    def numbers(self) -> frozenset[int]:
        """The branches that are held."""
        return frozenset(self._runs)
