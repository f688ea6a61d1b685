"""Whatever goes wrong with one ask is that ask's answer; the server answers the others and tells how it is."""

import asyncio
import ctypes
import os
import signal
import socket
import threading
from collections.abc import Callable
from time import monotonic

import pytest
from transformers import PreTrainedTokenizerBase

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions.donors import Sources
from coconut_core.records.trace import StepRecord
from coconut_core.runs.generate import generate
from coconut_core.server import app
from coconut_core.server.app import serve
from coconut_core.server.asks import Ask
from coconut_core.server.batching import Batcher, ClosedError
from coconut_core.server.runs import PanicError
from coconut_core.server.service import Service
from tests.core.serving import TOKEN, Held, batching, serving, wait_for
from tests.core.tiny_models import QUESTIONS, overflowing_model, tiny_model


def answered(batcher: Batcher, question: str) -> str:
    text: str = batcher.submit(Ask(question)).answer.result(60)["text"]
    return text


@pytest.mark.parametrize("do", ["scale 3e38@1", "steer lempus 3e38@1; scale 3e38@all", "scale 3e38@3"])
def test_numbers_that_overflow_fail_their_ask_alone(llama: CoconutModel, do: str) -> None:
    with batching(llama) as batcher:
        held = Held()
        others = [batcher.submit(Ask(QUESTIONS[0]), held)]
        assert held.reached.wait(60)
        bad = batcher.submit(Ask(QUESTIONS[1], do=do))
        others += [batcher.submit(Ask(question)) for question in QUESTIONS[1:]]
        held.go.set()
        with pytest.raises(CoconutError, match="the numbers overflow"):
            bad.answer.result(60)
        texts = [job.answer.result(60)["text"] for job in others]
    assert texts == [answer.text for answer in generate(llama, QUESTIONS)]


def test_a_question_that_overflows_fails_alone() -> None:
    model = overflowing_model("sterpus")
    with batching(model) as batcher:
        jobs = [batcher.submit(Ask(question)) for question in QUESTIONS]
        with pytest.raises(CoconutError, match="the numbers overflow"):
            jobs.pop(1).answer.result(60)
        assert all(job.answer.result(60)["text"] for job in jobs)


def test_a_number_of_5000_digits_is_no_thought(llama: CoconutModel) -> None:
    with pytest.raises(CoconutError, match="names no vector"):
        Sources(llama, QUESTIONS[0]).direction("thought:" + "9" * 5000)


@pytest.mark.parametrize("architecture", ["llama", "mamba"])
def test_a_prompt_that_cannot_be_read_fails_its_ask_alone(
    architecture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_model(architecture)
    tokenizer: PreTrainedTokenizerBase = model.tokenizer
    tokenizer.add_tokens([f"blorb{number}" for number in range(20)])  # more than the embedding has rows
    wanted = [answer.text for answer in generate(model, QUESTIONS)]
    with batching(model) as batcher:
        held = Held()
        first = batcher.submit(Ask(QUESTIONS[0]), held)
        assert held.reached.wait(60)
        bad = batcher.submit(Ask("Is Alex a blorb19 or lempus?"))
        others = [batcher.submit(Ask(question)) for question in QUESTIONS[1:]]
        held.go.set()
        with pytest.raises(IndexError):
            bad.answer.result(60)
        assert [job.answer.result(60)["text"] for job in [first, *others]] == wanted
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_what_is_no_exception_fails_its_ask_alone(
    llama: CoconutModel, kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    def panic(step: StepRecord, added: str) -> None:
        raise kind("as a panic does")

    with batching(llama) as batcher:
        others = [batcher.submit(Ask(question)) for question in QUESTIONS]
        bad = batcher.submit(Ask(QUESTIONS[0]), panic)
        with pytest.raises(RuntimeError if kind is RuntimeError else PanicError, match="as a panic does"):
            bad.answer.result(60)
        texts = [job.answer.result(60)["text"] for job in others]
        assert texts == [answer.text for answer in generate(llama, QUESTIONS)]
    assert capsys.readouterr().err == f"error: {kind.__name__}: as a panic does\n"


def test_a_log_that_nobody_reads_ends_nothing(llama: CoconutModel, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as closed, batching(llama) as batcher:
        monkeypatch.setattr("sys.stderr", closed)

        def fail(step: StepRecord, added: str) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            batcher.submit(Ask(QUESTIONS[0]), fail).answer.result(60)
        assert answered(batcher, QUESTIONS[1])
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), closed.fileno())  # so that closing it can write what is left


# -- how the server is -------------------------------------------------------------------------------------


def end_thread(batcher: Batcher) -> None:
    """Let what nothing catches end the batching thread while it waits."""
    wait_for(lambda: batcher.turn_seconds == 0)
    identity = ctypes.c_ulong(batcher._thread.ident or 0)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(SystemExit)) == 1
    job = batcher.submit(Ask(QUESTIONS[0]))  # wakes it
    with pytest.raises(ClosedError):
        job.answer.result(60)


def test_health_says_so_where_nothing_answers_any_more(llama: CoconutModel) -> None:
    with batching(llama) as batcher, serving(batcher) as address:
        assert answered(batcher, QUESTIONS[0])
        end_thread(batcher)
        status, record, _ = address.send("GET", "/health")
        assert (status, record["status"]) == (503, "dead")
        assert address.send(body={"question": QUESTIONS[0]})[0] == 503


def test_health_measures_the_turn(llama: CoconutModel) -> None:
    held = Held()
    with batching(llama) as batcher, serving(batcher, timeout=0.3) as address:
        job = batcher.submit(Ask(QUESTIONS[0]), held)
        assert held.reached.wait(60)
        wait_for(lambda: address.send("GET", "/health")[1]["status"] == "stuck")
        status, record, _ = address.send("GET", "/health")
        assert status == 503
        assert record["turn_seconds"] > 0.3
        held.go.set()
        assert job.answer.result(60)["answer"]
        wait_for(lambda: address.send("GET", "/health")[0] == 200)


def run_server(batcher: Batcher, timeout: float, started: Callable[[], None]) -> bool:
    service = Service(batcher, {}, "127.0.0.1", TOKEN, timeout, body=65536)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return asyncio.run(serve(service, sock, started))


def test_a_server_whose_thread_ends_ends(llama: CoconutModel) -> None:
    with batching(llama) as batcher:
        assert not run_server(batcher, 60, lambda: end_thread(batcher))


def test_a_signal_ends_a_server_whose_thread_is_stuck(
    llama: CoconutModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "READING", 0.2)
    held = Held()
    with batching(llama) as batcher:
        job = batcher.submit(Ask(QUESTIONS[0]), held)
        assert held.reached.wait(60)
        began = monotonic()
        assert not run_server(batcher, 0.2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert monotonic() - began < 30
        assert job.answer.cancelled()
        held.go.set()


def test_a_signal_ends_a_server_once_all_is_answered(llama: CoconutModel) -> None:
    held = Held()
    with batching(llama) as batcher:
        job = batcher.submit(Ask(QUESTIONS[0]), held)
        assert held.reached.wait(60)
        threading.Timer(0.3, held.go.set).start()
        assert run_server(batcher, 60, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert job.answer.result(0)["answer"]
