"""coconut grid: which ablation or patch, at which thought, layer, head or position, moves the answer."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.common.processes import current
from coconut_core.grid.layouts import ABOUT, Direction, Kind
from coconut_core.terminal import options
from coconut_core.terminal.bar import counting_bar
from coconut_core.terminal.guard import say
from coconut_core.terminal.processes import over_processes, refuse_several, resolved

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel
    from coconut_core.grid.measuring import Grid, MeanGrid
    from coconut_core.grid.setting import Choice
    from coconut_core.problems import Problem


@dataclass(frozen=True)
class _Questions:
    """One question, or many."""

    example: Annotated[
        int | None, typer.Option(help="Example question number N of the model's problem family.", metavar="N")
    ] = None
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            help="Problem file: means over its problems with 95 % intervals. With a question: what donors are "
            "drawn from.",
            metavar="FILE",
            callback=options.expanded,
        ),
    ] = None
    count: options.Count = None
    only_right: Annotated[
        bool, typer.Option("--only-right", help="Of many, only those that the model answers right by itself.")
    ] = False


@dataclass(frozen=True)
class _Asked:
    """Which grid."""

    kind: Annotated[
        Kind, typer.Option(help="; ".join(f"{kind}: {about}" for kind, about in ABOUT.items()) + ".")
    ] = Kind.ABLATIONS
    direction: Annotated[
        Direction,
        typer.Option(
            help="noising: the donor's activations in the question's run; denoising: the other way round."
        ),
    ] = Direction.NOISING
    donor: Annotated[
        str,
        typer.Option(help="twin, random, same-hop; zero puts zeros in place of activations.", metavar="DONOR"),
    ] = "twin"
    thought: Annotated[
        int | None, typer.Option(help="Of heads: at which thought. Default: at all of them.", metavar="K")
    ] = None
    thoughts: options.Thoughts = None
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 64
    seed: Annotated[int, options.seed("Of donors that are drawn, noise and orders.")] = 0

    def choice(self, others: "list[Problem] | None") -> "Choice":
        """The same for the engine."""
        from coconut_core.grid.setting import Choice

        return Choice(
            self.kind,
            self.direction,
            self.donor,
            self.thought,
            others,
            self.thoughts,
            self.seed,
            self.max_new_tokens,
        )


@dataclass(frozen=True)
class _Printing:
    """In which form."""

    attribution: Annotated[
        bool,
        typer.Option(
            "--attribution",
            help="Beside the exact grid its fast approximation, gradient times difference, and how they agree.",
        ),
    ] = False
    as_json: options.Json = False
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a CSV row for each cell.")] = False
    svg: Annotated[
        Path | None,
        typer.Option("--svg", help="Write the grid as a figure.", metavar="FILE", callback=options.expanded),
    ] = None


@options.grouped
@over_processes
def grid_command(
    *,
    question: Annotated[str | None, typer.Argument(help="The question, or - to read it from stdin.")] = None,
    source: options.Source,
    questions: _Questions,
    asked: _Asked,
    printing: _Printing,
    placement: options.Placement,
    untrained: options.Untrained,
) -> None:
    """Try every ablation or patch at every place, and print how far each moves the answer.

    A cell is the change of logit(right) - logit(wrong), in nats, where the two answers part; ✗ marks a right
    answer that becomes wrong, ✓ a wrong one that becomes right. The text of a cell can be typed after ask --do.

    docs/GRID.md says what the kinds and the two directions show, and how they can mislead.
    """
    from coconut_core.common.paths import check_outputs
    from coconut_core.problems import read_some_problems

    choice = options.model_choice(source, placement, untrained)
    _check(question, questions, printing)
    check_outputs([printing.svg], [questions.data])
    many = question is None and questions.example is None
    if not many:
        refuse_several("the grid of one question")
    choice = resolved(choice)
    problems = (
        None if questions.data is None else read_some_problems(questions.data, questions.count, answered=many)
    )
    opened = options.open_model(choice, asked.thoughts)
    about: dict[str, Any] = {"model": choice.source, "direction": str(asked.direction), "donor": asked.donor}
    grid_choice = asked.choice(problems)
    asking = problems or []
    if many:
        about |= {"data": str(questions.data)}
    else:
        text = sys.stdin.read() if question == "-" else question
        asking = [_problem(opened, text, questions.example)]
    if printing.attribution:
        _print_agreement(opened, asking, grid_choice, printing, about)
    elif many:
        _print(_of_many(opened, asking, grid_choice, questions.only_right), printing, about)
    else:
        _print(_of_one(opened, asking[0], grid_choice), printing, about)


def _check(question: str | None, questions: _Questions, printing: _Printing) -> None:
    """What can be known to be wrong before a model is loaded."""
    if question is not None and questions.example is not None:
        raise CoconutError("give a question or --example, not both")
    if question is None and questions.example is None and questions.data is None:
        raise CoconutError(
            "there is no question: give one, --example N, or --data FILE for the means over many"
        )
    if questions.count is not None and (questions.count < 1 or questions.data is None):
        raise CoconutError("--count is 1 or more problems of --data FILE")
    if printing.as_json and printing.as_csv:
        raise CoconutError("choose --json or --csv")


def _problem(model: "CoconutModel", text: str | None, example: int | None) -> "Problem":
    from coconut_core.problems import Problem, example_problem, recognise, trained_size

    if text is None:
        assert example is not None  # else it has been refused
        return example_problem(
            model.config.family, example, trained_size(model.config.family, model.config.recipe)
        )
    return recognise(text.strip()) or Problem(text.strip(), (), "")


def _of_one(model: "CoconutModel", problem: "Problem", choice: "Choice") -> "Grid":
    from coconut_core.grid.measuring import measure
    from coconut_core.grid.setting import setting_of

    with counting_bar() as bar:
        task = bar.add_task("cells", total=None)

        def tell(answered: int, cells: int) -> None:
            bar.update(task, completed=answered, total=cells)

        return measure(setting_of(model, problem, choice), progress=tell)


def _of_many(
    model: "CoconutModel", problems: "list[Problem]", choice: "Choice", only_right: bool
) -> "MeanGrid":
    from coconut_core.grid.measuring import measure_many

    with counting_bar() as bar:
        task = bar.add_task("questions", total=len(problems))
        grid = measure_many(
            model,
            problems,
            choice,
            only_right=only_right,
            progress=lambda done: bar.advance(task, done),
        )
    for why, count in grid.left_out.items():
        say(f"note: questions left out: {count}: {why}", err=True)
    return grid


def _print_agreement(
    model: "CoconutModel",
    problems: "list[Problem]",
    choice: "Choice",
    printing: _Printing,
    about: dict[str, Any],
) -> None:
    """Exact and approximate changes of all cells that have both, over all problems."""
    from coconut_core.grid.agreement import compare

    with counting_bar() as bar:
        task = bar.add_task("questions", total=len(problems))
        found = compare(model, problems, choice, lambda done: bar.advance(task, done))
    if not current().is_main:
        return
    for why, count in found.left_out.items():
        say(f"note: questions left out: {count}: {why}", err=True)
    if printing.svg is not None:
        found.figure().save_svg(printing.svg)
        say(f"wrote {printing.svg}", err=True)
    if printing.as_json:
        say(json.dumps({**about, "kind": str(choice.kind), **found.to_json()}, ensure_ascii=False))
    elif printing.as_csv:
        say(found.csv().rstrip("\n"))
    else:
        say(found.figure().to_text(72, 18))
        say(f"\n{found}")


def _print(grid: "Grid | MeanGrid", printing: _Printing, about: dict[str, Any]) -> None:
    from coconut_core.grid.tables import grid_csv, grid_figure, grid_record

    if not current().is_main:
        return
    if printing.svg is not None:
        grid_figure(grid).save_svg(printing.svg)
        say(f"wrote {printing.svg}", err=True)
    if printing.as_json:
        say(json.dumps(grid_record(grid, about), ensure_ascii=False))
    elif printing.as_csv:
        say(grid_csv(grid).rstrip("\n"))
    else:
        from coconut_core.terminal.grid import print_grid

        print_grid(grid, about)
