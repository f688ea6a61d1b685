"""coconut eval: accuracy of a checkpoint on a problem file, with one number of thoughts or with several."""

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.cli.evaluation_report import EvaluationReport
from coconut_core.common.errors import CoconutError
from coconut_core.common.processes import current
from coconut_core.common.whole_files import written_aside
from coconut_core.terminal import options
from coconut_core.terminal.guard import say
from coconut_core.terminal.processes import over_processes, resolved

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel
    from coconut_core.evaluation.evaluate import Evaluation
    from coconut_core.latent.config import CoconutConfig
    from coconut_core.problems import Problem
    from coconut_core.runs.halting import StopRule

MOST_NUMBERS = 100  # of thoughts in one sweep; more is a slip of the finger


@dataclass(frozen=True)
class _Answering:
    """Which problems are answered, and how."""

    free: Annotated[
        bool | None,
        typer.Option(
            "--free/--answer-only",
            help="After the thoughts: reason in words, or answer at once. Default: answer at once, "
            "with several numbers of thoughts reason in words.",
            show_default=False,
        ),
    ] = None
    limit: options.Count = None
    batch_size: options.BatchSize = 64
    max_new_tokens: Annotated[
        int | None,
        typer.Option(help="Most words of an answer, reasoning included. Default: 128.", show_default=False),
    ] = None
    official: Annotated[
        bool,
        typer.Option(
            "--official", help="Decode and score exactly as the paper's own code; compare these figures."
        ),
    ] = False
    answer_prefix: Annotated[
        str | None,
        typer.Option(
            help="What a model that was not trained to say one says in front of its answer, such as ####. "
            "Default: the last number of its text counts.",
            metavar="TEXT",
            show_default=False,
            rich_help_panel=options.UNTRAINED,
        ),
    ] = None

    def most_words(self, data: Path) -> int:
        """The most words of an answer. Raises CoconutError for options that do not go together."""
        # By default the official code's own numbers, with which it tells GSM8k by the file's name.
        default = 64 if self.official and "gsm" in str(data) else 128
        most = default if self.max_new_tokens is None else self.max_new_tokens
        if self.official and self.free is False:
            raise CoconutError(
                "the official evaluation lets the model speak: leave out --answer-only or --official"
            )
        if self.batch_size < 1 or most < 1 or (self.limit is not None and self.limit < 1):
            raise CoconutError("batch-size, max-new-tokens and limit must be 1 or more")
        return most


@dataclass(frozen=True)
class _Files:
    """What is written besides."""

    plot: Annotated[
        str | None,
        typer.Option(
            help="Write the figure as SVG; - draws it in the terminal.",
            metavar="FILE",
            callback=options.expanded_source,
        ),
    ] = None
    failures: Annotated[
        Path | None,
        typer.Option(
            help="Write what was answered wrongly, as JSON lines.", metavar="FILE", callback=options.expanded
        ),
    ] = None

    def check(self, data: Path, printing: options.Printing) -> None:
        """Raises CoconutError for files that cannot be written, and for more than one thing on stdout."""
        from coconut_core.common.paths import check_outputs

        if printing.as_json and (printing.markdown or self.plot == "-"):
            raise CoconutError("--json prints nothing but JSON: leave out --markdown, and give --plot a file")
        if self.plot is not None and self.plot != "-" and not self.plot.endswith(".svg"):
            raise CoconutError(f"--plot writes SVG: give it a name that ends in .svg, or -, not '{self.plot}'")
        check_outputs([self.failures, self.plot], [data])


Numbers = Annotated[
    str | None,
    typer.Option(
        "--thoughts",
        "-n",
        help="Continuous thoughts: a number, or 0..6 or 0,2,4 for one run with each. "
        "Default: what the checkpoint says.",
    ),
]


@options.grouped
@over_processes
def evaluate_command(
    *,
    data: options.Data,
    source: options.Source,
    thoughts: Numbers = None,
    passes: options.Passes = None,
    answering: _Answering,
    files: _Files,
    placement: options.Placement,
    compiled: options.Compiled = False,
    untrained: options.Untrained,
    ending: options.Ending,
    printing: options.Printing,
) -> None:
    """Accuracy with its 95 % interval, what the answers cost, and for graph problems what was said.

    By default thoughts alone do the reasoning: the answer follows them at once.

    --thoughts 0 shows what they are worth; 0..6 takes that many, then goes on in words, for each number.

    Over several processes or GPUs: torchrun --nproc_per_node N -m coconut_core eval …; the output is the same.
    """
    from coconut_core.problems import read_some_problems

    choice = options.model_choice(source, placement, untrained, passes, compiled)
    numbers = None if thoughts is None else read_numbers(thoughts)
    most_words = answering.most_words(data)
    files.check(data, printing)
    problems = read_some_problems(data, answering.limit, answered=True)
    stop = ending.rule()
    opened = options.open_model(resolved(choice), max(numbers) if numbers else None)
    if answering.answer_prefix is not None:
        opened.config = _with_prefix(opened.config, answering.answer_prefix)
    is_sweep = thoughts is not None and not thoughts.strip().isdigit()
    in_words = answering.official or (is_sweep if answering.free is None else answering.free)
    results = _evaluate_each(
        opened,
        problems,
        numbers or [None],
        answer_only=not in_words,
        max_new_tokens=most_words,
        batch_size=answering.batch_size,
        stop=stop,
        official=answering.official,
    )
    if not current().is_main:
        return
    thinking = _thinking(opened, numbers[0] if numbers else None, stop)
    report = EvaluationReport(results, is_sweep, in_words, answering.official, thinking)
    report.print(opened, data, printing)
    _tell_errors(results)
    _tell_no_answers(results, opened.config.answer_prefix)
    if files.failures is not None:
        _write_failures(files.failures, problems, results)
    figure = report.figure(f"{opened.name} on {data.name}")
    if files.plot is not None and files.plot != "-":
        figure.save_svg(files.plot)
    elif files.plot == "-" or (sys.stdout.isatty() and not (printing.as_json or printing.markdown)):
        say("\n" + figure.to_text(width=min(100, shutil.get_terminal_size().columns)))


