"""Many asks at once: the batcher, and what answers over HTTP, on tiny random models."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from coconut_core.errors import CoconutError
from coconut_core.generate import generate
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.model import CoconutModel
from coconut_core.problems import generate_problems, recognise
from coconut_core.rows import read_prompts
from coconut_core.server.app import Service, make_app
from coconut_core.server.asks import Ask
from coconut_core.server.batching import Batcher, ClosedError, FullError
from coconut_core.server.client import Server
from coconut_core.server.joining import join, joinable
from coconut_core.server.runs import Job
from coconut_core.trace import StepRecord, Trace, trace_session
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model

MANY = [problem.question for problem in generate_problems("prosqa", 64, seed=3)]
VERDICT = "UNKNOWN: not measured"
TOKEN = "a-secret"


@pytest.fixture(scope="module")
def reader() -> CoconutModel:
    """A tiny model whose context holds ordinary ProsQA questions."""
    return tiny_model("llama", max_positions=512)


@contextmanager
def batching(model: CoconutModel, **limits: int) -> Iterator[Batcher]:
    batcher = Batcher(model, VERDICT, **{"rows": 64, "queue": 256, "longest": 512} | limits)
    try:
        yield batcher
    finally:
        batcher.close()
        batcher.wait_until_done()


class Held:
    """A listener that lets the batcher go on past an ask's first step only once it is let go."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, step: StepRecord) -> None:
        self.reached.set()
        assert self.go.wait(60)


# -- the batcher -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "gemma2", "mamba"])
def test_asks_that_join_a_running_batch_get_the_answers_that_generate_gives(architecture: str) -> None:
    model = tiny_model(architecture)
    questions = [QUESTIONS[number % len(QUESTIONS)] for number in range(12)]
    wanted = generate(model, questions, max_new_tokens=20, batch_size=1)
    with batching(model, rows=5) as batcher:
        held = Held()
        jobs = [batcher.submit(Ask(questions[0], max_new_tokens=20), held)]
        assert held.reached.wait(60)
        jobs += [batcher.submit(Ask(question, max_new_tokens=20)) for question in questions[1:]]
        held.go.set()
        answers = [job.answer.result(60) for job in jobs]
    assert [answer["text"] for answer in answers] == [answer.text for answer in wanted]
    assert [answer["tokens"]["answer"] for answer in answers] == [len(each.token_ids) for each in wanted]


def test_rows_of_contexts_join_without_padding_that_nobody_needs(llama: CoconutModel) -> None:
    prompts = [llama.encode_prompt(question) for question in QUESTIONS]
    alone = [read_prompts(llama, [prompt]) for prompt in prompts]
    together = read_prompts(llama, prompts[:3])
    assert joinable(together)
    joined = join([(together, [1, 0]), (read_prompts(llama, prompts[3:]), [0])])
    assert joined.mask.sum(dim=1).tolist() == [len(prompts[number]) for number in (1, 0, 3)]
    assert joined.length == max(len(prompts[number]) for number in (1, 0, 3))
    for row, number in enumerate((1, 0, 3)):
        assert joined.hidden[row].sub(alone[number].hidden[0]).abs().max() < 1e-5
        keys, expected = joined.cache.layers[0].keys[row], alone[number].cache.layers[0].keys[0]
        assert keys[:, -expected.shape[1] :].sub(expected).abs().max() < 1e-5


@pytest.mark.parametrize(
    "do", ["zero@2", "replace twin@all", "drop@1", "knockout prompt@3; scale 2@1", "extend 5"]
)
def test_an_intervention_does_what_it_does_to_a_session(llama: CoconutModel, do: str) -> None:
    question = QUESTIONS[2]
    plain, changed = llama.start(question), llama.start(question)
    changed.apply(parse_plan(do, Sources(llama, question, recognise(question), None, changed.thoughts, 0)))
    for run in (plain, changed):
        run.finish()
    with batching(llama) as batcher:
        others = [batcher.submit(Ask(each)) for each in QUESTIONS]
        answer = batcher.submit(Ask(question, do=do)).answer.result(60)
        assert [job.answer.result(60)["text"] for job in others] == [
            each.text for each in generate(llama, QUESTIONS)
        ]
    assert answer["text"] == changed.text
    assert (answer["done"], answer["answer_without"]) == (do, plain.trace().answer)
    assert [thought.get("edit") for thought in answer["thoughts"]] == [
        None if step.edit is None else str(step.edit) for step in changed.thought_steps()
    ]


