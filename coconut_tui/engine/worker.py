"""A thread that does jobs one after the other. Each can be stopped, and can say how far it is."""

import atexit
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakSet

from textual.message import Message

from coconut_core.common.errors import CoconutError, device_failure, one_line
from coconut_tui.engine.messages import Activity, EngineError

Post = Callable[[Message], object]
WAYS_ON = "the session is as it was; :cpu goes on with it on the CPU, :model opens another model"
GRACE = 10.0  # seconds that a thread has to end with the process
_SAY_EVERY = 0.1  # seconds between two reports of how far a job is
_MOMENT = 0.15  # seconds without a job before something is done that nobody has asked for


class Job:
    """One thing to do. `kind` names jobs of which only the newest counts; empty where all do."""

    def __init__(self, activity: str, work: Callable[["Job"], None], kind: str, post: Post) -> None:
        self.activity, self.kind = activity, kind
        self._work, self._post = work, post
        self._stopped = threading.Event()
        self._posted_at = 0.0

    def run(self) -> None:
        """Do the job, unless it has been stopped."""
        if not self.stopped:
            self._post(Activity(self.activity))
            self._work(self)

    @property
    def stopped(self) -> bool:
        """Whether the job is to end as soon as it can."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Let the job end as soon as it can."""
        self._stopped.set()

    def progress(self, done: int, total: int) -> None:
        """Say how far the job is, now and then."""
        if (now := time.monotonic()) - self._posted_at >= _SAY_EVERY:
            self._posted_at = now
            self._post(Activity(self.activity, done, total))


_STARTED: "WeakSet[Worker]" = WeakSet()


@atexit.register
def _end_all() -> None:
    """Before Python is taken down: a thread inside torch does not bear that, the process would be aborted."""
    for worker in list(_STARTED):
        worker.wait()


class Worker:
    """The thread and its queue."""

    def __init__(self, post: Post, name: str, idle: Callable[[], object] = lambda: None) -> None:
        """idle is called in the thread when it has had nothing to do for a moment. It should be brief: a job
        that comes meanwhile waits for it. Nobody hears of it, not even where it fails."""
        self._post, self._idle = post, idle
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._jobs: list[Job] = []  # waiting or under way
        self._lock = threading.Lock()
        self._last: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread, unless it runs already."""
        if not self._thread.is_alive():
            _STARTED.add(self)
            self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether there is a job waiting or under way."""
        with self._lock:
            return bool(self._jobs)

    def send(self, activity: str, work: Callable[[Job], None], kind: str = "") -> None:
        """Do a job after all others, and in the place of those of its kind."""
        job = Job(activity, work, kind, self._post)
        with self._lock:
            for waiting in self._jobs:
                if kind and waiting.kind == kind:
                    waiting.stop()
            self._jobs.append(job)
        self._queue.put(job)

    def stop(self, kind: str = "") -> None:
        """Stop the job under way and forget those that wait; with a kind, only those of that kind."""
        with self._lock:
            for job in self._jobs:
                if not kind or job.kind == kind:
                    job.stop()

    def close(self, last: Callable[[], None] = lambda: None) -> None:
        """End the thread as soon as it can; `last` is the last thing it does."""
        self._last = last
        self.stop()
        self._queue.put(None)

    def wait(self) -> None:
        """End the thread, and wait until it has ended, some seconds at most."""
        self.stop()
        self._queue.put(None)
        self._thread.join(GRACE)

    def _work(self) -> None:
        while (job := self._next_job()) is not None:
            try:
                job.run()
            except CoconutError as error:
                self._post(EngineError(str(error)))
            except Exception as error:
                failed = device_failure(error)
                message = f"{type(error).__name__}: {one_line(error)}"
                self._post(EngineError(message if failed is None else f"{failed}: {WAYS_ON}"))
            with self._lock:
                self._jobs.remove(job)
                idle = not self._jobs
            if idle:
                self._post(Activity(""))
        self._last()

    def _next_job(self) -> Job | None:
        try:
            return self._queue.get(timeout=_MOMENT)
        except queue.Empty:
            with suppress(Exception):
                self._idle()
            return self._queue.get()