def _thinking(model: "CoconutModel", thoughts: int | None, stop: "StopRule | None") -> str:
    from coconut_core.runs.halting import choose_ending
    from coconut_core.runs.passes import in_passes

    ending = choose_ending(model, thoughts, stop)
    return str(ending).removeprefix("takes ") + in_passes(model.config.passes)


def _with_prefix(config: "CoconutConfig", answer_prefix: str) -> "CoconutConfig":
    """Raises CoconutError for a model that was trained to say another answer prefix."""
    if config.answer_prefix not in ("", answer_prefix):
        raise CoconutError(
            f"this model was trained to say '{config.answer_prefix}' in front of its answers: leave out "
            "--answer-prefix"
        )
    return replace(config, answer_prefix=answer_prefix)


def _tell_no_answers(results: "Mapping[int, Evaluation]", answer_prefix: str) -> None:
    """Warn where nothing in most texts could be taken for an answer."""
    missing, count = (
        sum(column) for column in zip(*((r.no_answer, r.count) for r in results.values()), strict=True)
    )
    if 2 * missing > count:
        mark = f"'{answer_prefix}'" if answer_prefix else "a number"
        say(
            f"warning: no answer was found in {missing} of {count} texts, where {mark} was looked for: "
            "--failures writes them to a file; --free and --max-new-tokens let a model say more",
            err=True,
        )


def read_numbers(text: str) -> list[int]:
    """Numbers of thoughts from "3", "0..6", "0,2,4" or a mixture, each once and in order of appearance."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,6})(?:\s*\.\.\s*([0-9]{1,6}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise CoconutError(f"--thoughts takes a number (3), a range (0..6) or a list (0,2,4), not '{text}'")
        if last - first >= MOST_NUMBERS:
            raise CoconutError(f"--thoughts {part} is more than {MOST_NUMBERS} numbers: name fewer")
        numbers += range(first, last + 1)
    return list(dict.fromkeys(numbers))


def _evaluate_each(
    model: "CoconutModel", problems: "Sequence[Problem]", numbers: Sequence[int | None], **choices: Any
) -> "dict[int, Evaluation]":
    """One evaluation for each number of thoughts, with a progress bar where somebody watches.

    None lets thinking end as the checkpoint says, and stands under the checkpoint's number.
    """
    from rich.console import Console
    from rich.progress import Progress

    from coconut_core.evaluation.evaluate import evaluate

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("evaluating", total=len(problems) * len(numbers))
        return {
            model.config.thoughts if number is None else number: evaluate(
                model, problems, thoughts=number, progress=lambda count: bar.advance(task, count), **choices
            )
            for number in numbers
        }


def _tell_errors(results: "Mapping[int, Evaluation]") -> None:
    for number, result in results.items():
        if errors := result.errors:
            behind = "" if len(results) == 1 else f" behind {number} thoughts"
            say(
                f"note: {len(errors)} of {result.count} problems have no answer{behind} and count as "
                f"not right, the first with: {errors[0]}",
                err=True,
            )


def _write_failures(path: Path, problems: "Sequence[Problem]", results: "Mapping[int, Evaluation]") -> None:
    lines = [
        json.dumps(
            {
                "thoughts": number,
                "question": problem.question,
                "expected": problem.answer,
                "said": answer.text,
                "outcome": outcome,
                "hops": hops,
                "finished": answer.finished,
                "stopped_by": answer.stopped_by,
                **({"error": answer.error} if answer.error else {}),
            },
            ensure_ascii=False,
        )
        for number, result in results.items()
        for problem, answer, outcome, hops, ok in zip(
            problems, result.answers, result.outcomes, result.hops, result.right, strict=True
        )
        if not ok
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as file:
            file.writelines(f"{line}\n" for line in lines)
    except (OSError, UnicodeEncodeError) as error:
        raise CoconutError(f"cannot write {path}: {error}") from error
    say(f"wrote {len(lines)} wrong answers to {path}", err=True)
