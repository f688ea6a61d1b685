"""Findings run again from a shell, one after the other, each model opened once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from coconut_core.checkpoints.hub import check_source
from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import ModelChoice
from coconut_core.records.trace import Trace
from coconut_tui.engine.noting import held_against
from coconut_tui.engine.tracing import trace_tree
from coconut_tui.export.tree import Chapter
from coconut_tui.findings import Finding, link_of
from coconut_tui.findings.link import command_of

if TYPE_CHECKING:
    from coconut_tui.engine.workbench import Workbench

Noted = tuple[Path, Finding]


@dataclass(frozen=True)
class Checked:
    """Whether a finding comes out as it was noted."""

    path: Path
    finding: Finding
    differences: tuple[str, ...] = ()
    error: str = ""  # why it could not be run again

    @property
    def same(self) -> bool:
        return not self.differences and not self.error


def check(
    findings: Iterable[Noted], model: str | None, device: str, report: Callable[[str], None]
) -> Iterator[Checked]:
    """Run findings again and hold them against what was noted. model: where their model lies here, None: as
    each says; report is told what is opened."""
    opened = _Opened(model, device, report)
    for path, finding in findings:
        try:
            choice, bench = opened.at(finding)
            yield Checked(path, finding, tuple(held_against(bench, choice, finding)))
        except CoconutError as error:
            yield Checked(path, finding, error=str(error))


def chapters(
    findings: Iterable[Noted], model: str | None, device: str, report: Callable[[str], None]
) -> Iterator[Chapter]:
    """Findings with all their branches run again, for an export. Raises CoconutError for one that cannot be."""
    from coconut_core.evaluation.verdict import known_usage

    opened = _Opened(model, device, report)
    for path, finding in findings:
        try:
            choice, bench = opened.at(finding)
            verdict = known_usage(choice.source)[0] if bench.model.config.trained else ""
            tree = trace_tree(bench, lambda trace, verdict=verdict: _with_verdict(trace, verdict))  # type: ignore[misc]
            differences = held_against(bench, choice, finding)
        except CoconutError as error:
            raise CoconutError(f"{path}: {error}") from error
        assert tree is not None  # as it was not stopped
        facts = {
            "model": finding.model.source,
            "at": finding.where,
            "atlas": "" if finding.atlas is None else f"{finding.atlas.path}, run {finding.atlas.run}",
            "not as noted": "; ".join(differences),
        }
        yield Chapter(
            tree,
            finding.title,
            finding.tags,
            finding.date,
            finding.note,
            command_of(link_of(finding)),
            finding.at.step,
            facts,
        )


class _Opened:
    """The model that was opened last, with a finding in it."""

    def __init__(self, model: str | None, device: str, report: Callable[[str], None]) -> None:
        self._model, self._device, self._report = model, device, report
        self._choice: ModelChoice | None = None
        self._bench: Workbench | None = None

    def at(self, finding: Finding) -> "tuple[ModelChoice, Workbench]":
        """The model of a finding, its branches taken up. Raises CoconutError where that is not possible."""
        choice = finding.model.choice(self._model, self._device).resolved(self._report)
        if self._bench is None or choice != self._choice:
            check_source(choice.source)
            self._report(f"opening {finding.model.source if self._model is None else self._model}")
            from coconut_tui.engine.workbench import Workbench

            self._bench, self._choice = None, None  # the one before goes first: there may be no room for two
            self._bench, self._choice = Workbench(choice.open()), choice
        self._bench.reopen(finding.run)
        return choice, self._bench


def _with_verdict(trace: Trace, verdict: str) -> Trace:
    return replace(trace, settings={**trace.settings, "verdict": verdict})
