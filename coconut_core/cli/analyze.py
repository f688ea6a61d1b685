"""coconut analyze: what thoughts hold, read over a problem file, as JSON, Markdown and figures."""

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coconut_core.analysis import READINGS, check_readings
from coconut_core.common.errors import CoconutError
from coconut_core.common.processes import current
from coconut_core.terminal import options
from coconut_core.terminal.guard import say
from coconut_core.terminal.processes import over_processes, resolved

if TYPE_CHECKING:
    from coconut_core.analysis.study import Study


@options.grouped
@over_processes
def analyze(
    *,
    data: options.Data,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for analysis.json, analysis.md and the SVGs.", callback=options.expanded
        ),
    ],
    source: options.Source,
    only: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this reading; give it again for another. {', '.join(READINGS)}."),
    ] = None,
    count: options.Count = None,
    thoughts: Annotated[
        int | None,
        typer.Option(
            "--thoughts", "-n", help="Thoughts of every run; default: the checkpoint's (largest) number."
        ),
    ] = None,
    seed: Annotated[int, options.seed("Of the controls and splits.")] = 0,
    batch_size: options.BatchSize = 32,
    placement: options.Placement,
    untrained: options.Untrained,
) -> None:
    """Read the thoughts of a model over many problems, each reading beside its control.

    Prints the paths of what it wrote. docs/ANALYSIS.md says what each figure does and does not show.
    """
    from coconut_core.latent.config import check_thoughts
    from coconut_core.problems import read_some_problems

    choice = options.model_choice(source, placement, untrained)
    if batch_size < 1 or (count is not None and count < 1):
        raise CoconutError("count and batch-size must be 1 or more")
    check_readings(only or ())
    if thoughts is not None:
        check_thoughts(thoughts)
    problems = read_some_problems(data, count)
    from coconut_core.analysis.report import make_folder, read_all, write_report
    from coconut_core.analysis.study import Study

    if current().is_main:
        make_folder(out)
    opened = options.open_model(resolved(choice), thoughts)
    number = opened.config.thoughts if thoughts is None else thoughts
    study = Study(opened, problems, number, seed, batch_size)
    with _Progress(study) as progress:
        sections = read_all(study, only or (), progress.begin)
    if not current().is_main:
        return
    for name, section in sections.items():
        if isinstance(section, str):
            say(f"left out: {name}: {section}", err=True)
    for path in write_report(out, _about(study, data), sections):
        say(path)


def _about(study: "Study", data: Path) -> dict[str, Any]:
    from coconut_core.records.untrained import untrained_label

    config = study.model.config
    return {
        "model": study.model.name,
        **({} if config.trained else {"note": untrained_label(config.feedback, study.thoughts)}),
        "data": str(data),
        "problems": len(study.problems),
        "thoughts": study.thoughts,
        "first_thought_hops": config.first_thought_hops,
        "seed": study.seed,
        "date": date.today().isoformat(),
    }


class _Progress:
    """What is being read, on stderr: a bar where somebody watches, else a line for each reading."""

    def __init__(self, study: "Study") -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._watched = sys.stderr.isatty()
        self._bar = Progress(console=Console(stderr=True), disable=not self._watched, transient=True)
        self._task = self._bar.add_task("", total=len(study.problems))
        study.progress = lambda done: self._bar.advance(self._task, done)

    def begin(self, name: str) -> None:
        """Say that a reading begins."""
        self._bar.reset(self._task, description=name)
        if not self._watched:
            say(f"reading {name}", err=True)

    def __enter__(self) -> "_Progress":
        self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._bar.stop()
