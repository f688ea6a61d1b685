"""coconut data: problems as files."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.common.errors import CoconutError, visible
from coconut_core.terminal import options
from coconut_core.terminal.guard import say

if TYPE_CHECKING:
    from coconut_core.problems import Knobs, Problem
    from coconut_core.problems.conversion import Conversion

app = typer.Typer(
    help="Make, convert and look at problem files (the official JSON layout).", no_args_is_help=True
)

_TOLD_BY_VALUE = ("steps", "hops", "persons")  # rows that tell the share of each value besides the average


@app.callback()
def _root() -> None:
    pass


@app.command("make")
def make(
    family: Annotated[str, typer.Argument(help="prosqa, prontoqa, symbolic or sums.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write, JSON; - for stdout.", callback=options.expanded)
    ],
    count: Annotated[int, typer.Option(help="How many problems.")] = 1000,
    seed: Annotated[int, options.seed("The same seed gives the same problems.")] = 0,
    split: Annotated[
        str | None,
        typer.Option(help="train, valid or test: graphs or sums of no other split.", show_default="any"),
    ] = None,
    nodes: Annotated[
        str | None, typer.Option(help="Nodes of a graph, a range like 18..28.", show_default="family's")
    ] = None,
    edges: Annotated[str | None, typer.Option(help="Its edges, likewise.", show_default="family's")] = None,
    hops: Annotated[
        str | None, typer.Option(help="Hops to the answer, likewise.", show_default="family's")
    ] = None,
    steps: Annotated[str | None, typer.Option(help="Steps of sums.", show_default="family's")] = None,
    largest: Annotated[int | None, typer.Option(help="Their largest number.", show_default="family's")] = None,
) -> None:
    """Generate problems with fresh graphs, names and order. The file is whole or not there."""
    from coconut_core.problems import draw_problems, write_list, write_problems

    size = _size(family, {"nodes": nodes, "edges": edges, "hops": hops, "steps": steps, "largest": largest})
    problems: Iterable[Problem] = draw_problems(family, count, seed, split, size)
    problems = _with_progress(problems, count, f"making {out}")
    written = write_list(sys.stdout, problems) if str(out) == "-" else write_problems(out, problems)
    say(f"wrote {written} problems to {out}", err=True)


def _size(family: str, given: dict[str, str | int | None]) -> "Knobs | None":
    """The family's size with the given ranges and numbers laid over it; None where none is given."""
    from dataclasses import fields, replace

    from coconut_core.problems.families import family_named

    size = family_named(family).size
    overrides = {
        name: _range(f"--{name}", value) if isinstance(value, str) else value
        for name, value in given.items()
        if value is not None
    }
    known = [name for name in given if name in {item.name for item in fields(size)}]
    for name in overrides:
        if name not in known:
            knobs = ", ".join(f"--{knob}" for knob in known)
            raise CoconutError(f"{family} has no --{name}: its knobs are {knobs}")
    return replace(size, **overrides) if overrides else None


def _range(option: str, text: str) -> tuple[int, int]:
    low, _, high = text.partition("..")
    try:
        return int(low), int(high or low)
    except ValueError:
        raise CoconutError(f"{option} takes a number or a range like 3..6, not '{text}'") from None