def test_a_trace_is_that_of_a_session(llama: CoconutModel) -> None:
    question = QUESTIONS[0]
    run = llama.start(question, 4, temperature=0.8, seed=5, max_new_tokens=9)
    run.finish()
    with batching(llama) as batcher:
        seen: list[StepRecord] = []
        ask = Ask(question, 4, temperature=0.8, seed=5, max_new_tokens=9, top=3, trace=True, stream=True)
        answer = batcher.submit(ask, seen.append).answer.result(60)
    expected = trace_session(run, 3, recognise(question))
    expected.settings["verdict"] = VERDICT
    trace = Trace.from_json(json.loads(json.dumps(answer["trace"])), "the answer")
    assert trace.steps == tuple(seen)
    assert replace(trace, steps=()) == replace(expected, steps=())
    for mine, its in zip(trace.steps, expected.steps, strict=True):
        assert mine.entropy == pytest.approx(its.entropy, abs=1e-4)
        assert mine.watched == pytest.approx(its.watched, abs=1e-4)
        assert (mine.kind, mine.index, mine.token, mine.ended) == (its.kind, its.index, its.token, its.ended)


def test_thoughts_found_in_parallel_are_those_of_a_session(llama: CoconutModel) -> None:
    model = CoconutModel(llama.base_lm, llama.tokenizer, llama.config.with_passes(2)).eval()
    runs = [model.start(question) for question in QUESTIONS]
    with batching(model) as batcher:
        jobs = [batcher.submit(Ask(question)) for question in QUESTIONS]
        answers = [job.answer.result(60) for job in jobs]
    assert [answer["text"] for answer in answers] == [run.finish() for run in runs]
    assert answers[0]["thinking"].endswith("found in 2 parallel passes")
    assert answers[0]["thoughts"][2]["norm"] == pytest.approx(runs[0].thought_steps()[2].readout.norm, abs=1e-4)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Ask("Is Alex a blorb or lempus?"), "'blorb'"),
        (Ask(""), "empty"),
        (Ask(QUESTIONS[0], do="explode@1"), "no intervention"),
        (Ask(QUESTIONS[0], do="zero@9"), "no thought 9"),
        (Ask(QUESTIONS[0], do="knockout 999@1"), "no position 999"),
        (Ask(QUESTIONS[0], do="replace file:/etc/passwd@1"), "opens no files"),
        (Ask(QUESTIONS[0], do="add file:/etc/passwd 1@1"), "opens no files"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_the_others_are_answered(
    llama: CoconutModel, ask: Ask, said: str
) -> None:
    with batching(llama) as batcher:
        good = batcher.submit(Ask(QUESTIONS[1]))
        with pytest.raises(CoconutError, match=said) as caught:
            batcher.submit(ask).answer.result(60)
        assert "\n" not in str(caught.value)
        assert good.answer.result(60)["text"] == generate(llama, [QUESTIONS[1]])[0].text


def test_a_paused_model_refuses_edits(llama: CoconutModel) -> None:
    model = tiny_model("llama", feedback="pause")
    with batching(model) as batcher, pytest.raises(CoconutError, match="pause token"):
        batcher.submit(Ask(QUESTIONS[0], do="zero@1")).answer.result(60)


def test_an_ask_that_nobody_waits_for_leaves_the_batch(llama: CoconutModel) -> None:
    with batching(llama) as batcher:
        held = Held()
        steps: list[StepRecord] = []

        def count(step: StepRecord) -> None:
            steps.append(step)
            held(step)

        gone = batcher.submit(Ask(QUESTIONS[0], thoughts=90), count)
        assert held.reached.wait(60)
        waiting = batcher.submit(Ask(QUESTIONS[1]))
        never = batcher.submit(Ask(QUESTIONS[2]))
        assert gone.answer.cancel()
        assert never.answer.cancel()
        held.go.set()
        assert waiting.answer.result(60)["text"] == generate(llama, [QUESTIONS[1]])[0].text
        assert len(steps) == 1, "it takes no step after it was given up"
        assert not never.runs, "its question is never read"
    assert batcher.under_way == batcher.waiting == 0


def test_a_full_queue_turns_away_and_an_ended_batcher_too(llama: CoconutModel) -> None:
    with batching(llama, queue=2, rows=2) as batcher:
        held = Held()
        jobs = [batcher.submit(Ask(QUESTIONS[0], do="zero@1"), held)]
        assert held.reached.wait(60)
        jobs += [batcher.submit(Ask(QUESTIONS[1])), batcher.submit(Ask(QUESTIONS[2]))]
        with pytest.raises(FullError):
            batcher.submit(Ask(QUESTIONS[3]))
        jobs[1].answer.cancel()
        batcher.submit(Ask(QUESTIONS[3]))  # the place of one who has left
        batcher.close()
        with pytest.raises(ClosedError):
            batcher.submit(Ask(QUESTIONS[3]))
        held.go.set()
        assert jobs[2].answer.result(60)["answer"], "what waited when it was closed is answered"


def test_a_failing_model_fails_those_under_way_and_serves_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_model("llama")
    weight = model.base_lm.get_input_embeddings().weight
    with batching(model) as batcher:
        held = Held()
        job = batcher.submit(Ask(QUESTIONS[0]), held)
        assert held.reached.wait(60)
        whole, weight.data = weight.data, weight.data[:, :5]
        held.go.set()
        with pytest.raises(RuntimeError):
            job.answer.result(60)
        weight.data = whole
        assert batcher.submit(Ask(QUESTIONS[0])).answer.result(60)["finished"]
    assert capsys.readouterr().err.count("\n") == 1


# -- what is sent ------------------------------------------------------------------------------------------


def test_an_ask_survives_its_json() -> None:
    ask = Ask("Q?", 3, "zero@1", temperature=0.5, until_entropy=0.1, entropy_steps=2, trace=True)
    assert Ask.from_json(json.loads(json.dumps(ask.to_json()))) == ask
    assert Ask("Q?").to_json() == {"question": "Q?"}
    assert Ask.from_json({"question": "Q?", "thoughts": None}) == Ask("Q?")


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "Q?",
        {},
        {"question": 3},
        {"question": None},
        {"question": "\ud800"},
        {"question": "Q?", "seed": 2**70},
        {"question": "Q?", "temperature": float("nan")},
        {"question": "Q?", "temperature": 10**400},
        {"question": "Q?", "thoughts": 1.5},
        {"question": "Q?", "thoughts": True},
        {"question": "Q?", "thoughts": -1},
        {"question": "Q?", "top": 0},
        {"question": "Q?", "stream": 1},
        {"question": "Q?", "do": ["zero@1"]},
        {"question": "Q?", "entropy_steps": 2},
        {"question": "Q?", "model": "/etc"},
        {"question": "Q?", "x" * 5000: 1},
    ],
)
def test_what_is_no_ask_is_refused_in_one_line(record: Any) -> None:
    with pytest.raises(CoconutError) as caught:
        Ask.from_json(record)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


