"""coconut ask --input: a file of questions, an answer or an error in each line."""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from coconut_core.common.errors import CoconutError
from coconut_core.common.seeds import seed_behind
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal.guard import say
from coconut_core.terminal.options import open_model

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel

BATCH = 32


def answer_file(path: Path, choice: ModelChoice, thoughts: int | None, sampling: dict[str, Any]) -> None:
    """One JSON line out for each line in, in order; a bad line gets an error object."""
    from rich.console import Console
    from rich.progress import Progress

    with (
        _opened(path) as lines,
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar,
    ):
        total = None
        if lines.seekable():
            total = sum(1 for _ in lines)
            lines.seek(0)
        model = open_model(choice, thoughts)
        task = bar.add_task("answering", total=total)
        for number, batch in enumerate(_batches(lines)):
            seeds = [seed_behind(sampling["seed"], BATCH * number + place) for place in range(len(batch))]
            for record in _answer_batch(model, batch, thoughts, {**sampling, "seed": seeds}):
                say(json.dumps(record, ensure_ascii=False))
            bar.advance(task, len(batch))


def _opened(path: Path) -> AbstractContextManager[TextIO]:
    """A file or pipe of questions, read once; - is stdin."""
    if str(path) == "-":
        return nullcontext(sys.stdin)
    try:
        return path.open(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise CoconutError(f"there is no file {path}") from None
    except OSError as error:
        raise CoconutError(f"cannot read {path}: {error.strerror or error}") from error


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
    from coconut_core.records.answers import final_answer
    from coconut_core.runs.generate import generate

    records: list[dict[str, Any]] = []
    is_sampled = sampling["temperature"] > 0
    for line, seed in zip(lines, sampling["seed"], strict=True):
        try:
            question = _question_of(line)
            model.encode_prompt(question)
            records.append({"question": question, **({"seed": seed} if is_sampled else {})})
        except CoconutError as error:
            records.append({"error": str(error)})
    good = [record for record in records if "error" not in record]
    seeds = [seed for seed, record in zip(sampling["seed"], records, strict=True) if "error" not in record]
    answers = generate(
        model,
        [record["question"] for record in good],
        thoughts=thoughts,
        raising=False,
        **{**sampling, "seed": seeds},
    )
    for record, answer in zip(good, answers, strict=True):
        if answer.error:
            record["error"] = answer.error
            continue
        record["answer"] = final_answer(answer.text, model.config.answer_prefix)
        record["text"] = answer.text
        record["thoughts"] = answer.thoughts
        record["thinking_ended"] = answer.ended
        record["tokens"] = answer.tokens
        record["finished"] = answer.finished
        record["stopped_by"] = answer.stopped_by
        record["trained"] = model.config.trained
    return records


def _question_of(line: str) -> str:
    """A JSON object with "question", or a JSON text."""
    from coconut_core.problems.files import not_json

    try:
        value = json.loads(line.removeprefix("\ufeff"))  # the byte order mark, which stdin keeps
    except (ValueError, RecursionError) as error:
        raise CoconutError(not_json(error)) from error
    question = value.get("question") if isinstance(value, dict) else value
    if not isinstance(question, str):
        raise CoconutError('a line must be {"question": "…"} or a JSON text')
    return question
