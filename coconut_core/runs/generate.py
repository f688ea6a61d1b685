"""Answers for many questions at once, as they are (generate) or with the thoughts behind them (run)."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor

from coconut_core.common.cells import shortened
from coconut_core.common.errors import CoconutError, describe_error
from coconut_core.common.notebook import bar, paragraph, table
from coconut_core.common.parquet import write_parquet
from coconut_core.common.reprs import brief
from coconut_core.common.text_stream import spoken_text
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import encode_text
from coconut_core.latent.readout import Readout, TokenProbability, readouts
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.records.stopping import END
from coconut_core.runs.decoding import check_temperature
from coconut_core.runs.halting import StopRule, endings_of, one_each
from coconut_core.runs.machine import Mode
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import (
    Keep,
    Recording,
    Row,
    in_batches,
    new_row,
    prompt_edits,
    read_prompts,
    run_rows,
)
from coconut_core.runs.shared import shared

Name = TypeVar("Name", bound=Hashable)
By = Literal["run", "thought"]  # what has a row of a table
SHOWN = 10  # runs that a notebook draws
COLUMNS = {
    "run": {"run": "int64", "question": "string", "right": "bool", "answer": "string", "expected": "string"}
    | {"text": "string", "thoughts": "int64", "tokens": "int64", "stopped_by": "string", "ended": "string"}
    | {"error": "string"},
    "thought": {"run": "int64", "question": "string", "right": "bool", "thought": "int64", "token": "string"}
    | {"probability": "float64", "entropy": "float64", "norm": "float64"},
}


@dataclass
class Answer:
    """What one question led to."""

    text: str = ""  # what was said, without markers
    token_ids: list[int] = field(default_factory=list)  # words said, end of text included, markers not
    thoughts: int = 0  # continuous thoughts taken
    finished: bool = False  # whether the end of text was said
    ended: list[str] = field(default_factory=list)  # why thinking ended, once a segment: see Ending.reason
    recording: Recording | None = None  # where it was asked for
    error: str = ""  # what ended it, where something went wrong; then nothing else is to be relied on
    stopped_by: str | None = (
        None  # "end", or what cut it off: "words" (max_new_tokens) or the model's "context"
    )
    closing: int = 1  # tokens that stand behind the thoughts, such as <eot>

    @property
    def tokens(self) -> int:
        """Tokens spent on the answer as the paper counts them: words, thoughts and the <eot> marker."""
        return len(self.token_ids) + self.thoughts + self.closing


@torch.inference_mode()
def generate(
    model: LatentModel,
    questions: Sequence[str | Sequence[int]],
    *,
    thoughts: int | Sequence[int] | None = None,
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    seed: int | Sequence[int] = 0,
    answer_only: bool = False,
    stop: StopRule | None = None,
    plans: Sequence[Plan | None] | None = None,
    keep: Keep = "nothing",
    speak: bool = True,
    passes: int | None = None,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
    raising: bool = True,
    interrupt: Callable[[], None] | None = None,
    ended: Callable[[int, Answer], None] | None = None,
) -> list[Answer]:
    """Answer every question, in order. The same words as one run at a time with the same seed. A question may
    be the token ids of its prompt, as encode_prompt gives them.

    Thinking ends as the checkpoint says; thoughts asks for exactly so many, of all or of each, stop for a rule
    that may end it before them, each row by itself.
    seed is that of all questions, or one for each.
    answer_only puts the model's answer prefix behind the thoughts, so that no reasoning can go into words.
    plans: what is done to the thoughts of each question. keep: what is recorded of them. Without speak a run
    ends with its thoughts. passes: in how many parallel passes thoughts are found, see latent.parallel.
    progress is called with the number of questions answered, batch by batch.
    raising: what goes wrong with one question, such as numbers that overflow, is raised; else it stands in its
    answer and the others are answered. A question that cannot be read and what goes wrong with all is raised.
    interrupt is called before each step: what it raises ends everything. ended is called with the number of a
    question, from 0, and its answer as soon as that has ended, in whatever order they do.
    """
    check_temperature(temperature)
    if keep not in get_args(Keep):
        raise CoconutError(f"keep is one of {', '.join(get_args(Keep))}, not {keep!r}")
    endings = endings_of(model, len(questions), thoughts, stop)
    prompts = [model.encode_prompt(each) if isinstance(each, str) else list(each) for each in questions]
    plans = one_each("plans", len(prompts), [None] * len(prompts) if plans is None else plans)
    forced = encode_text(model.tokenizer, model.config.answer_prefix) if answer_only else []
    seeds = one_each("seeds", len(prompts), [seed] * len(prompts) if isinstance(seed, int) else seed)
    begin = partial(new_row, model, forced=forced, max_new_tokens=max_new_tokens, temperature=temperature)

    def answer(numbers: list[int]) -> dict[int, Answer]:
        rows = {at: begin(len(prompts[at]), endings[at], plan=plans[at], seed=seeds[at]) for at in numbers}
        batch = [prompts[at] for at in numbers]
        context = read_prompts(model, batch, shortcut=keep == "nothing", edits=prompt_edits(rows.values()))
        run_named(model, context, rows, keep=keep, speak=speak, passes=passes, interrupt=interrupt, ended=ended)
        return _answers_of(model, rows, keep, raising)

    answers: dict[int, Answer] = {}
    for answered in shared(model, in_batches(prompts, batch_size), answer):
        answers |= answered
        if progress is not None:
            progress(len(answered))
    return [answers[number] for number in range(len(prompts))]


@dataclass(frozen=True)
class Runs:
    """What a model thought and said over many questions, in their order; `run` makes it.

    Tensors have a row for each run, filled up with zeros behind its thoughts (see mask), and may take part in a
    gradient. They hold the thoughts of the first latent segment, as they were fed.
    """

    model: LatentModel
    problems: tuple[Problem, ...]  # what was asked; the answer is empty where it is not known
    results: tuple[Answer, ...]  # with a recording each

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        known = [right for right in self.right if right is not None]
        score = f", {sum(known)} of {len(known)} right" if known else ""
        first = f", the first: {brief(self.answers[0])} to {brief(self.questions[0])}" if self.results else ""
        return f"Runs({len(self)}, thoughts {brief(self.thoughts)}{score}{first})"

    def _repr_html_(self) -> str:
        """What a notebook draws: the first runs, with the likeliest token of each thought."""
        said = zip(self.problems, self.answers, self.right, self._readouts[:SHOWN], strict=False)
        most = max(map(len, self._readouts[:SHOWN]), default=0)
        rows = [
            [str(number), escape(shortened(problem.question, 40)), escape(shortened(answer, 40))]
            + ["" if right is None else "✓" if right else f"✗ {escape(shortened(problem.answer, 30))}"]
            + [bar(f"{token.name} {token.probability:.2f}", token.probability) for token in likeliest]
            + [""] * (most - len(likeliest))
            for number, (problem, answer, right, of_run) in enumerate(said)
            for likeliest in ([readout.top(1)[0] for readout in of_run],)
        ]
        head = ["run", "question", "answer", "right", *(f"thought {place + 1}" for place in range(most))]
        more = paragraph(f"… and {len(self) - SHOWN} more") if len(self) > SHOWN else ""
        return (
            paragraph(repr(self).partition(", the first")[0].removesuffix(")") + ")") + table(head, rows) + more
        )

    @property
    def questions(self) -> list[str]:
        """What was asked."""
        return [problem.question for problem in self.problems]

    @property
    def answers(self) -> list[str]:
        """The answers within what was said, without the answer prefix; all of it is `results[…].text`."""
        prefix = self.model.config.answer_prefix
        return [final_answer(answer.text, prefix) for answer in self.results]

    @property
    def right(self) -> list[bool | None]:
        """Whether each answer is right; None where the expected one is not known, or the run broke off."""
        prefix = self.model.config.answer_prefix
        return [
            is_right(answer.text, problem, prefix) if problem.answer and not answer.error else None
            for problem, answer in zip(self.problems, self.results, strict=True)
        ]

    @property
    def recordings(self) -> list[Recording]:
        """What was kept of each run's thoughts, without filling."""
        return [answer.recording for answer in self.results if answer.recording is not None]

    @cached_property
    def thoughts(self) -> Tensor:
        """The thoughts (continuous thoughts, soft tokens), (runs, thoughts, hidden)."""
        return self._padded("thoughts")

    @cached_property
    def layers(self) -> Tensor:
        """The residual stream after each layer, before the final norm, at the positions that read the thoughts,
        (runs, thoughts, layers, hidden). Raises CoconutError where it was not kept (keep="inside")."""
        return self._padded("layers")

    @cached_property
    def mask(self) -> Tensor:
        """Whether a run took a thought, (runs, thoughts), bool."""
        counts = torch.tensor([len(recording.thoughts) for recording in self.recordings], dtype=torch.long)
        return (torch.arange(self.thoughts.shape[1]) < counts[:, None]).to(self.thoughts.device)

    def readouts(self, top: int = 5) -> list[list[list[TokenProbability]]]:
        """The likeliest tokens of each thought of each run, likeliest first."""
        return [[readout.top(top) for readout in row] for row in self._readouts]

    def rows(self, by: By = "run") -> list[dict[str, Any]]:
        """A flat dict for each run, or for each thought, as pandas.DataFrame takes them; see COLUMNS."""
        if by not in COLUMNS:
            raise CoconutError(f"rows go by {' or by '.join(COLUMNS)}, not by {by!r}")
        begun = [
            {"run": number, "question": question, "right": right}
            for number, (question, right) in enumerate(zip(self.questions, self.right, strict=True))
        ]
        if by == "run":
            return [
                row
                | {"answer": answer, "expected": problem.answer or None, "text": result.text}
                | {"thoughts": result.thoughts, "tokens": result.tokens, "stopped_by": result.stopped_by}
                | {"ended": ", ".join(result.ended), "error": result.error}
                for row, answer, problem, result in zip(
                    begun, self.answers, self.problems, self.results, strict=True
                )
            ]
        return [
            row
            | {"thought": place, "token": (likeliest := readout.top(1)[0]).name}
            | {"probability": likeliest.probability, "entropy": readout.entropy, "norm": readout.norm}
            for row, of_run in zip(begun, self._readouts, strict=True)
            for place, readout in enumerate(of_run, start=1)
        ]

    def to_parquet(self, path: str | Path, by: By = "run") -> None:
        """Write rows() as a Parquet file, which pandas, polars and DuckDB read. Raises CoconutError where it
        cannot be written."""
        write_parquet(path, self.rows(by), COLUMNS[by])

    @property
    def _readouts(self) -> list[tuple[Readout, ...]]:
        return [
            readouts(self.model, recording.thoughts) if len(recording.thoughts) else ()
            for recording in self.recordings
        ]

    @torch.inference_mode(False)
    def _padded(self, name: str) -> Tensor:
        tensors = [getattr(recording, name) for recording in self.recordings if len(recording.thoughts)]
        if any(tensor is None for tensor in tensors):
            raise CoconutError(f'the {name} of these runs were not kept: run them with keep="inside"')
        lengths = [len(recording.thoughts) for recording in self.recordings]
        rest = tensors[0].shape[1:] if tensors else [self.model.shape.hidden_size]
        size = [len(lengths), max(lengths, default=0), *rest]
        padded = torch.zeros(size, dtype=self.model.dtype, device=self.model.device)
        vectors = iter(tensors)
        for row, length in zip(padded, lengths, strict=True):
            row[:length] = next(vectors) if length else 0
        return padded


