"""One ask under way: its row of the batch, and what is seen of it."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from coconut_core.common.errors import CoconutError, describe_error
from coconut_core.common.text_stream import TextStream, spoken_text
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import bind, read_commands
from coconut_core.latent.model import LatentModel
from coconut_core.problems import Problem, recognise
from coconut_core.records.answer_record import answer_record
from coconut_core.records.answers import final_answer
from coconut_core.records.trace import StepRecord, Trace
from coconut_core.records.untrained import untrained_usage
from coconut_core.runs.halting import EntropyRule, choose_ending
from coconut_core.runs.inside import check_fits
from coconut_core.runs.machine import Machine, Mode
from coconut_core.runs.passes import allow_edit, choose_passes
from coconut_core.runs.plan import Plan
from coconut_core.runs.recording import record_step, run_settings, watched_tokens
from coconut_core.runs.rows import Decision, Row, new_row
from coconut_core.runs.steps import KINDS, Step, new_step
from coconut_core.server.asks import Ask


@dataclass(frozen=True)
class Limits:
    """What one ask may take."""

    question: int  # tokens
    steps: int = 2048  # thoughts, and words
    interventions: int = 32
    seconds: float = 15.0  # of the model's time, before its run begins: for what its interventions refer to


@dataclass
class Run:
    """One row. It keeps a record of its steps with `top` tokens in each; with 0 only its words count."""

    model: LatentModel
    row: Row
    prompt_ids: list[int]
    top: int
    watched: dict[str, int] = field(default_factory=dict)
    records: list[StepRecord] = field(default_factory=list)
    before: Step | None = None  # the last thought
    spoken: TextStream = field(init=False)

    def __post_init__(self) -> None:
        self.spoken = TextStream(self.model.tokenizer)

    @property
    def over(self) -> bool:
        return self.row.machine.mode is Mode.FINISHED

    @property
    def text(self) -> str:
        """What was said, without markers."""
        return spoken_text(self.model.tokenizer, self.row.token_ids)

    def note(self, decision: Decision, number: int, before: Machine) -> tuple[StepRecord, str]:
        """Record the step that its row, of this number, has taken; before is its machine before that. Also what
        the step adds to the text: all of it, one behind the other, is the text."""
        kind, readout = KINDS[decision.moves[number]], decision.readouts[number]
        token = None if kind == "thought" else decision.tokens[number]
        planned = kind == "thought" and before.segment == 0
        edit = self.row.plan.edits.get(before.thought_count + 1) if planned else None
        step = new_step(self.model, before, kind, readout, token=token, edit=edit, ended=decision.ended[number])
        record = record_step(step, self.before, self.watched, self.top)
        self.records.append(record)
        self.before = step if kind == "thought" else self.before
        added = self.spoken.add(token) if kind == "token" and token is not None else ""
        return record, added + (self.spoken.rest() if self.over else "")


@dataclass(eq=False)
class Job:
    """An ask for one answer, and that answer once there is one. Cancelling it takes its rows out of the batch.

    on_step is called with each step, and what it adds to the text.
    """

    ask: Ask
    on_step: Callable[[StepRecord, str], None] | None = None
    answer: Future[dict[str, Any]] = field(default_factory=Future)
    arrived: float = field(default_factory=monotonic)
    began: float = 0.0
    problem: Problem | None = None
    passes: int = 0
    done: str = ""  # what is done to the thoughts, in words
    runs: list[Run] = field(default_factory=list)  # its own, and where something is done, one without

    @property
    def rows(self) -> int:
        """How many rows it takes up."""
        return 2 if self.ask.do else 1

    @property
    def error(self) -> Exception | None:
        """What went wrong in one of its rows."""
        return next((run.row.error for run in self.runs if run.row.error is not None), None)

    def prepare(self, model: LatentModel, limits: Limits) -> None:
        """Make its runs. Raises CoconutError for what the model cannot be asked, and TooLongError."""
        ask, self.began = self.ask, monotonic()
        for name, number in (("thoughts", ask.thoughts), ("max_new_tokens", ask.max_new_tokens)):
            if number is not None and number > limits.steps:
                raise CoconutError(
                    f'"{name}" is {number}, this server takes at most {limits.steps}: ask for fewer'
                )
        rule = None if ask.until_entropy is None else EntropyRule(ask.until_entropy, ask.entropy_steps)
        ending = choose_ending(model, ask.thoughts, rule)
        self.passes = choose_passes(model, None, ending)
        prompt = model.encode_prompt(ask.question, ask.system)
        if len(prompt) > limits.question:
            raise TooLongError(
                f"the question has {len(prompt)} tokens, the server reads at most {limits.question}: shorten it"
            )
        _check_room(model, ask.thoughts, len(prompt))
        self.problem = recognise(ask.question)
        plans = [Plan()]
        if ask.do:
            sources = Sources(
                model, ask.question, self.problem, None, ending.thoughts, ask.seed, self._interrupt(limits)
            )
            plans.insert(0, self._plan(sources, len(prompt), limits))
        for number, plan in enumerate(plans):
            row = new_row(
                model,
                len(prompt),
                ending,
                plan=plan,
                max_new_tokens=ask.max_new_tokens,
                temperature=ask.temperature,
                seed=ask.seed,
            )
            self.runs.append(Run(model, row, prompt, ask.top if number == 0 else 0))
        if ask.trace:
            self.runs[0].watched = watched_tokens(self.runs[0], self.problem)

    def _interrupt(self, limits: Limits) -> Callable[[], None]:
        """What ends the work on its interventions once nobody waits for it, or it has taken too long."""
        until = monotonic() + limits.seconds

        def interrupt() -> None:
            if self.answer.cancelled() or monotonic() > until:
                raise CoconutError(
                    f"what is done to the thoughts takes more than {limits.seconds:g} s to prepare: take fewer "
                    "thoughts, fewer interventions, or vectors that need no other runs"
                )

        return interrupt

    def _plan(self, sources: Sources, prompt_length: int, limits: Limits) -> Plan:
        commands = read_commands(self.ask.do)
        if len(commands) > limits.interventions:
            raise CoconutError(
                f"there are {len(commands)} interventions; an ask may have {limits.interventions}: change less"
            )
        if any(word.startswith("file:") for command in commands for word in command.arguments):
            raise CoconutError("a server opens no files for those who ask it: leave out file:…")
        plan = bind(commands, sources)
        self.done = str(plan)
        if plan.prompt is not None:
            raise CoconutError("a server reads questions as they are: leave out what is to be done @prompt:…")
        if (plan.thoughts or 0) > limits.steps:
            raise CoconutError(
                f"'{self.done:.60}': this server takes at most {limits.steps} thoughts: ask for fewer"
            )
        _check_room(sources.model, plan.thoughts, prompt_length)
        for number, edit in plan.edits.items():
            sources.interrupt()
            check_fits(sources.model, allow_edit(sources.model, edit, self.passes), prompt_length + number - 1)
        return plan

    def finish(self, verdict: str, token_text: Callable[[int], str]) -> None:
        """Give the answer, unless nobody waits for it any more; all its runs are over."""
        ask, run = self.ask, self.runs[0]
        model, row = run.model, run.row
        settings = run_settings(
            model,
            row.ending,
            self.passes,
            temperature=ask.temperature,
            seed=ask.seed,
            max_new_tokens=ask.max_new_tokens,
        )
        trace = Trace(
            model=model.name,
            question=ask.question,
            prompt=tuple(map(token_text, run.prompt_ids)),
            prompt_ids=tuple(run.prompt_ids),
            steps=tuple(run.records),
            text=run.text,
            stopped_by=row.machine.stopped_by,
            settings=settings
            | ({} if ask.system is None else {"system": ask.system})
            | {"verdict": self._usage(verdict)},
            problem=self.problem,
        )
        timings = {
            "load_seconds": 0.0,
            "wait_seconds": round(self.began - self.arrived, 4),
            "answer_seconds": round(monotonic() - self.began, 4),
        }
        without = final_answer(self.runs[1].text, model.config.answer_prefix) if self.done else None
        record = answer_record(trace, timings, self.done, without)
        if ask.trace:
            record["trace"] = trace.to_json()
        if not self.answer.done() and self.answer.set_running_or_notify_cancel():
            self.answer.set_result(record)

    def _usage(self, verdict: str) -> str:
        """The verdict on the model's thoughts, or what stands in its place in this run."""
        run = self.runs[0]
        config = run.model.config
        return verdict if config.trained else untrained_usage(config.feedback, run.row.ending.thoughts)

    def fail(self, error: BaseException) -> None:
        """Give an error in place of the answer, and end its rows."""
        for run in self.runs:
            run.row.machine.finish()
        if not self.answer.done() and self.answer.set_running_or_notify_cancel():
            known = error if isinstance(error, Exception) else PanicError(describe_error(error))
            self.answer.set_exception(known)


def _check_room(model: LatentModel, thoughts: int | None, read: int) -> None:
    """Raise CoconutError for more thoughts than the model's context holds behind what was read."""
    room = None if model.max_positions is None else model.max_positions - read
    if thoughts is not None and room is not None and thoughts > room:
        raise CoconutError(
            f"{thoughts} thoughts do not fit: behind this question the model's context has room for {room}"
        )


class PanicError(Exception):
    """What a library raised that is no Exception, as a panic of one that is written in Rust."""


class TooLongError(CoconutError):
    """A question longer than the server's limit."""
