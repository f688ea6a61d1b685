"""Continuous batching: asks that come in while others are under way join them between two steps.

One thread has the model. Between two steps it takes rows that are over, or that nobody waits for any more, out
of the batch, and reads the questions that wait: in passes of their own, a few at a time, whose rows then go on
in the batch. Models whose layers cannot be joined (see coconut_core.server.joining) finish a batch before the
next begins.
Knows nothing of HTTP.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import cache

import torch

from coconut_core.contexts import Context
from coconut_core.errors import CoconutError, one_line, visible
from coconut_core.model import CoconutModel
from coconut_core.rows import end_rows, in_batches, read_prompts, step_rows, think_in_parallel
from coconut_core.server.asks import Ask
from coconut_core.server.joining import join, joinable
from coconut_core.server.runs import Job, Run
from coconut_core.trace import StepRecord

TOGETHER = 8  # questions read in one pass; more of them only leave the processor's cache
AT_ONCE = 32  # rows that may be read between two steps of a batch that is under way


class FullError(Exception):
    """As many asks wait as may wait."""


class ClosedError(Exception):
    """Nothing more is answered."""


class Batcher:
    """Answers asks, up to `rows` side by side while up to `queue` wait. Questions longer than `longest` tokens
    are refused. verdict: what is said of the model's thoughts with each answer."""

    def __init__(self, model: CoconutModel, verdict: str, *, rows: int, queue: int, longest: int) -> None:
        self.model, self.verdict = model, verdict
        self.rows, self.queue, self.longest = rows, queue, longest
        self._joins = joinable(model.empty_context(1))
        self._waiting: deque[Job] = deque()
        self._jobs: list[Job] = []  # under way
        self._runs: list[Run] = []  # row by row of the context
        self._context: Context | None = None
        self._closed = False
        self._change = threading.Condition()
        self._token_text: Callable[[int], str] = cache(model.token_text)
        self._thread = threading.Thread(target=self._work, name="batching", daemon=True)
        self._thread.start()

    # -- from any thread -----------------------------------------------------------------------------------

    def submit(self, ask: Ask, on_step: Callable[[StepRecord], None] | None = None) -> Job:
        """Put an ask behind those that wait; on_step is called, in the batcher's thread, with each step of it.

        Its answer is what `coconut ask --json` prints, or a CoconutError. Raises FullError or ClosedError.
        """
        job = Job(ask, on_step)
        with self._change:
            if self._closed:
                raise ClosedError
            if self.waiting >= self.queue:
                raise FullError
            self._waiting.append(job)
            self._change.notify()
        return job

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
        """Whether nothing new is taken."""
        return self._closed

    def close(self) -> None:
        """Take nothing new; what waits or is under way is still answered."""
        with self._change:
            self._closed = True
            self._change.notify()

    def wait_until_done(self) -> None:
        """Return once, after close, everything is answered."""
        self._thread.join()

    # -- in the batcher's thread ---------------------------------------------------------------------------

    @torch.inference_mode()
    def _work(self) -> None:
        while (jobs := self._next()) is not None:
            try:
                self._admit(jobs)
                self._step()
            except Exception as error:  # whatever it is, those who wait are told, and the next are answered
                sys.stderr.write(visible(f"error: {type(error).__name__}: {one_line(error)}") + "\n")
                for job in {*self._jobs, *jobs}:
                    if not job.answer.done():
                        job.fail(error)
                self._jobs, self._runs, self._context = [], [], None

    def _next(self) -> list[Job] | None:
        """Those that go into the batch now; None where everything is done for good."""
        with self._change:
            while not self._waiting and not self._jobs:
                if self._closed:
                    return None
                self._change.wait()
            if self._context is not None and not self._joins:
                return []
            free = self.rows - sum(job.rows for job in self._jobs)
            free = min(free, AT_ONCE) if self._jobs else free
            jobs: list[Job] = []
            while self._waiting and self._waiting[0].rows <= free:
                job = self._waiting.popleft()
                if not job.answer.cancelled():
                    jobs.append(job)
                    free -= job.rows
        return jobs

    def _admit(self, jobs: list[Job]) -> None:
        """Read what these ask, and let their rows join the batch."""
        prepared: list[Job] = []
        for job in jobs:
            try:
                job.prepare(self.model, self.longest)
            except CoconutError as error:
                job.fail(error)
            else:
                prepared.append(job)
        runs = [run for job in prepared for run in job.runs]
        if not runs:
            return
        together = TOGETHER if self._joins else len(runs)
        parts: list[tuple[Context, list[Run]]] = []
        for chosen in in_batches([run.prompt_ids for run in runs], together):
            read = [runs[index] for index in chosen]
            context = read_prompts(self.model, [run.prompt_ids for run in read], shortcut=True)
            think_in_parallel(self.model, context, [run.row for run in read], None, "inside")
            parts.append((context, read))
        self._jobs += prepared
        self._put_together(parts)

    def _put_together(self, parts: list[tuple[Context, list[Run]]]) -> None:
        """The batch anew: its rows that go on, and behind them those of the parts."""
        if self._context is not None:
            parts = [(self._context, self._runs), *parts]
        going_on = [[number for number, run in enumerate(runs) if not run.over] for _, runs in parts]
        chosen = [(context, rows) for (context, _), rows in zip(parts, going_on, strict=True) if rows]
        self._runs = [runs[number] for (_, runs), rows in zip(parts, going_on, strict=True) for number in rows]
        self._context, rows = chosen[0]
        if len(chosen) > 1:
            self._context = join(chosen)
        elif len(rows) < self._context.mask.shape[0]:
            self._context.select(torch.tensor(rows, device=self.model.device))

    def _step(self) -> None:
        """One step of all rows of the batch; those that are over are answered."""
        self._settle()
        if self._context is None:
            return
        before = [(run.row.machine.mode, run.row.machine.segment) for run in self._runs]
        decision = step_rows(self.model, self._context, [run.row for run in self._runs])
        listeners = {id(job.runs[0]): job.on_step for job in self._jobs}
        for number, run in enumerate(self._runs):
            if not (decision.counts[number] and run.top):
                continue
            record = run.note(decision, number, *before[number])
            if (listener := listeners.get(id(run))) is not None:
                listener(record)
        self._settle()

    def _settle(self) -> None:
        """End rows that have nothing left to do or that nobody waits for; answer those that are done."""
        for job in self._jobs:
            if job.answer.cancelled():
                for run in job.runs:
                    run.row.machine.finish()
        going_on = end_rows([run.row for run in self._runs])
        done = [job for job in self._jobs if all(run.over for run in job.runs)]
        self._jobs = [job for job in self._jobs if job not in done]
        for job in done:
            job.finish(self.verdict, self._token_text)
        if not going_on:
            self._context, self._runs = None, []
        elif 2 * len(going_on) <= len(self._runs):  # copying the cache pays once half of it is of no use
            self._put_together([])
