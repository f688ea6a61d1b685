"""What OpenAI's clients send and expect, as far as a model that thinks in latents can be asked it.

A request becomes an Ask, an answer becomes a chat completion with the thoughts as an extra field; no torch is
needed.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.server.asks import Ask

PREFIX = "/v1/"  # of the routes
WORDS = 512  # of an answer for which no number is asked
OWN = ("thoughts", "do", "top", "until_entropy", "entropy_steps")  # fields of an Ask, beside OpenAI's
IGNORED = ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key")
NEUTRAL: dict[str, Sequence[Any]] = {  # options that are not there, and the values that ask for nothing
    "top_p": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "stop": ([],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class UnknownModelError(CoconutError):
    """A model that is not the one that is served."""


@dataclass(frozen=True)
class Chat:
    """A request for a chat completion."""

    ask: Ask
    model: str
    usage: bool  # whether a stream ends with what was used


def read_chat(record: Any, model: str, most: int) -> Chat:
    """Read a request; most is how many words an answer may have, to which more is cut down.

    Raises CoconutError in one line for what cannot be asked, and UnknownModelError.
    """
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        raise CoconutError('send a JSON object with "model" and "messages"')
    given = {name: value for name, value in record.items() if value is not None and name not in IGNORED}
    if given.pop("model", model) != model:
        raise UnknownModelError(f"this server answers with '{model}' only: name that as the model")
    system, question = _read_messages(given.pop("messages"))
    for name, values in NEUTRAL.items():
        if given.pop(name, values[0]) not in values:
            raise CoconutError(f'"{name}" is not supported: leave it out')
    options = given.pop("stream_options", {})
    if not isinstance(options, dict) or not isinstance(options.get("include_usage", False), bool):
        raise CoconutError('"stream_options" must be an object such as {"include_usage": true}')
    words = [given.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
    fields = {name: given.pop(name) for name in ("temperature", "seed", "stream", *OWN) if name in given}
    fields["samples"] = given.pop("n", 1)
    fields["max_new_tokens"] = next((number for number in words if number is not None), WORDS)
    if given:
        raise CoconutError(f"{next(iter(given))!r:.60} is not supported: leave it out")
    if system is not None:
        fields["system"] = system
    stream = fields.pop("stream", False)
    ask = Ask.from_json({"question": question, **fields})
    if not isinstance(stream, bool):
        raise CoconutError('"stream" must be true or false')
    if "seed" not in fields and ask.temperature > 0:
        ask = replace(ask, seed=secrets.randbelow(2**31))
    ask = replace(ask, max_new_tokens=min(ask.max_new_tokens, most), stream=stream)
    return Chat(ask, model, bool(options.get("include_usage")))


def _read_messages(messages: list[Any]) -> tuple[str | None, str]:
    """The system prompt, if there is one, and the question."""
    if not all(isinstance(message, dict) for message in messages):
        raise CoconutError('"messages" must be objects such as {"role": "user", "content": "…"}')
    roles = ["system" if message.get("role") == "developer" else message.get("role") for message in messages]
    if roles not in (["user"], ["system", "user"]):
        raise CoconutError(
            '"messages" must be one of the user, with or without one of the system in front: this server '
            "answers single questions"
        )
    *system, question = (_read_content(message.get("content")) for message in messages)
    return (system[0] if system else None), question


def _read_content(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) and content else [None]
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise CoconutError('the "content" of a message must be text')
    return "".join(map(str, texts))


# -- what is answered ----------------------------------------------------------------------------------------


def error_record(status: int, message: str) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = "model_not_found" if status == 404 and "only: name that" in message else None
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def model_record(name: str) -> dict[str, Any]:
    """The model that is served."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "coconut"}


class Completion:
    """A chat completion: as one object, or as the chunks of a stream."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": chat.model,
        }

    def whole(self, answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The completion; answers are what an ask is answered with, one for each choice."""
        choices = [
            {
                "index": index,
                "message": {
                    "role": "assistant",
                    "content": answer["text"],
                    "refusal": None,
                    "answer": answer["answer"],
                    "thoughts": answer["thoughts"],
                },
                "logprobs": None,
                "finish_reason": _reason(answer),
            }
            for index, answer in enumerate(answers)
        ]
        return {
            **self._head,
            "object": "chat.completion",
            "choices": choices,
            "usage": _usage(answers),
            **self._about(answers[0]),
        }

    def chunk(self, index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        """A piece of choice number index."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def last(self, index: int, answer: dict[str, Any]) -> dict[str, Any]:
        """The piece that ends choice number index."""
        return {**self.chunk(index, {}, _reason(answer)), **self._about(answer)}

    def used(self, answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """What was used, as the last chunk of a stream that asked for it."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(answers)}

    def _about(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Beside what OpenAI has: the first choice's seed, and whether the model uses its thoughts."""
        return {"seed": self.chat.ask.seed, "thoughts_used": answer["thoughts_used"]}


def _reason(answer: dict[str, Any]) -> str:
    return "stop" if answer["finished"] else "length"


def _usage(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    prompt = answers[0]["tokens"]["prompt"]
    thoughts = sum(answer["tokens"]["thoughts"] for answer in answers)
    completion = thoughts + sum(answer["tokens"]["answer"] for answer in answers)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": thoughts},
    }