def _with_progress(problems: "Iterable[Problem]", count: int, task: str) -> "Iterable[Problem]":
    """Show on stderr how far it is, if that is a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    return track(
        problems,
        escape(visible(task)),
        total=count,
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


@app.command("convert")
def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="FORMAT", help="gsm8k, gsm8k-aug, svamp, gsm-hard, multiarith or prontoqa."),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="SRC",
            help="As the set is published: JSON, or GSM8k-Aug's text. ProntoQA: what its own generator writes.",
            callback=options.expanded,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write, JSON.", callback=options.expanded)],
    skip: Annotated[int, typer.Option(min=0, help="Leave out so many problems at the beginning.")] = 0,
    count: Annotated[int | None, typer.Option(min=1, help="Problems behind those.", show_default="all")] = None,
    as_json: options.Json = False,
) -> None:
    """Convert other people's problems into the official JSON layout; every sum is checked.

    Lines that cannot be converted are left out and listed on stderr.
    """
    import itertools

    from coconut_core.common.paths import check_outputs
    from coconut_core.problems import write_problems
    from coconut_core.problems.conversion import Conversion

    convert_file, unit = _converter(source)
    check_outputs([out], [file])
    done = Conversion()
    problems = convert_file(file, done)
    for _ in itertools.islice(problems, skip):
        pass
    done.restart()
    problems = itertools.islice(problems, count)
    first = list(itertools.islice(problems, 1))  # nothing is written where nothing can be converted
    if not first:
        why = "there are none to convert" if not done.refused else "{} {}: {}".format(unit, *done.refused[0])
        raise CoconutError(f"nothing in {file} could be converted to problems ({why})")
    write_problems(out, itertools.chain(first, problems))
    for number, reason in done.refused:
        say(f"{unit} {number}: {reason}", err=True)
    if as_json:
        refused = [{unit: number, "reason": reason} for number, reason in done.refused]
        facts: dict[str, Any] = {"source": str(file), "out": str(out), "problems": done.converted}
        facts |= {"steps": done.steps, "without_steps": done.without_steps, "refused": refused}
        say(json.dumps(facts, ensure_ascii=False))
        return
    say(
        f"wrote {done.converted} problems with {done.steps} steps to {out} "
        f"({done.without_steps} without steps), left out {len(done.refused)} {unit}s",
        err=True,
    )


def _converter(name: str) -> "tuple[Callable[[Path, Conversion], Iterator[Problem]], str]":
    """What reads files of a format, and what it numbers."""
    from functools import partial

    from coconut_core.problems import gsm8k, prontoqa, word_problems

    formats: dict[str, tuple[Callable[[Path, Conversion], Iterator[Problem]], str]] = {
        "gsm8k": (gsm8k.convert_file, "line"),
        "gsm8k-aug": (gsm8k.convert_file, "line"),
        **{
            each: (partial(word_problems.convert_file, read=read), "problem")
            for each, read in word_problems.FORMATS.items()
        },
        "prontoqa": (prontoqa.convert_file, "example"),
    }
    if name not in formats:
        raise CoconutError(f"unknown format '{name}': known are {', '.join(formats)}")
    return formats[name]


@app.command("stats")
def stats(
    file: Annotated[Path, typer.Argument(help="A problem file.", callback=options.expanded)],
    against: Annotated[
        Path | None, typer.Option(help="A second file, shown beside the first.", callback=options.expanded)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Shape of a problem file: steps, lengths; of graphs nodes, edges, hops, branching, which candidate
    comes first."""
    statistics = {path: _statistics(path) for path in (file, against) if path is not None}
    if as_json:
        facts = {"file": str(file), **statistics[file]}
        if against is not None:
            facts["against"] = {"file": str(against), **statistics[against]}
        say(json.dumps(facts, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    from coconut_core.terminal.show import cell

    table = Table(box=None, show_header=against is not None, padding=(0, 2, 0, 0))
    for heading in ("", *(path.name for path in statistics)):
        table.add_column(cell(heading))
    names = dict.fromkeys(name for facts in statistics.values() for name in facts)
    for name in names:
        table.add_row(
            name.replace("_", " "), *(cell(_cell(name, facts.get(name))) for facts in statistics.values())
        )
    Console().print(table)


def _statistics(path: Path) -> dict[str, Any]:
    from coconut_core.problems import stream_problems
    from coconut_core.problems.statistics import Statistics

    statistics = Statistics(stream_problems(path))
    if not statistics.problems:
        raise CoconutError(f"{path} holds no problems")
    return statistics.to_json()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name == "answers":
        return _shares(value)
    if name.startswith("target_"):
        return f"{100 * value['mean']:.1f} % of {value['n']}"
    if not isinstance(value, dict):
        return str(value)
    if value["least"] == value["most"]:
        return str(value["least"])
    text = f"{value['mean']:.2f} on average, {value['least']} to {value['most']}"
    return f"{text}\n{_shares(value['shares'])}" if name in _TOLD_BY_VALUE else text


def _shares(shares: dict[str, float]) -> str:
    return "  ".join(f"{name}: {100 * share:.0f} %" for name, share in shares.items())
