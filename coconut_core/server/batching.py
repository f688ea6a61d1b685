"""Continuous batching: asks that come in while others are under way join them between two steps.

One thread has the model. Between two steps it takes rows that are over, or that nobody waits for any more, out
of the batch, and reads the questions that wait: in passes of their own, a few at a time, whose rows then go on
in the batch. Models whose layers cannot be joined (see coconut_core.server.joining) finish a batch before the
next begins.
Whatever goes wrong with one ask, a panic of a library included, is that ask's answer and nobody else's.
Knows nothing of HTTP.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from time import monotonic

import torch

from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.model import LatentModel
from coconut_core.records.trace import StepRecord
from coconut_core.runs.rows import end_rows, in_batches, read_prompts, repeated, step_rows, think_in_parallel
from coconut_core.server.asks import Ask
from coconut_core.server.joining import join, joinable
from coconut_core.server.logs import report_error
from coconut_core.server.runs import Job, Limits, Run

TOGETHER = 8  # questions read in one pass; more of them only leave the processor's cache
AT_ONCE = 32  # rows that may be read between two steps of a batch that is under way


class FullError(Exception):
    """As many asks wait as may wait."""


class ClosedError(Exception):
    """Nothing more is answered."""


class Batcher:
    """Answers asks, up to `rows` side by side while up to `queue` wait. verdict: what is said of the model's
    thoughts with each answer."""

    def __init__(self, model: LatentModel, verdict: str, limits: Limits, *, rows: int, queue: int) -> None:
        self.model, self.verdict, self.limits = model, verdict, limits
        self.rows, self.queue = rows, queue
        self._joins = joinable(model.empty_context(1))
        self._waiting: deque[Job] = deque()
        self._coming: list[Job] = []  # into the batch, in this turn
        self._jobs: list[Job] = []  # under way
        self._runs: list[Run] = []  # row by row of the context
        self._context: Context | None = None
        self._closed = False
        self._over = False  # once the thread answers no more
        self._turn: float | None = None  # when the turn that goes on began; None while there is nothing to do
        self._at_end: list[Callable[[], object]] = []
        self._change = threading.Condition()
        self._token_text: Callable[[int], str] = cache(model.token_text)
        self._thread = threading.Thread(target=self._work, name="batching", daemon=True)
        self._thread.start()

    # -- from any thread -----------------------------------------------------------------------------------

    def submit(self, ask: Ask, on_step: Callable[[StepRecord, str], None] | None = None) -> Job:
        """Put an ask for one answer behind those that wait; on_step is called, in the batcher's thread, with
        each step of it and what the step adds to the text.

        Its answer is what `coconut ask --json` prints, or an error. Raises FullError or ClosedError.
        """
        job = Job(ask, on_step)
        self.submit_all([job])
        return job

    def submit_all(self, jobs: Sequence[Job]) -> None:
        """Put asks behind those that wait: all of them or none. Raises FullError or ClosedError."""
        with self._change:
            if self._closed or not self.alive:
                raise ClosedError
            if self.waiting + len(jobs) > self.queue:
                raise FullError
            self._waiting.extend(jobs)
            self._change.notify()

    @property
    def waiting(self) -> int:
        """How many asks wait for a row."""
        return sum(not job.answer.cancelled() for job in list(self._waiting))

    @property
    def under_way(self) -> int:
        """How many asks are in the batch."""
        return len(self._jobs)

    @property
    def closed(self) -> bool:
        """Whether it was told to take nothing new."""
        return self._closed

    @property
    def alive(self) -> bool:
        """Whether there is still a thread that answers."""
        return not self._over

    @property
    def turn_seconds(self) -> float:
        """For how long the present turn, one step of the batch, has been going on; 0 where nothing is asked."""
        began = self._turn
        return 0.0 if began is None else monotonic() - began

    def close(self) -> None:
        """Take nothing new; what waits or is under way is still answered."""
        with self._change:
            self._closed = True
            self._change.notify()

    def give_up(self) -> None:
        """Close, and leave unanswered what waits or is under way."""
        self.close()
        for job in [*self._waiting, *self._coming, *self._jobs]:
            job.answer.cancel()

    def wait_until_done(self, timeout: float | None = None) -> bool:
        """Return once, after close, everything is answered, or so many seconds have passed: whether it is."""
        self._thread.join(timeout)
        return self._over

    def at_end(self, call: Callable[[], object]) -> None:
        """Have this called, in the batcher's thread, once that ends, for whatever reason."""
        with self._change:
            if not self._over:
                self._at_end.append(call)
                return
        call()

    # -- in the batcher's thread ---------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._turns()
        except BaseException as error:
            report_error(error)
        finally:
            self._fail([*self._coming, *self._jobs, *self._waiting], ClosedError())
            with self._change:
                self._over = True
            for call in self._at_end:
                with suppress(Exception):
                    call()

    @torch.inference_mode()
    def _turns(self) -> None:
        while self._next():
            try:
                self._admit()
                self._step()
            except BaseException as error:  # whatever it is, those who wait are told, and the next are answered
                report_error(error)
                self._fail({*self._jobs, *self._coming}, error)
                self._coming, self._jobs, self._runs, self._context = [], [], [], None

    def _fail(self, jobs: Iterable[Job], error: BaseException) -> None:
        for job in jobs:
            with suppress(Exception):  # of what is called once there is an answer
                job.fail(error)

    def _attempt(self, job: Job, work: Callable[[], None]) -> None:
        """Do something for one ask; whatever goes wrong is its answer."""
        try:
            work()
        except BaseException as error:
            if not isinstance(error, CoconutError):
                report_error(error)
            self._fail([job], error)

    def _next(self) -> bool:
        """Choose those that go into the batch now; False where everything is done for good."""
        with self._change:
            while not self._waiting and not self._jobs:
                self._turn = None
                if self._closed:
                    return False
                self._change.wait()
            self._turn = monotonic()
            if self._context is not None and not self._joins:
                return True
            free = self.rows - sum(job.rows for job in self._jobs)
            free = min(free, AT_ONCE) if self._jobs else free
            while self._waiting and self._waiting[0].rows <= free:
                job = self._waiting.popleft()
                if not job.answer.cancelled():
                    self._coming.append(job)
                    free -= job.rows
        return True

    def _admit(self) -> None:
        """Read what those that are coming ask, and let their rows join the batch."""
        for job in self._coming:
            self._attempt(job, lambda job=job: job.prepare(self.model, self.limits))  # type: ignore[misc]
        runs = [run for job in self._coming if not job.answer.done() for run in job.runs]
        together = TOGETHER if self._joins else max(1, len(runs))
        parts: list[tuple[Context, list[Run]]] = []
        for indices in in_batches([run.prompt_ids for run in runs], together):
            parts += self._read([runs[index] for index in indices])
        self._jobs += [job for job in self._coming if not job.answer.done()]
        self._coming = []
        if any(not run.over for _, read in parts for run in read):
            self._put_together(parts)

    def _read(self, runs: list[Run]) -> list[tuple[Context, list[Run]]]:
        """A context that has read the prompts of runs. Where that fails, each is read alone, and those that
        fail then are answered with the error."""
        try:
            return [(self._read_together(runs), runs)]
        except BaseException as error:
            if len(runs) == 1:
                report_error(error)
                self._fail([job for job in self._coming if runs[0] in job.runs], error)
                return []
        parts = [part for run in runs for part in self._read([run])]
        readable = [run for _, (run,) in parts if not run.over]
        return parts if self._joins or not readable else [(self._read_together(readable), readable)]

    def _read_together(self, runs: list[Run]) -> Context:
        prompts = list(dict.fromkeys(tuple(run.prompt_ids) for run in runs))
        context = read_prompts(self.model, prompts, shortcut=True)
        if len(prompts) < len(runs):
            context = repeated(context, [prompts.index(tuple(run.prompt_ids)) for run in runs])
        think_in_parallel(self.model, context, [run.row for run in runs], None, "inside")
        return context

    def _put_together(self, parts: list[tuple[Context, list[Run]]]) -> None:
        """The batch anew: its rows that go on, and behind them those of the parts."""
        if self._context is not None:
            parts = [(self._context, self._runs), *parts]
        going_on = [[number for number, run in enumerate(runs) if not run.over] for _, runs in parts]
        continuing = [(context, rows) for (context, _), rows in zip(parts, going_on, strict=True) if rows]
        self._runs = [runs[number] for (_, runs), rows in zip(parts, going_on, strict=True) for number in rows]
        self._context, rows = continuing[0]
        if len(continuing) > 1:
            self._context = join(continuing)
        elif len(rows) < self._context.mask.shape[0]:
            self._context.select(torch.tensor(rows, device=self.model.device))

    def _step(self) -> None:
        """One step of all rows of the batch; those that are over are answered."""
        self._settle()
        if self._context is None:
            return
        before = [replace(run.row.machine) for run in self._runs]
        decision = step_rows(self.model, self._context, [run.row for run in self._runs])
        end_rows([run.row for run in self._runs])
        jobs = {id(job.runs[0]): job for job in self._jobs}
        for number, run in enumerate(self._runs):
            if (job := jobs.get(id(run))) is None or not decision.counts[number]:
                continue
            self._attempt(job, lambda: _tell(job, *run.note(decision, number, before[number])))  # noqa: B023
        self._settle()

    def _settle(self) -> None:
        """End rows that have nothing left to do, that failed or that nobody waits for; answer those that are
        done."""
        for job in self._jobs:
            if (error := job.error) is not None or job.answer.done():
                self._fail([job], error or ClosedError())
        going_on = end_rows([run.row for run in self._runs])
        done = [job for job in self._jobs if all(run.over for run in job.runs)]
        self._jobs = [job for job in self._jobs if job not in done]
        for job in done:
            if not job.answer.done():
                self._attempt(job, lambda: job.finish(self.verdict, self._token_text))  # noqa: B023
        if not going_on:
            self._context, self._runs = None, []
        elif 2 * len(going_on) <= len(self._runs):  # copying the cache pays once half of it is of no use
            self._put_together([])


def _tell(job: Job, record: StepRecord, added: str) -> None:
    if job.on_step is not None:
        job.on_step(record, added)
