"""coconut ask --server: the same output, from a model that is loaded elsewhere. Imports no torch."""

import json
import sys
from typing import Any

import typer

from coconut_core.cli.cut_off import tell_cut_off
from coconut_core.cli.samples import count_answers, say_seed
from coconut_core.common.errors import CoconutError
from coconut_core.server.asks import Ask
from coconut_core.server.client import Server
from coconut_core.terminal.guard import say

THE_SERVERS = (  # options of `ask` that `coconut serve` was told, or that need this machine's model or files
    *("model", "base", "passes", "input_file", "data", "device", "dtype", "device_map"),
    *("feedback", "chat", "chat_template", "system", "markers", "explain"),
)


def ask_remotely(url: str, token: str | None, context: typer.Context) -> None:
    """Ask a server what `coconut ask` was told, and print what comes back as `coconut ask` does."""
    _check(context)
    server = Server(url, token)
    parameters = context.params
    ask = Ask(
        question=_question(server, parameters["question"], parameters["example"]),
        thoughts=parameters["thoughts"],
        do="; ".join(parameters["do"] or []),
        top=parameters["top_k"],
        max_new_tokens=parameters["max_new_tokens"],
        temperature=parameters["temperature"],
        seed=parameters["seed"],
        until_entropy=parameters["until_entropy"],
        entropy_steps=parameters["entropy_steps"],
        trace=parameters["trace"] and not parameters["as_json"],
        samples=parameters["samples"],
    )
    record = server.ask(ask)
    try:
        _tell(record, parameters["as_json"], ask, url)
        samples = record.get("samples", [record])
        runs = [(sample.get("stopped_by"), str(sample["text"])) for sample in samples]
    except (KeyError, TypeError, AttributeError) as error:
        raise CoconutError(f"{url} is no coconut server: its answer is damaged ({error!r})") from error
    tell_cut_off(runs, ask.max_new_tokens)


def _check(context: typer.Context) -> None:
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in THE_SERVERS and source is not None and source.name == "COMMANDLINE":
            raise CoconutError(
                f"{parameter.opts[0]} does not go with --server, which runs elsewhere: leave it out"
            )


def _question(server: Server, text: str | None, example: int | None) -> str:
    if (text is None) == (example is None):
        raise CoconutError("give one question: as text, as - (stdin) or with --example N")
    if text is not None:
        return sys.stdin.read() if text == "-" else text
    from coconut_core.problems import example_problem
    from coconut_core.problems.families import family_named
    from coconut_core.problems.trained_size import size_in

    assert example is not None
    model = server.model()
    family, record = model.get("family"), model.get("problem_size")
    size = size_in(family_named(family), record) if family and record else None
    return example_problem(family, example, size).question


def _tell(record: dict[str, Any], as_json: bool, ask: Ask, url: str) -> None:
    answers = record["samples"] if ask.samples > 1 else [{"seed": ask.seed, **record}]
    if not answers[0]["trained"]:
        label = str(answers[0]["thoughts_used"]).removeprefix("UNKNOWN: ")
        say(f"note: {answers[0]['model']} was {label}", err=True)
    if as_json:
        say(json.dumps(record, ensure_ascii=False))
        return
    for answer in answers:
        if ask.trace:
            say_seed(answer["seed"], ask.samples)
        _tell_one(answer, ask.trace, url)
    count_answers([answer["answer"] for answer in answers], [answer["seed"] for answer in answers])


def _tell_one(record: dict[str, Any], with_trace: bool, url: str) -> None:
    from coconut_core.records.trace import Trace
    from coconut_core.terminal.show import print_trace, say_conclusion

    without = f"without {record['done']}" if "done" in record else ""
    if with_trace:
        trace = Trace.from_json(record["trace"], url)
        print_trace(trace)
        if without:
            say(f"{without}: {record['answer_without']}")
        say_conclusion(trace)
        return
    say(record["answer"])
    if without:
        say(f"note: {without} it says: {record['answer_without']}", err=True)