# -- over HTTP ---------------------------------------------------------------------------------------------


@dataclass
class Address:
    """A server that runs in a thread of this process."""

    port: int
    batcher: Batcher

    @property
    def server(self) -> Server:
        return Server(f"http://127.0.0.1:{self.port}", TOKEN, timeout=60)

    def send(
        self, method: str = "POST", path: str = "/ask", body: bytes | str | dict = b"", **headers: str
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, given)
            response = connection.getresponse()
            return response.status, json.loads(response.read()), response.headers
        finally:
            connection.close()


@contextmanager
def serving(batcher: Batcher, *, timeout: float = 60.0, token: str | None = TOKEN) -> Iterator[Address]:
    from aiohttp import web

    facts = {"model": "tiny", "family": "prosqa"}
    service = Service(batcher, facts, "127.0.0.1", token, timeout, body=65536)
    loop = asyncio.new_event_loop()
    sock = socket.create_server(("127.0.0.1", 0), backlog=128)

    async def start() -> web.AppRunner:
        runner = web.AppRunner(make_app(service), handler_cancellation=True, access_log=None)
        await runner.setup()
        await web.SockSite(runner, sock).start()
        return runner

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield Address(sock.getsockname()[1], batcher)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_64_clients_at_once_lose_nothing_and_get_their_sequential_answers(reader: CoconutModel) -> None:
    wanted = generate(reader, MANY, max_new_tokens=12, batch_size=1)
    with batching(reader, rows=24) as batcher, serving(batcher) as address, ThreadPoolExecutor(64) as clients:
        asks = [Ask(question, max_new_tokens=12) for question in MANY]
        answers = list(clients.map(address.server.ask, asks))
    assert [answer["question"] for answer in answers] == MANY
    assert [answer["text"] for answer in answers] == [answer.text for answer in wanted]


