"""The engine's queue: in order, stopped when asked, and only the newest of its kind."""

import queue
import threading
from functools import partial

import pytest
from textual.message import Message

from coconut_core.common.errors import CoconutError
from coconut_tui.engine.messages import Activity, EngineError
from coconut_tui.engine.worker import Job, Worker


@pytest.fixture
def posted() -> "queue.Queue[Message]":
    return queue.Queue()


@pytest.fixture
def worker(posted: "queue.Queue[Message]"):
    worker = Worker(posted.put, "test")
    worker.start()
    yield worker
    worker.close()
    worker._thread.join(timeout=300)
    assert not worker._thread.is_alive()


def all_done(worker: Worker) -> None:
    """Wait for a last job to have been done."""
    last = threading.Event()
    worker.send("last", lambda job: last.set())
    assert last.wait(60)


def held(worker: Worker) -> tuple[threading.Event, threading.Event]:
    """A job that is under way until it is let go: events for begun and for letting go."""
    begun, let_go = threading.Event(), threading.Event()

    def work(job: Job) -> None:
        begun.set()
        assert let_go.wait(60)

    worker.send("holding", work)
    assert begun.wait(60)
    return begun, let_go


def test_stop_ends_what_waits_and_what_is_under_way_but_not_what_comes_later(worker: Worker) -> None:
    done: list[str] = []
    begun = threading.Event()

    def until_stopped(job: Job) -> None:
        begun.set()
        while not job.stopped:
            pass
        done.append("stopped")

    worker.send("running", until_stopped)
    assert begun.wait(60)
    worker.send("waiting", lambda job: done.append("never"))
    worker.stop()
    worker.send("later", lambda job: done.append("later"))
    all_done(worker)
    assert done == ["stopped", "later"]


def _note(done: list[int], number: int, job: Job) -> None:
    done.append(number)


def test_of_jobs_of_a_kind_only_the_newest_is_done(worker: Worker) -> None:
    done: list[int] = []
    _, let_go = held(worker)
    for number in range(3):
        worker.send("looking", partial(_note, done, number), "preview")
    worker.send("stepping", lambda job: done.append(10))
    assert worker.busy
    let_go.set()
    all_done(worker)
    assert done == [2, 10]


def test_stopping_a_kind_leaves_the_others(worker: Worker) -> None:
    done: list[str] = []
    _, let_go = held(worker)
    worker.send("looking", lambda job: done.append("preview"), "preview")
    worker.send("stepping", lambda job: done.append("step"))
    worker.stop("preview")
    let_go.set()
    all_done(worker)
    assert done == ["step"]


def test_an_error_is_a_message_and_the_next_job_is_done(worker: Worker, posted: "queue.Queue[Message]") -> None:
    def fail(error: Exception) -> None:
        raise error

    worker.send("one", lambda job: fail(CoconutError("no such thing")))
    worker.send("two", lambda job: fail(ValueError("oops")))
    all_done(worker)
    messages = [posted.get() for _ in range(posted.qsize())]
    assert [each.text for each in messages if isinstance(each, EngineError)] == [
        "no such thing",
        "ValueError: oops",
    ]
    assert [each.text for each in messages if isinstance(each, Activity)][:2] == ["one", "two"]