def run(
    model: LatentModel,
    questions: str | Problem | Sequence[str | Problem],
    *,
    keep: Literal["thoughts", "inside"] = "thoughts",
    **options: Any,
) -> Runs:
    """Let the model think and answer, and keep its thoughts: of one question or many, of problems where the
    expected answers are known. keep="inside" keeps what layers and heads put out too; options: see generate."""
    problems = as_problems(questions)
    answers = generate(model, [problem.question for problem in problems], keep=keep, **options)
    return Runs(model, problems, tuple(answers))


def as_problems(questions: str | Problem | Iterable[str | Problem]) -> tuple[Problem, ...]:
    """One question or many as problems; the answer of a text is not known. Raises CoconutError for others."""
    if isinstance(questions, str | Problem):
        return (as_problem(questions),)
    if not isinstance(questions, Iterable):
        raise CoconutError(f"a question is a text or a Problem, not {brief(questions)}")
    return tuple(map(as_problem, questions))


def as_problem(question: str | Problem) -> Problem:
    """A question as a problem; see as_problems."""
    if isinstance(question, Problem):
        return question
    if not isinstance(question, str):
        raise CoconutError(f"a question is a text or a Problem, not {brief(question)}")
    return Problem(question, (), "")


def _answers_of(model: LatentModel, rows: Mapping[int, Row], keep: Keep, raising: bool) -> dict[int, Answer]:
    """What rows led to, by number; with raising, the error of the first that has one is raised."""
    for row in rows.values() if raising else ():
        if row.error is not None:
            raise row.error
    return {number: answer_of(model, row, keep) for number, row in rows.items()}


