"""coconut ask: one question, or a file of them."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.cli import options
from coconut_core.errors import CoconutError

if TYPE_CHECKING:
    from coconut_core.model import CoconutModel
    from coconut_core.trace import Trace

BATCH = 32


def ask(
    question: Annotated[str | None, typer.Argument(help="The question, or - to read it from stdin.")] = None,
    model: options.Model = "models/prosqa",
    thoughts: options.Thoughts = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show every thought's top tokens as bars.")] = False,
    as_json: options.Json = False,
    input_file: Annotated[
        Path | None, typer.Option("--input", help="Answer a JSONL file; one JSON line out per line in.")
    ] = None,
    example: Annotated[
        int | None, typer.Option(help="Ask example question number N of the model's problem family.")
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="Tokens shown of each thought.")] = 5,
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 64,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest word, more samples.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    feedback: options.Feedback = None,
) -> None:
    """Ask a model; prints the answer and nothing else.

    Examples:

      coconut ask --model models/prosqa --example 1 --trace

      echo "…" | coconut ask --model models/prosqa --json -
    """
    from coconut_core.config import check_thoughts
    from coconut_core.decoding import check_temperature
    from coconut_core.problems import example_problem, recognise
    from coconut_core.readout import check_top_k

    check_temperature(temperature)
    check_top_k(top_k)
    if thoughts is not None:
        check_thoughts(thoughts)
    if max_new_tokens < 1:
        raise CoconutError(f"max-new-tokens must be 1 or more, not {max_new_tokens}")
    if sum(source is not None for source in (question, input_file, example)) != 1:
        raise CoconutError("give one question: as text, as - (stdin), with --example N or with --input FILE")
    sampling = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    if input_file is not None:
        _answer_file(input_file, lambda: options.open_model(model, device, dtype, feedback), thoughts, sampling)
        return
    text = sys.stdin.read() if question == "-" else question
    began = time.perf_counter()
    opened = options.open_model(model, device, dtype, feedback)
    loaded = time.perf_counter()
    problem = example_problem(opened.config.family, example) if example is not None else recognise(text or "")
    run = opened.start(problem.question if text is None and problem else text or "", thoughts, **sampling)
    run.finish()
    done = time.perf_counter()
    if not (trace or as_json):
        typer.echo(answer_of(run.text, opened.config.answer_prefix))
        return
    from coconut_core.trace import trace_session

    seen = trace_session(run, top_k, problem)
    if as_json:
        timings = {"load_seconds": round(loaded - began, 4), "answer_seconds": round(done - loaded, 4)}
        typer.echo(json.dumps(json_answer(seen, opened, timings), ensure_ascii=False))
    else:
        from coconut_core.cli.show import print_trace

        print_trace(seen, opened.config.answer_prefix)
        typer.echo(thinking_line(seen))


def answer_of(text: str, answer_prefix: str) -> str:
    """The answer within what was said; all of it where the model reasoned in words without concluding."""
    from coconut_core.evaluate import final_answer

    return final_answer(text, answer_prefix)


def thinking_line(trace: "Trace") -> str:
    """How thinking was to end, how many thoughts were taken and why it ended, in words."""
    ended = f", ended by: {', '.join(trace.ended)}" if trace.ended else ""
    return f"{trace.settings['thinking']}: took {len(trace.thoughts())}{ended}"


def json_answer(trace: "Trace", model: "CoconutModel", timings: dict[str, float]) -> dict[str, Any]:
    """The JSON object that `ask --json` prints."""
    prefix = model.config.answer_prefix
    expected = trace.problem.answer if trace.problem is not None and trace.problem.answer else None
    answer = answer_of(trace.text, prefix)
    spoken = sum(step.kind == "token" for step in trace.steps)
    return {
        "question": trace.question,
        "answer": answer,
        "text": trace.text,
        "finished": trace.finished,
        "thoughts": [
            {
                "index": step.index,
                "top": [{"token": item.token, "probability": round(item.probability, 6)} for item in step.top],
                "entropy": round(step.entropy, 6),
                "norm": round(step.norm, 6),
            }
            for step in trace.thoughts()
        ],
        "tokens": {"prompt": len(trace.prompt), "thoughts": len(trace.thoughts()), "answer": spoken},
        "thinking": trace.settings["thinking"],
        "thinking_ended": trace.ended,
        "timings": timings,
        "model": model.name,
        "trained": model.config.trained,
        **({} if expected is None else {"expected": expected, "right": answer == expected}),
    }


def _answer_file(path: Path, open_model: Any, thoughts: int | None, sampling: dict[str, Any]) -> None:
    """One JSON line out for each line in, in order; a bad line gets an error object."""
    if not path.is_file():
        raise CoconutError(f"there is no file {path}")
    model: CoconutModel = open_model()
    from rich.console import Console
    from rich.progress import Progress

    with path.open(encoding="utf-8", errors="replace") as lines:
        total = sum(1 for _ in lines)
    with (
        path.open(encoding="utf-8", errors="replace") as lines,
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar,
    ):
        task = bar.add_task("answering", total=total)
        for batch in _batches(lines):
            for record in _answer_batch(model, batch, thoughts, sampling):
                sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            bar.advance(task, len(batch))


def _batches(lines: Iterator[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _answer_batch(
    model: "CoconutModel", lines: list[str], thoughts: int | None, sampling: dict[str, Any]
) -> list[dict[str, Any]]:
    from coconut_core.generate import generate

    records: list[dict[str, Any]] = []
    for line in lines:
        try:
            question = _question_of(line)
            model.encode_prompt(question)
            records.append({"question": question})
        except CoconutError as error:
            records.append({"error": str(error)})
    good = [record for record in records if "error" not in record]
    answers = generate(model, [record["question"] for record in good], thoughts=thoughts, **sampling)
    for record, answer in zip(good, answers, strict=True):
        record["answer"] = answer_of(answer.text, model.config.answer_prefix)
        record["text"] = answer.text
        record["thoughts"] = answer.thoughts
        record["thinking_ended"] = answer.ended
        record["tokens"] = answer.tokens
        record["finished"] = answer.finished
    return records


def _question_of(line: str) -> str:
    """A JSON object with "question", or a JSON text."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CoconutError(f"not valid JSON: {error}") from error
    question = value.get("question") if isinstance(value, dict) else value
    if not isinstance(question, str):
        raise CoconutError('a line must be {"question": "…"} or a JSON text')
    return question
