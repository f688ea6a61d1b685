"""What the explorer begins with, as the command line says it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal.options import expanded, report


@dataclass(frozen=True)
class Begin:
    """What the explorer begins with."""

    question: Annotated[str | None, typer.Option(help="The question to open.")] = None
    example: Annotated[int | None, typer.Option(help="Open example N of the model's problem family.")] = None
    data: Annotated[
        Path | None, typer.Option(help="A problem file to choose questions from.", callback=expanded)
    ] = None
    finding: Annotated[
        str | None, typer.Option(help="Reopen a finding, by its file or link.", metavar="FILE")
    ] = None
    atlas: Annotated[
        Path | None,
        typer.Option(
            help="An atlas to look through; without --model with the one whose runs they are.",
            callback=expanded,
        ),
    ] = None

    def check(self, trace: Path | None) -> None:
        """Raises CoconutError for what cannot be opened."""
        if self.example is not None and self.example < 1:
            raise CoconutError(f"examples are numbered from 1, not {self.example}")
        if self.question is not None and self.example is not None:
            raise CoconutError("give --question or --example, not both")
        if self.finding is not None and (self.question, self.example) != (None, None):
            raise CoconutError("a finding has its question: leave out --question and --example")
        given = (trace, self.question, self.example, self.finding)
        if self.atlas is not None and any(each is not None for each in given):
            raise CoconutError("--atlas begins with its table: leave out what else to open")

    def choice(self, choice: ModelChoice, *, named: bool) -> ModelChoice | None:
        """The model to open: that of an atlas, unless another one is named; None where that is not there, as an
        atlas can be read without. Raises CoconutError."""
        if self.atlas is None:
            return resolved(choice)
        from coconut_core.atlas import Atlas

        source = Atlas.open(self.atlas).manifest.model.source
        if named:
            return resolved(choice)
        try:
            return resolved(replace(choice, source=source))
        except CoconutError:
            return None

    def opened(self) -> dict[str, Any]:
        """The same for the explorer, files read. Raises CoconutError where that is not possible."""
        from coconut_core.problems import read_some_problems
        from coconut_tui.findings import finding_of

        return {
            "question": self.question,
            "example": self.example,
            "atlas": self.atlas,
            "finding": None if self.finding is None else finding_of(self.finding),
            **({} if self.data is None else {"problems": read_some_problems(self.data)}),
        }


def resolved(choice: ModelChoice) -> ModelChoice:
    """A model where it is on this machine, whether it comes along or was fetched. Raises CoconutError."""
    from coconut_core.checkpoints.hub import check_source

    resolved = choice.resolved(report)
    check_source(resolved.source)
    return resolved
