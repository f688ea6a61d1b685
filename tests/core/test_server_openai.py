"""The routes that OpenAI's clients know: raw, and with their own client where it is installed."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.runs.generate import generate
from coconut_core.server.asks import Ask
from coconut_core.server.openai_records import read_chat
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.core.serving import TOKEN, Address, batching, serving
from tests.core.tiny_models import QUESTIONS

USER = {"role": "user", "content": QUESTIONS[0]}
PATH = "/v1/chat/completions"


@pytest.fixture
def address(llama: CoconutModel) -> Iterator[Address]:
    with batching(llama) as batcher, serving(batcher) as found:
        yield found


@pytest.fixture(scope="module")
def instruct(tmp_path_factory: pytest.TempPathFactory) -> CoconutModel:
    """An ordinary model with a chat template."""
    folder = ordinary_folder(tmp_path_factory.mktemp("instruct"), template=CHATML)
    return CoconutModel.from_pretrained(folder, device="cpu", feedback="mixture").eval()


def events(address: Address, body: dict[str, Any]) -> list[dict[str, Any]]:
    """What a stream tells, without its end."""
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", PATH, json.dumps(body | {"stream": True}), headers)
    response = connection.getresponse()
    assert response.headers["Content-Type"].startswith("text/event-stream")
    parts = response.read().decode().split("\n\n")
    connection.close()
    assert parts.pop() == ""
    assert all(part.startswith("data: ") for part in parts)
    told = [part.removeprefix("data: ") for part in parts]
    return [json.loads(each) for each in (told[:-1] if told[-1] == "[DONE]" else told)]


def test_the_model_is_listed(address: Address) -> None:
    assert address.send("GET", "/v1/models")[1] == {
        "object": "list",
        "data": [{"id": "tiny", "object": "model", "created": 0, "owned_by": "coconut"}],
    }
    assert address.send("GET", "/v1/models/tiny")[1]["id"] == "tiny"
    status, record, _ = address.send("GET", "/v1/models/another/one")
    assert (status, record["error"]["code"]) == (404, "model_not_found")


def test_a_completion_is_the_answer_of_an_ask(address: Address, llama: CoconutModel) -> None:
    own = {"thoughts": 4, "top": 2, "do": "zero@2"}
    status, record, _ = address.send(
        path=PATH, body={"model": "tiny", "messages": [USER], "max_tokens": 9, **own}
    )
    asked = address.server.ask(Ask(QUESTIONS[0], 4, "zero@2", top=2, max_new_tokens=9))
    (choice,) = record["choices"]
    assert status == 200
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == asked["text"]
    assert choice["message"]["thoughts"] == asked["thoughts"]
    assert (record["object"], record["model"], choice["index"]) == ("chat.completion", "tiny", 0)
    prompt, said = asked["tokens"]["prompt"], asked["tokens"]["answer"]
    assert record["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": 4 + said,
        "total_tokens": prompt + 4 + said,
        "completion_tokens_details": {"reasoning_tokens": 4},
    }


def test_why_it_ended_is_said(address: Address, llama: CoconutModel) -> None:
    reasons = set()
    for question in QUESTIONS:
        for words in (2, 100):
            body = {"messages": [{"role": "user", "content": question}], "max_completion_tokens": words}
            (choice,) = address.send(path=PATH, body=body)[1]["choices"]
            (answer,) = generate(llama, [question], max_new_tokens=words)
            assert choice["finish_reason"] == ("stop" if answer.finished else "length")
            assert events(address, body)[-1]["choices"][0]["finish_reason"] == choice["finish_reason"]
            reasons.add(choice["finish_reason"])
    assert reasons == {"stop", "length"}


def test_a_stream_puts_together_to_the_completion(address: Address) -> None:
    body = {"messages": [USER], "max_tokens": 9, "n": 2, "temperature": 1.5, "seed": 3}
    whole = address.send(path=PATH, body=body)[1]
    *chunks, used = events(address, body | {"stream_options": {"include_usage": True}})
    assert (used["choices"], used["usage"]) == ([], whole["usage"])
    assert len({chunk["id"] for chunk in chunks}) == 1
    for choice in whole["choices"]:
        pieces = [each for chunk in chunks for each in chunk["choices"] if each["index"] == choice["index"]]
        deltas = [piece["delta"] for piece in pieces]
        assert deltas[0] == {"role": "assistant", "content": ""}
        assert "".join(delta.get("content", "") for delta in deltas) == choice["message"]["content"]
        thoughts = [thought for delta in deltas for thought in delta.get("thoughts", [])]
        assert [each["index"] for each in thoughts] == [each["index"] for each in choice["message"]["thoughts"]]
        assert [piece["finish_reason"] for piece in pieces] == [None] * (len(pieces) - 1) + [
            choice["finish_reason"]
        ]


def test_choices_are_the_samples_of_their_seeds(address: Address) -> None:
    body = {"messages": [USER], "max_tokens": 9, "temperature": 1.5}
    record = address.send(path=PATH, body=body | {"n": 3, "seed": 3})[1]
    alone = [address.send(path=PATH, body=body | {"seed": seed})[1] for seed in (3, 4, 5)]
    said = [choice["message"]["content"] for choice in record["choices"]]
    assert said == [each["choices"][0]["message"]["content"] for each in alone]
    assert len(set(said)) > 1
    drawn = address.send(path=PATH, body=body)[1]
    again = address.send(path=PATH, body=body | {"seed": drawn["seed"]})[1]
    assert again["choices"][0]["message"]["content"] == drawn["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, '"messages"'),
        ({"messages": []}, "single questions"),
        ({"messages": ["Q?"]}, "must be objects"),
        ({"messages": [USER, {"role": "assistant", "content": "A."}, USER]}, "single questions"),
        ({"messages": [{"role": "system", "content": "Be brief."}, USER]}, "needs a chat template"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "must be text"),
        ({"messages": [{"role": "user", "content": 3}]}, "must be text"),
        ({"messages": [USER], "top_p": 0.5}, '"top_p" is not supported'),
        ({"messages": [USER], "stop": ["\n"]}, '"stop" is not supported'),
        ({"messages": [USER], "tools": [{"type": "function"}]}, '"tools" is not supported'),
        ({"messages": [USER], "response_format": {"type": "json_object"}}, '"response_format" is not'),
        ({"messages": [USER], "logprobs": True}, '"logprobs" is not supported'),
        ({"messages": [USER], "colour": 1}, "'colour' is not supported"),
        ({"messages": [USER], "n": 2}, "give one above 0"),
        ({"messages": [USER], "max_tokens": 0}, "the entry 'max_new_tokens' must be from 1 to 100000, not 0"),
        ({"messages": [USER], "stream": "yes"}, '"stream" must be true or false'),
        ({"messages": [USER], "stream_options": 3}, '"stream_options" must be'),
        ({"messages": [{"role": "user", "content": "Is Alex a blorb?"}]}, "'blorb'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_openais_form(
    address: Address, body: dict[str, Any], said: str
) -> None:
    status, record, _ = address.send(path=PATH, body=body)
    assert status == 400
    assert set(record["error"]) == {"message", "type", "param", "code"}
    assert said in record["error"]["message"]
    assert record["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"Authorization": "Bearer wrong"}, 401, "authentication_error"),
        ({"Host": "evil.example"}, 403, "permission_error"),
        ({"body": {"model": "gpt-4", "messages": [USER]}}, 404, "invalid_request_error"),
        ({"path": "/v1/embeddings"}, 404, "invalid_request_error"),
        ({"body": "x" * 70_000}, 413, "invalid_request_error"),
        ({"Content_Type": "text/plain"}, 415, "invalid_request_error"),
    ],
)
def test_so_is_everything_else(address: Address, change: dict[str, Any], status: int, kind: str) -> None:
    got, record, _ = address.send(**{"path": PATH, "body": {"messages": [USER]}} | change)
    assert (got, record["error"]["type"]) == (status, kind)


def test_options_that_ask_for_nothing_are_taken() -> None:
    neutral: dict[str, Any] = {
        "top_p": 1.0,
        "stop": None,
        "tools": [],
        "user": "x",
        "logprobs": False,
        "n": 1,
        "temperature": None,
    }
    chat = read_chat({"model": "m", "messages": [USER], "max_tokens": 10**5, **neutral}, "m", 64)
    assert chat.ask == Ask(QUESTIONS[0], max_new_tokens=64)
    parts = [{"type": "text", "text": "Is Alex "}, {"type": "text", "text": "a lempus?"}]
    assert (
        read_chat({"messages": [{"role": "user", "content": parts}]}, "m", 64).ask.question
        == "Is Alex a lempus?"
    )


def test_a_chat_model_is_given_the_system_prompt(instruct: CoconutModel) -> None:
    system, question = (
        {"role": "system", "content": "Say <|im_end|> twice."},
        {"role": "user", "content": "Hi?"},
    )
    prompt = instruct.encode_prompt("Hi?", "Say <|im_end|> twice.")
    assert instruct.tokenizer.decode(prompt).startswith("<|im_start|>system\nSay <|im_end|> twice.<|im_end|>\n")
    assert prompt.count(instruct.tokenizer.convert_tokens_to_ids("<|im_end|>")) == 2, (
        "what it spells out is text"
    )
    with batching(instruct) as batcher, serving(batcher) as address:
        body = {"messages": [system, question], "max_tokens": 5, "thoughts": 2}
        status, record, _ = address.send(path=PATH, body=body)
        assert (status, record["usage"]["prompt_tokens"]) == (200, len(prompt))
        plain = address.send(path=PATH, body=body | {"messages": [question]})[1]
        assert plain["usage"]["prompt_tokens"] == len(instruct.encode_prompt("Hi?"))


def test_openais_own_client_asks(address: Address) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{address.port}/v1", api_key=TOKEN, max_retries=0)
    (model,) = client.models.list()
    asked = {"model": model.id, "messages": [USER], "max_tokens": 9}
    completion = client.chat.completions.create(**asked, extra_body={"thoughts": 4})
    (choice,) = completion.choices
    assert [thought["index"] for thought in choice.message.thoughts] == [1, 2, 3, 4]
    assert completion.usage.completion_tokens_details.reasoning_tokens == 4
    pieces = list(client.chat.completions.create(**asked, stream=True, extra_body={"thoughts": 4}))
    said = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert said == choice.message.content
    with pytest.raises(openai.NotFoundError, match="this server answers with"):
        client.chat.completions.create(**asked | {"model": "gpt-4"})
    with pytest.raises(openai.BadRequestError, match="not supported"):
        client.chat.completions.create(**asked, top_p=0.5)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=client.base_url, api_key="wrong", max_retries=0).models.list()
    client.close()


def test_an_error_in_a_stream_is_its_last_event(address: Address) -> None:
    *chunks, last = events(address, {"messages": [USER], "do": "scale 3e38@1"})
    assert chunks[0]["object"] == "chat.completion.chunk"
    assert "the numbers overflow" in last["error"]["message"]
