"""coconut eval: accuracy of a checkpoint on a problem file, with one number of thoughts or with several."""

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.common.markdown import markdown_table
from coconut_core.common.whole_files import written_aside
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel
    from coconut_core.common.plots import Figure
    from coconut_core.evaluation.evaluate import Evaluation
    from coconut_core.evaluation.significance import Share
    from coconut_core.latent.config import CoconutConfig
    from coconut_core.problems import Problem

Table = list[list[str]]  # the first row is the head
MOST_NUMBERS = 100  # of thoughts in one sweep; more is a slip of the finger


@options.opens_model(
    data=options.SOURCE, thoughts=["passes"], failures=(*options.PLACE, "compiled", *options.HOW)
)
def evaluate_command(
    choice: ModelChoice,
    data: Annotated[
        Path,
        typer.Option(
            "--data", "-d", help="Problem file in the official JSON layout.", callback=options.expanded
        ),
    ],
    thoughts: Annotated[
        str | None,
        typer.Option(
            "--thoughts",
            "-n",
            help="Continuous thoughts: a number, or 0..6 or 0,2,4 for one run with each. "
            "Default: what the checkpoint says.",
        ),
    ] = None,
    free: Annotated[
        bool | None,
        typer.Option(
            "--free/--answer-only",
            help="After the thoughts: reason in words, or answer at once. Default: answer at once, "
            "with several numbers of thoughts reason in words.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N problems.")] = None,
    batch_size: Annotated[int, typer.Option(help="Questions at a time.")] = 64,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(help="Most words of an answer, reasoning included. Default: 128.", show_default=False),
    ] = None,
    official: Annotated[
        bool,
        typer.Option(
            "--official", help="Decode and score exactly as the paper's own code; compare these figures."
        ),
    ] = False,
    answer_prefix: Annotated[
        str | None,
        typer.Option(
            help="What a model that was not trained to say one says in front of its answer, such as ####. "
            "Default: the last number of its text counts.",
            metavar="TEXT",
            show_default=False,
            rich_help_panel=options.UNTRAINED,
        ),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            help="Write the figure as SVG; - draws it in the terminal.",
            metavar="FILE",
            callback=options.expanded_source,
        ),
    ] = None,
    failures: Annotated[
        Path | None,
        typer.Option(
            help="Write what was answered wrongly, as JSON lines.", metavar="FILE", callback=options.expanded
        ),
    ] = None,
    until_entropy: options.UntilEntropy = None,
    entropy_steps: options.EntropySteps = 1,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_json: options.Json = False,
) -> None:
    """Accuracy with its 95 % interval, what the answers cost, and for graph problems what was said.

    By default thoughts alone do the reasoning: the answer follows them at once.

    --thoughts 0 shows what they are worth; 0..6 takes that many, then goes on in words, for each number.
    """
    from coconut_core.common.paths import check_outputs
    from coconut_core.problems import read_some_problems
    from coconut_core.records.untrained import untrained_label
    from coconut_core.runs.halting import choose_ending
    from coconut_core.runs.passes import in_passes

    numbers = None if thoughts is None else read_numbers(thoughts)
    if max_new_tokens is None:  # the official code's own numbers, with which it tells GSM8k by the file's name
        max_new_tokens = 64 if official and "gsm" in str(data) else 128
    if official and free is False:
        raise CoconutError(
            "the official evaluation lets the model speak: leave out --answer-only or --official"
        )
    if batch_size < 1 or max_new_tokens < 1 or (limit is not None and limit < 1):
        raise CoconutError("batch-size, max-new-tokens and limit must be 1 or more")
    if as_json and (markdown or plot == "-"):
        raise CoconutError("--json prints nothing but JSON: leave out --markdown, and give --plot a file")
    if plot is not None and plot != "-" and not plot.endswith(".svg"):
        raise CoconutError(f"--plot writes SVG: give it a name that ends in .svg, or -, not '{plot}'")
    check_outputs([failures, plot], [data])
    problems = read_some_problems(data, limit, answered=True)
    stop = options.entropy_rule(until_entropy, entropy_steps)
    choice = choice.resolved(options.report)
    opened = options.open_model(choice, max(numbers) if numbers else None)
    if answer_prefix is not None:
        opened.config = _with_prefix(opened.config, answer_prefix)
    is_sweep = thoughts is not None and not thoughts.strip().isdigit()
    in_words = official or (is_sweep if free is None else free)
    results = _evaluate_each(
        opened,
        problems,
        numbers or [None],
        answer_only=not in_words,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        stop=stop,
        official=official,
    )
    ending = choose_ending(opened, numbers[0] if numbers else None, stop)
    thinking = str(ending).removeprefix("takes ") + in_passes(opened.config.passes)
    if as_json:
        about: dict[str, Any] = {"model": opened.name, "data": str(data), "trained": opened.config.trained}
        about |= {"official": True} if official else {}
        about |= {} if is_sweep else {"thinking": thinking}
        say(json.dumps(about | _to_json(results, is_sweep, in_words)))
    elif markdown:
        tables = _tables(results, in_words)
        say("\n\n".join(markdown_table(head, rows) for head, *rows in tables))
    else:
        _print(results, is_sweep, in_words, thinking, official)
    if not (as_json or opened.config.trained):
        say(f"\n{opened.name}: {untrained_label(opened.config.feedback, max(results))}")
    _tell_errors(results)
    _tell_no_answers(results, opened.config.answer_prefix)
    if failures is not None:
        _write_failures(failures, problems, results)
    figure = _figure(results, is_sweep, f"{opened.name} on {data.name}")
    if plot is not None and plot != "-":
        figure.save_svg(plot)
    elif plot == "-" or (sys.stdout.isatty() and not as_json and not markdown):
        say("\n" + figure.to_text(width=min(100, shutil.get_terminal_size().columns)))


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
        sum(each) for each in zip(*((r.no_answer, r.count) for r in results.values()), strict=True)
    )
    if 2 * missing > count:
        looked = f"'{answer_prefix}'" if answer_prefix else "a number"
        say(
            f"warning: no answer was found in {missing} of {count} texts, where {looked} was looked for: "
            "--failures writes them to a file; --free and --max-new-tokens let a model say more",
            err=True,
        )


