"""What answers over HTTP, on tiny random models."""

import http.client
import json
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems
from coconut_core.runs.generate import generate
from coconut_core.server.asks import Ask
from coconut_core.server.client import Server
from tests.core.serving import TOKEN, Held, batching, serving, wait_for
from tests.core.tiny_models import QUESTIONS, tiny_model

MANY = [problem.question for problem in generate_problems("prosqa", 64, seed=3)]


@pytest.fixture(scope="module")
def reader() -> CoconutModel:
    """A tiny model whose context holds ordinary ProsQA questions."""
    return tiny_model("llama", max_positions=512)


def test_64_clients_at_once_lose_nothing_and_get_their_sequential_answers(reader: CoconutModel) -> None:
    wanted = generate(reader, MANY, max_new_tokens=12, batch_size=1)
    with batching(reader, rows=24) as batcher, serving(batcher) as address, ThreadPoolExecutor(64) as clients:
        asks = [Ask(question, max_new_tokens=12) for question in MANY]
        answers = list(clients.map(address.server.ask, asks))
    assert [answer["question"] for answer in answers] == MANY
    assert [answer["text"] for answer in answers] == [answer.text for answer in wanted]


def test_a_stream_tells_each_step_and_then_the_answer(llama: CoconutModel) -> None:
    with batching(llama) as batcher, serving(batcher) as address:
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=300)
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
    assert "".join(step["text"] for step in steps) == answer["text"]
    del answer["timings"], plain["timings"]
    assert answer == plain


def test_samples_are_the_answers_of_their_seeds(llama: CoconutModel) -> None:
    asked = {"question": QUESTIONS[0], "temperature": 1.5, "seed": 3, "max_new_tokens": 8}
    with batching(llama, queue=4) as batcher, serving(batcher) as address:
        status, record, _ = address.send(body=asked | {"samples": 4})
        alone = [address.send(body=asked | {"seed": seed})[1]["text"] for seed in range(3, 7)]
        assert address.send(body=asked | {"samples": 5})[0] == 429, "all of them or none"
    assert (status, record["question"]) == (200, QUESTIONS[0])
    assert [sample["seed"] for sample in record["samples"]] == [3, 4, 5, 6]
    assert [sample["text"] for sample in record["samples"]] == alone
    assert len(set(alone)) > 1


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
        status, health, _ = address.send("GET", "/health")
        assert (status, health["status"], health["waiting"], health["under_way"]) == (200, "ok", 0, 0)


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
            {"status": "ending", "waiting": 0, "under_way": 0, "turn_seconds": 0.0},
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

        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=300)
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
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=300)
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
