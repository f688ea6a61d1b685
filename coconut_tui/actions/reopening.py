"""Going to where a finding was noted."""

from dataclasses import replace

from coconut_core.checkpoints.hub import check_source
from coconut_core.common.errors import CoconutError
from coconut_core.model_choice import HOW, ModelChoice
from coconut_tui.engine import noting
from coconut_tui.explorer.base import ExplorerBase
from coconut_tui.findings import Finding
from coconut_tui.saved.keeper import absolute
from coconut_tui.screens.confirm import ConfirmScreen
from coconut_tui.views import names_of_views

_MOST_LINES = 3  # of what differs


def reopen(app: ExplorerBase, finding: Finding) -> None:
    """Go to where a finding was noted; where its model is not the one that is open, ask first."""
    device = "auto" if app.choice is None else app.choice.device
    wanted = finding.model.choice(device=device).resolved(lambda text: None)
    open_now = app.choice if app.has_model else None
    if open_now is not None and _same(open_now, wanted):
        _go(app, finding)
        return
    try:
        check_source(wanted.source)
    except CoconutError as error:
        if open_now is None:
            raise
        question = f"{error}. Reopen it with the model that is open, {open_now.source}?"
        wanted = open_now
    else:
        question = f"It was noted with another model: {finding.model.source}. Open that one?"

    def answered(yes: bool | None) -> None:
        if not yes:
            return
        if wanted is open_now:
            _go(app, finding)
        else:
            app.reopened = finding
            app.start_engine(wanted)

    app.push_screen(ConfirmScreen(finding.title, question), answered)


def show_finding(app: ExplorerBase) -> None:
    """Show the finding that is to be reopened, with the model that is there now."""
    finding, app.reopened = app.reopened, None
    assert finding is not None
    tree = replace(finding.run, example=_number_here(app, finding))
    app.engine.reopen(tree)
    noting.after_all(app.engine, lambda: _go_to_place(app, finding))
    assert app.choice is not None  # of the model that is there
    noting.recall(app.engine, app.choice, finding, lambda lines: _say_what_differs(app, finding, lines))


def _go(app: ExplorerBase, finding: Finding) -> None:
    if app.replay is not None:
        app.close_replay()
    app.reopened = finding
    show_finding(app)


def _same(one: ModelChoice, other: ModelChoice) -> bool:
    how = all(getattr(one, name) == getattr(other, name) for name in HOW)
    return how and absolute(one.source) == absolute(other.source) and other.dtype in ("auto", one.dtype)


def _number_here(app: ExplorerBase, finding: Finding) -> int | None:
    """The problem's number, where it has the same one among those that are gone through here."""
    number = finding.run.example
    if number is None or not app.problems:
        return None
    try:
        return number if app.problems.problem(number) == finding.run.problem else None
    except CoconutError:  # there are fewer here
        return None


def _go_to_place(app: ExplorerBase, finding: Finding) -> None:
    if app.view is None or app.view.question != finding.run.question:
        return
    count, step = len(app.view.steps), finding.at.step
    if step is not None and count:
        app.selected = app.looked_at = min(step, count - 1)
    if finding.at.view in names_of_views():
        app.show_view(finding.at.view)
    app.set_breakpoints(app.breakpoints)  # which draws all


def _say_what_differs(app: ExplorerBase, finding: Finding, lines: list[str]) -> None:
    if not lines:
        numbers = "" if finding.seen is None else ": its numbers come out as noted"
        app.tell(f"“{finding.title}”{numbers}")
        return
    more = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    app.tell_error("\n".join([f"“{finding.title}” does not come out as noted:", *lines[:_MOST_LINES], *more]))
