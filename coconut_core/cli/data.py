"""coconut data: problems as files."""

from pathlib import Path
from typing import Annotated

import typer

from coconut_core.errors import CoconutError

app = typer.Typer(help="Make and look at problem files (the official JSON layout).", no_args_is_help=True)


@app.callback()
def _root() -> None:
    pass


@app.command("make")
def make(
    family: Annotated[str, typer.Argument(help="prosqa")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, JSON.")],
    count: Annotated[int, typer.Option(help="How many problems.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same problems.")] = 0,
) -> None:
    """Generate problems with fresh graphs, names and order."""
    from coconut_core.problems import generate_problems, write_problems

    problems = generate_problems(family, count, seed)
    write_problems(out, problems)
    typer.echo(f"wrote {len(problems)} problems to {out}", err=True)


@app.command("stats")
def stats(file: Annotated[Path, typer.Argument(help="A problem file.")]) -> None:
    """Shape of a problem file: nodes, edges, hops, which candidate comes first."""
    from collections import Counter

    from rich.console import Console
    from rich.table import Table

    from coconut_core.problems import read_problems

    problems = read_problems(file)
    if not problems:
        raise CoconutError(f"{file} holds no problems")
    rows = [("problems", str(len(problems)))]
    hops = Counter(len(problem.steps) for problem in problems)
    rows.append(("steps", "  ".join(f"{number}: {count}" for number, count in sorted(hops.items()))))
    graphs = [problem.graph for problem in problems if problem.graph is not None]
    if graphs:
        first = [
            problem.question.rsplit(" a ", 1)[-1].startswith(f"{problem.graph.names[problem.graph.target]} ")
            for problem in problems
            if problem.graph is not None
        ]
        rows += [
            ("nodes", f"{sum(len(graph.names) for graph in graphs) / len(graphs):.1f} on average"),
            ("edges", f"{sum(len(graph.edges) for graph in graphs) / len(graphs):.1f} on average"),
            (
                "persons",
                f"{sum(name[0].isupper() for g in graphs for name in g.names) / len(graphs):.2f} on average",
            ),
            ("target named first", f"{100 * sum(first) / len(first):.1f} %"),
        ]
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    Console().print(table)
