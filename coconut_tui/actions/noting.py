"""Findings: noting where one is, and going back there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import ModelChoice
from coconut_tui.actions.reopening import reopen
from coconut_tui.engine import noting
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.findings import AtlasRow, Finding, Model, Place, add_finding, list_findings
from coconut_tui.findings.finding import hash_of_problem, seen_in
from coconut_tui.run.action import Action
from coconut_tui.screens.findings import FindingsScreen


def note(app: ExplorerBase, argument: str) -> None:
    """Write down a finding of where one is."""
    note_run(app, _row_looked_at(app))


def note_run(app: ExplorerBase, atlas: AtlasRow | None = None) -> None:
    """Open the dialog for a finding on the run that is open; atlas: the row that it was opened from."""
    app.require_model()
    view = app.require_view()
    assert app.choice is not None  # of the model that is there
    assert app.facts is not None
    finding = Finding(
        title="",
        model=Model.of(app.choice, ""),
        run=view.tree,
        at=Place(app.selected, app.shown_view),
        seen=seen_in(view, app.facts.verdict, ""),
        data=app.keeper.problem_file if view.tree.example is not None else None,
        problem_hash=hash_of_problem(view.tree),
        atlas=atlas,
    )
    _ask(app, app.choice, finding)


def _row_looked_at(app: ExplorerBase) -> AtlasRow | None:
    """The row of an atlas that the run on screen was opened from; None where it was not."""
    browsing = app.browsing
    if browsing is None or browsing.atlas is None or browsing.run is None:
        return None
    rows = browsing.atlas.rows(f"run = {browsing.run}", limit=1, columns=("question",))
    same = bool(rows) and rows[0]["question"] == app.require_view().question
    return AtlasRow(str(browsing.path), browsing.run) if same else None


def _ask(app: ExplorerBase, choice: ModelChoice, finding: Finding) -> None:
    from coconut_tui.screens.note import NoteScreen  # which the first paint need not wait for

    known = {
        tag: None for _, each in list_findings(app.findings_folder, lambda text: None) for tag in each.tags
    }

    def keep(title: str, tags: Sequence[str], text: str) -> None:
        noting.identify(app.engine, choice, lambda weights, dtype: write(weights, dtype, title, tags, text))

    def write(weights: str, dtype: str, title: str, tags: Sequence[str], text: str) -> None:
        try:
            seen = None if finding.seen is None else replace(finding.seen, dtype=dtype)
            now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
            whole = replace(finding, model=replace(finding.model, weights=weights), seen=seen, date=now)
            path = add_finding(app.findings_folder, whole.titled(title, tags, text))
        except CoconutError as error:
            screen.refuse(str(error))
        else:
            screen.dismiss(None)
            app.tell(f"noted in {path.resolve()}")

    screen = NoteScreen(finding.where, list(known), keep)
    app.push_screen(screen)


def findings(app: ExplorerBase, argument: str) -> None:
    """Pick a finding and go to where it was noted."""

    def read(say: Callable[[str], object]) -> list[tuple[Path, Finding]]:
        return list_findings(app.findings_folder, say)

    def closed(picked: tuple[Path, Finding] | None) -> None:
        if picked is not None:
            try:
                reopen(app, picked[1])
            except CoconutError as error:
                app.tell_error(str(error))

    app.push_screen(FindingsScreen(app.findings_folder, read), closed)


ACTIONS = (
    Action(
        "note",
        "exclamation_mark",
        "note",
        "Note down a finding: title, tags and text, with the run",
        "File",
        note,
    ),
    Action(
        "findings", "backslash", "findings", "Pick a finding and go to where it was noted", "File", findings
    ),
)