def test_a_stream_tells_each_step_and_then_the_answer(llama: CoconutModel) -> None:
    with batching(llama) as batcher, serving(batcher) as address:
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        record = {"question": QUESTIONS[0], "stream": True, "top": 2, "max_new_tokens": 4}
        connection.request("POST", "/ask", json.dumps(record), headers)
        response = connection.getresponse()
        *steps, answer = [json.loads(line) for line in response]
        connection.close()
        plain = address.server.ask(Ask(QUESTIONS[0], top=2, max_new_tokens=4))
    kinds = [step["step"]["kind"] for step in steps]
    assert kinds == ["thought"] * 3 + ["marker"] + ["token"] * answer["tokens"]["answer"]
    assert response.headers["Content-Type"].startswith("application/x-ndjson")
    assert [len(step["step"]["top"]) for step in steps] == [2] * len(steps)
    del answer["timings"], plain["timings"]
    assert answer == plain


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"Authorization": ""}, 401, "token"),
        ({"Authorization": "Bearer wrong"}, 401, "token"),
        ({"Authorization": "Bearer ünlikely"}, 401, "token"),
        ({"Authorization": TOKEN}, 401, "token"),
        ({"Host": "evil.example:80"}, 403, "localhost"),
        ({"Host": "["}, 403, "localhost"),
        ({"path": "/nothing"}, 404, "Not Found"),
        ({"method": "GET"}, 405, "Method Not Allowed"),
        ({"Content_Type": "text/plain"}, 415, "application/json"),
        ({"body": "{not json"}, 400, "no JSON"),
        ({"body": b"\xff\xfe"}, 400, "no JSON"),
        ({"body": "[" * 50_000}, 400, "no JSON"),
        ({"body": {"question": "Is Alex a blorb?"}}, 400, "blorb"),
        ({"body": {"question": "Is Alex a blorb?", "stream": True}}, 400, "blorb"),
        ({"body": {"question": " ".join(QUESTIONS)}}, 413, "tokens"),
        ({"body": "x" * 70_000}, 413, "65536 bytes"),
    ],
)
def test_errors_are_one_line_of_json(
    llama: CoconutModel, request_: dict[str, Any], status: int, said: str
) -> None:
    with batching(llama, longest=60) as batcher, serving(batcher) as address:
        got, record, headers = address.send(**{"body": {"question": QUESTIONS[0]}} | request_)
        assert got == status
        assert list(record) == ["error"]
        assert said in record["error"]
        assert "\n" not in record["error"]
        assert headers["Content-Type"].startswith("application/json")
        assert address.send("GET", "/health")[:2] == (200, {"status": "ok", "waiting": 0, "under_way": 0})


def test_without_a_token_everybody_on_this_machine_may_ask(llama: CoconutModel) -> None:
    with batching(llama) as batcher, serving(batcher, token=None) as address:
        assert replace(address.server, token=None).model()["model"] == "tiny"
        assert address.send("GET", "/model", Host="localhost:1", Authorization="")[0] == 200


def test_health_needs_no_token_and_says_when_the_server_ends(llama: CoconutModel) -> None:
    with batching(llama) as batcher, serving(batcher) as address:
        assert address.send("GET", "/health", Authorization="")[0] == 200
        batcher.close()
        assert address.send("GET", "/health", Authorization="")[:2] == (
            503,
            {"status": "ending", "waiting": 0, "under_way": 0},
        )
        status, record, _ = address.send(body={"question": QUESTIONS[0]})
        assert (status, list(record)) == (503, ["error"])