def read_numbers(text: str) -> list[int]:
    """Numbers of thoughts from "3", "0..6", "0,2,4" or a mixture, each once and in order of appearance."""
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,6})(?:\s*\.\.\s*([0-9]{1,6}))?\s*", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
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


def _to_json(results: "Mapping[int, Evaluation]", is_sweep: bool, in_words: bool) -> dict[str, Any]:
    records = [
        {"thoughts": number, "words_allowed": in_words, **result.to_json()}
        for number, result in results.items()
    ]
    return {"sweep": records} if is_sweep else records[0]


def _print(
    results: "Mapping[int, Evaluation]", is_sweep: bool, in_words: bool, thinking: str, official: bool
) -> None:
    if is_sweep:
        say("\n\n".join(map(_as_columns, _tables(results, in_words))))
        return
    (result,) = results.values()
    how = "official evaluation" if official else "then free words" if in_words else "thoughts only"
    taken = sum(answer.thoughts for answer in result.answers) / result.count
    low, high = result.interval
    say(
        f"accuracy {100 * result.accuracy:.1f} %  "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f}, n={result.count}, {thinking}, {how})"
    )
    say(f"thoughts taken {taken:.1f}")
    for steps, share in result.shares_by_hops.items():
        say(f"{steps:>3} reasoning steps {_percent(share)} %, n={share.count}")
    if in_words and result.outcome_counts:
        say(", ".join(f"{outcome} {count}" for outcome, count in result.outcome_counts.items()))
    say(
        f"answer tokens {result.mean_tokens:.1f}  cut off {result.cut_off}  seconds {result.seconds:.1f}  "
        f"forward passes {result.work.passes}  positions {result.work.positions}"
    )


def _tables(results: "Mapping[int, Evaluation]", in_words: bool) -> list[Table]:
    """One row for each number of thoughts: what is right, then what was said and what that cost.

    Without words in between only two of the six classes can come up, and both are in the accuracy.
    """
    every, thoughts = list(results.values()), [str(number) for number in results]
    right = {
        "thoughts": thoughts,
        f"accuracy % (95 % interval), n={every[0].count}": [_percent(each.share) for each in every],
    }
    for steps, share in every[0].shares_by_hops.items():
        right[f"{steps} steps, n={share.count}"] = [_percent(each.shares_by_hops[steps]) for each in every]
    said = {"thoughts": thoughts}
    for outcome in every[0].outcome_counts if in_words else ():
        said[outcome.value] = [str(each.outcome_counts[outcome]) for each in every]
    said |= {
        "tokens": [f"{each.mean_tokens:.1f}" for each in every],
        "cut off": [str(each.cut_off) for each in every],
        "passes": [str(each.work.passes) for each in every],
        "positions": [str(each.work.positions) for each in every],
        "seconds": [f"{each.seconds:.1f}" for each in every],
    }
    return [[list(columns), *map(list, zip(*columns.values(), strict=True))] for columns in (right, said)]


def _percent(share: "Share") -> str:
    low, high = share.interval
    return f"{100 * share.accuracy:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _as_columns(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table
    )


def _figure(results: "Mapping[int, Evaluation]", is_sweep: bool, title: str) -> "Figure":
    from coconut_core.evaluation.evaluate import figure_by_hops, figure_by_thoughts

    if is_sweep:
        return figure_by_thoughts(results, title)
    (number, result), *_ = results.items()
    return figure_by_hops(result, f"{title}, {number} thoughts")


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
