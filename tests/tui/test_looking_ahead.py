"""The engine works out the next step while nothing else is to be done, and nobody notices but by the time."""

import queue
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.message import Message

from coconut_tui.engine import Engine, EngineError, ModelChoice, RunChanged
from coconut_tui.engine.worker import Job, Worker
from coconut_tui.run.state import RunView
from tests.core.tiny_models import QUESTIONS, tiny_model

PATIENCE = 240  # seconds


class Watched:
    """An engine with a tiny model and a question, which it has read, and all that it posts."""

    def __init__(self, folder: Path, *, look_ahead: bool) -> None:
        tiny_model("llama").save_pretrained(folder)
        self.posted: queue.Queue[Message] = queue.Queue()
        self.engine = Engine(self.posted.put, look_ahead=look_ahead)
        self.engine.start(ModelChoice(str(folder), device="cpu"))
        self.engine.ask(QUESTIONS[0], None, None, None)
        self.shown(0)  # before the next engine writes and reads the same folder

    @property
    def passes(self) -> int:
        """How often the model has read something."""
        assert self.engine._bench is not None
        return self.engine._bench.model.work.passes

    def shown(self, steps: int) -> RunView:
        """The run once so many of its steps are shown."""
        while True:
            message = self.posted.get(timeout=PATIENCE)
            assert not isinstance(message, EngineError), message.text
            if isinstance(message, RunChanged) and len((view := message.newest()).steps) == steps:
                return view


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds; fail where it never does."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_step_that_was_worked_out_takes_no_pass(tmp_path: Path) -> None:
    watched, plain = (Watched(tmp_path, look_ahead=choice) for choice in (True, False))
    for steps in (1, 2, 3):
        wait_for(lambda steps=steps: watched.passes == 1 + steps)  # type: ignore[misc]
        watched.engine.step()
        plain.engine.step()
        assert watched.shown(steps).steps == plain.shown(steps).steps
        assert plain.passes == 1 + steps
    for each in (watched, plain):
        each.engine.close()


def test_nothing_is_posted_of_it(tmp_path: Path) -> None:
    watched = Watched(tmp_path, look_ahead=True)
    wait_for(lambda: not watched.engine.busy)
    while not watched.posted.empty():
        watched.posted.get()
    wait_for(lambda: watched.passes == 2)
    assert not watched.engine.busy
    assert watched.posted.empty()
    watched.engine.close()


def test_the_worker_goes_on_where_it_failed_and_does_it_once_for_each_rest() -> None:
    posted: queue.Queue[Message] = queue.Queue()
    rests: list[int] = []
    done: list[int] = []

    def idle() -> None:
        rests.append(len(done))
        raise MemoryError

    def work(job: Job) -> None:
        done.append(1)

    worker = Worker(posted.put, "test", idle)
    worker.start()
    for number in (1, 2):
        worker.send("work", work)
        wait_for(lambda number=number: len(done) == number and number in rests)  # type: ignore[misc]
    time.sleep(0.5)
    assert rests in ([1, 2], [0, 1, 2])
    worker.close()


@pytest.mark.parametrize("look_ahead", [True, False])
def test_an_engine_that_rests_ends_when_it_is_closed(tmp_path: Path, look_ahead: bool) -> None:
    watched = Watched(tmp_path, look_ahead=look_ahead)
    watched.engine.close()
    wait_for(lambda: not watched.engine._worker._thread.is_alive())
