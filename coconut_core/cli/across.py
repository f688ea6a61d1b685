"""coconut across: one question, or many problems, over all the checkpoints of a training run."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.terminal import options
from coconut_core.terminal.bar import counting_bar
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from coconut_core.across.checkpoints import Checkpoint
    from coconut_core.across.course import Course
    from coconut_core.across.over_run import Asked

COUNT = 100  # problems where no number is given


@dataclass(frozen=True)
class _Asked:
    """What each checkpoint is asked."""

    example: Annotated[
        int | None, typer.Option(help="Ask example question number N of the run's problem family.")
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help="Problem file. Default: the run's own held-out problems.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None
    count: Annotated[int, typer.Option(help="Only the first N problems.")] = COUNT
    thoughts: Annotated[
        int | None,
        typer.Option(
            "--thoughts",
            "-n",
            help="As many thoughts of each. Default: what each checkpoint says, as many as its stage has.",
        ),
    ] = None
    answer_only: Annotated[
        bool,
        typer.Option(
            "--answer-only", help="Answer at once after the thoughts. Default: go on in words, as in training."
        ),
    ] = False
    max_new_tokens: Annotated[int, typer.Option(help="Most words of an answer, reasoning included.")] = 128
    seed: Annotated[int, options.seed("Seed of donors and of the names dealt anew.")] = 0

    def read(self, run: Path, question: str | None) -> "Asked":
        """The same with its problems. Raises CoconutError for what cannot be asked."""
        from coconut_core.across.over_run import Asked
        from coconut_core.across.questions import problem_asked, problems_of_run
        from coconut_core.latent.config import check_thoughts
        from coconut_core.problems import read_some_problems

        if self.count < 1 or self.max_new_tokens < 1:
            raise CoconutError("count and max-new-tokens must be 1 or more")
        if question is not None and self.example is not None:
            raise CoconutError("give one question: as text or with --example N")
        if self.thoughts is not None:
            check_thoughts(self.thoughts)
        asked = None
        if question is not None or self.example is not None:
            text = sys.stdin.read() if question == "-" else question
            asked = problem_asked(run, text, self.example)
        if self.data is not None:
            problems = read_some_problems(self.data, self.count, answered=asked is None)
        else:
            problems = problems_of_run(run, self.count)
        return Asked(tuple(problems), asked, self.thoughts, self.answer_only, self.max_new_tokens, self.seed)


@dataclass(frozen=True)
class _Output:
    """In which forms the result is written."""

    as_json: options.Json = False
    csv: Annotated[
        Path | None,
        typer.Option(help="Write a row for each checkpoint as CSV.", metavar="FILE", callback=options.expanded),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write the figure as SVG: losses, answers, frontier over the steps.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None

    def check(self, data: Path | None) -> None:
        """Raises CoconutError for files that cannot be written."""
        from coconut_core.common.paths import check_outputs

        if self.plot is not None and self.plot.suffix != ".svg":
            raise CoconutError(f"--plot writes SVG: give it a name that ends in .svg, not '{self.plot}'")
        check_outputs([self.csv, self.plot], [data])


@options.grouped
def across(
    *,
    run: Annotated[
        Path, typer.Argument(help="The folder of a training run, like runs/prosqa.", callback=options.expanded)
    ],
    question: Annotated[
        str | None, typer.Argument(help="One question instead of problems, or - to read it from stdin.")
    ] = None,
    asked: _Asked,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    output: _Output,
) -> None:
    """When does the search appear, and when does the answer begin to need the thoughts?

    Every checkpoint of a run is asked the same, one after the other: problems by default, or one question.
    Accuracy, controls and each thought stand beside the losses of the training log, checkpoint by checkpoint. A
    recipe's keep_every says which checkpoints there are. What was measured is kept in RUN/across, so that only
    what is new is measured the next time.

    docs/ACROSS.md says what each column is, and how it can mislead.
    """
    from coconut_core.across.checkpoints import checkpoints_of

    output.check(asked.data)
    checkpoints_of(run)  # so that an empty folder is said before anything is read
    what = asked.read(run, question)
    from coconut_core.across.over_run import OverRun
    from coconut_core.model_choice import ModelChoice

    over = OverRun(run, what, ModelChoice("", device=device, dtype=dtype))
    points = []
    with _progress(len(over.checkpoints)) as begins:
        for point in over.points(begins=begins):
            points.append(point)
    for note in over.notes:
        say(f"note: {note}", err=True)
    course = over.course(points)
    _write(course, output)
    if output.as_json:
        say(json.dumps(course.to_json(), ensure_ascii=False))
        return
    from coconut_core.terminal.strip import print_course

    print_course(course)


def _write(course: "Course", output: _Output) -> None:
    from coconut_core.across.tables import csv_text, draw_course
    from coconut_core.common.whole_files import written_aside

    if output.csv is not None:
        with written_aside(output.csv) as file:
            file.write(csv_text(course))
    if output.plot is not None:
        draw_course(course).save_svg(output.plot)


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[Checkpoint], None]]":
    """What tells on stderr which checkpoint is measured: a bar where somebody watches, else a line for each."""
    watched, done = sys.stderr.isatty(), 0
    with counting_bar() as bar:
        task = bar.add_task("checkpoints", total=total)

        def begins(checkpoint: "Checkpoint") -> None:
            nonlocal done
            done += 1
            if watched:
                bar.update(task, description=f"step {checkpoint.step}", completed=done)
            else:
                say(f"measuring step {checkpoint.step}", err=True)

        yield begins