def run_named(
    model: LatentModel,
    context: Context,
    rows: Mapping[Name, Row],
    *,
    interrupt: Callable[[], None] | None = None,
    ended: Callable[[Name, Answer], None] | None = None,
    keep: Keep = "nothing",
    **options: Any,
) -> None:
    """Run rows by name to their ends, see run_rows. interrupt is called before each step; ended is given name
    and answer of a row as soon as that has ended, but for those in which something went wrong."""
    every = [*rows.values()]
    if ended is None:
        run_rows(model, context, every, keep=keep, interrupt=interrupt, **options)
        return
    reported: set[Name] = set()

    def look() -> None:
        if interrupt is not None:
            interrupt()
        for name, row in rows.items():
            if name not in reported and row.machine.mode is Mode.FINISHED and row.error is None:
                reported.add(name)
                ended(name, answer_of(model, row, keep))

    run_rows(model, context, every, keep=keep, interrupt=look, **options)
    look()


def answer_of(model: LatentModel, row: Row, keep: Keep = "nothing") -> Answer:
    """What a row that was run led to."""
    return Answer(
        text=spoken_text(model.tokenizer, row.token_ids),
        token_ids=row.token_ids,
        thoughts=row.thought_count,
        finished=row.machine.stopped_by == END,
        stopped_by=row.machine.stopped_by,
        ended=row.ended,
        recording=None if keep == "nothing" else row.recording(),
        error="" if row.error is None else describe_error(row.error),
        closing=len(row.machine.behind),
    )