@pytest.mark.parametrize("stream", [False, True])
def test_an_ask_that_takes_too_long_is_told_so_and_leaves_the_batch(llama: CoconutModel, stream: bool) -> None:
    held = Held()
    with batching(llama) as batcher, serving(batcher, timeout=0.5) as address:
        blocking = batcher.submit(Ask(QUESTIONS[1]), held)
        assert held.reached.wait(60)
        status, record, _ = address.send(body={"question": QUESTIONS[0], "stream": stream})
        assert (status, list(record)) == (504, ["error"])
        assert batcher.waiting == 0
        held.go.set()
        assert blocking.answer.result(60)["answer"]


def test_a_stream_that_takes_too_long_ends_with_the_error(
    llama: CoconutModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    with batching(llama) as batcher, serving(batcher, timeout=1.0) as address:
        note = llama.token_text  # the second ask holds the batch up at its first word, after thoughts were told

        def slow(token_id: int) -> str:
            held.go.wait(10)
            return note(token_id)

        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request("POST", "/ask", json.dumps({"question": QUESTIONS[0], "stream": True}), headers)
        response = connection.getresponse()
        first = json.loads(response.readline())
        monkeypatch.setattr(llama, "token_text", slow)
        *_, last = [json.loads(line) for line in response]
        connection.close()
        held.go.set()
    assert first["step"]["index"] == 1
    assert last == {"status": 504, "error": "no answer within the time that a question may take"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_takes_its_row_along(llama: CoconutModel, stream: bool) -> None:
    held = Held()
    with batching(llama) as batcher, serving(batcher) as address:
        blocking = batcher.submit(Ask(QUESTIONS[1]), held)
        assert held.reached.wait(60)
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        connection.request("POST", "/ask", json.dumps({"question": QUESTIONS[0], "stream": stream}), headers)
        wait_for(lambda: batcher.waiting == 1)
        connection.close()
        wait_for(lambda: batcher.waiting == 0)
        held.go.set()
        assert blocking.answer.result(60)["answer"]
        assert address.server.ask(Ask(QUESTIONS[2]))["text"] == generate(llama, [QUESTIONS[2]])[0].text


def test_a_full_queue_says_when_to_come_back_and_the_client_does(llama: CoconutModel) -> None:
    held = Held()
    with batching(llama, queue=1, rows=2) as batcher, serving(batcher) as address:
        batcher.submit(Ask(QUESTIONS[1], do="zero@1"), held)
        assert held.reached.wait(60)
        waiting = batcher.submit(Ask(QUESTIONS[2]))
        status, record, headers = address.send(body={"question": QUESTIONS[0]})
        assert (status, list(record), headers["Retry-After"]) == (429, ["error"], "1")
        with pytest.raises(CoconutError, match=r"no free place for 0\.5 s"):
            replace(address.server, timeout=0.5).ask(Ask(QUESTIONS[0]))
        with ThreadPoolExecutor(1) as clients:
            patient: Future[Any] = clients.submit(address.server.ask, Ask(QUESTIONS[0]))
            time.sleep(0.1)
            held.go.set()
            assert patient.result(60)["text"] == generate(llama, [QUESTIONS[0]])[0].text
        assert waiting.answer.result(60)["answer"]


def test_the_client_says_in_one_line_what_is_wrong(llama: CoconutModel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(CoconutError, match=r"has not answered for 0\.2 s"):
            Server(url, timeout=0.2).model()
    with pytest.raises(CoconutError, match="nothing answers at"):
        Server(url).model()
    for nonsense in ("127.0.0.1:80", "ftp://127.0.0.1", "http://", "http://x:99999", "http://x/path"):
        with pytest.raises(CoconutError, match="no address of a server"):
            Server(nonsense).model()
    with batching(llama) as batcher, serving(batcher) as address:
        with pytest.raises(CoconutError, match="COCONUT_TOKEN"):
            replace(address.server, token="wrong").model()
        with pytest.raises(CoconutError, match="'blorb'"):
            address.server.ask(Ask("Is Alex a blorb?"))


def test_a_job_has_room_for_the_run_left_alone() -> None:
    assert (Job(Ask("Q?")).rows, Job(Ask("Q?", do="zero@1")).rows) == (1, 2)
