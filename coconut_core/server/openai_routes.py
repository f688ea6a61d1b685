"""Routes that OpenAI's clients know: the model, and chat completions."""

from functools import partial
from typing import Any

from aiohttp import web

from coconut_core.records.answer_record import thought_record
from coconut_core.server.answering import TakenStep, answers
from coconut_core.server.openai_records import (
    PREFIX,
    Chat,
    Completion,
    UnknownModelError,
    model_record,
    read_chat,
)
from coconut_core.server.service import Service, Stream, read_json, reply, respond


def routes(service: Service) -> list[web.RouteDef]:
    """GET /v1/models, GET /v1/models/NAME and POST /v1/chat/completions."""
    return [
        web.get(f"{PREFIX}models", partial(_models, service)),
        web.get(f"{PREFIX}models/{{name:.+}}", partial(_model, service)),
        web.post(f"{PREFIX}chat/completions", partial(_complete, service)),
    ]


async def _models(service: Service, request: web.Request) -> web.StreamResponse:
    return reply({"object": "list", "data": [model_record(_name(service))]})


async def _model(service: Service, request: web.Request) -> web.StreamResponse:
    if request.match_info["name"] != _name(service):
        raise UnknownModelError(f"this server answers with '{_name(service)}' only: name that as the model")
    return reply(model_record(_name(service)))


def _name(service: Service) -> str:
    return str(service.facts["model"])


async def _complete(service: Service, request: web.Request) -> web.StreamResponse:
    stream = Stream(request)

    async def work() -> web.StreamResponse | None:
        chat = read_chat(await read_json(request), _name(service), service.batcher.limits.steps)
        completion = Completion(chat)
        if chat.ask.stream:
            await _stream(service, stream, chat, completion)
            return None
        return reply(completion.whole(await answers(service.batcher, chat.ask.each())))

    return await respond(service, stream, work)


async def _stream(service: Service, stream: Stream, chat: Chat, completion: Completion) -> None:
    async def tell(taken: TakenStep) -> None:
        if not begun[taken.number]:
            begun[taken.number] = True
            await stream.write(completion.chunk(taken.number, {"role": "assistant", "content": ""}))
        delta: dict[str, Any] = {"content": taken.added} if taken.added else {}
        if taken.step.kind == "thought":
            delta["thoughts"] = [thought_record(taken.step)]
        if delta:
            await stream.write(completion.chunk(taken.number, delta))

    begun = [False] * chat.ask.samples
    records = await answers(service.batcher, chat.ask.each(), tell)
    for number, answer in enumerate(records):
        await stream.write(completion.last(number, answer))
    if chat.usage:
        await stream.write(completion.used(records))
    await stream.write_text("[DONE]")
