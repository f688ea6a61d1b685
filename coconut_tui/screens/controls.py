"""All controls on the question that is open."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from coconut_core.common.errors import visible
from coconut_core.records.answers import conclusion
from coconut_tui.run.branches import Said
from coconut_tui.run.controlled import Controlled, ControlRow, distinct_answers, what_it_says
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.widgets.tokens import (
    chance_text,
    error_line,
    place_headings,
    place_note,
    verdict_mark,
    with_marks,
)

_WITH_DESCRIPTIONS = 100  # columns from which there is room for them


class ControlsScreen(ReadingDialog):
    """Shows the controls as they come in."""

    BINDINGS = [
        Binding("escape,q,V", "dismiss", "close"),
        Binding("question_mark,f1", "app.explain('controls')", "help"),
    ]

    def __init__(self, verdict: str) -> None:
        """verdict: what is known of the model's thoughts, in a line."""
        super().__init__()
        self._verdict = verdict
        self.controlled = Controlled()

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide") as dialog:
            dialog.border_title = "Controls for this question"
            yield Static(id="controls")
        yield Footer()

    def on_mount(self) -> None:
        """Draw, once it is known how much room there is."""
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        """The columns follow the width."""
        self.call_after_refresh(self._show)

    def show(self, controlled: Controlled) -> None:
        """Show what is known."""
        self.controlled = controlled
        if self.query("#controls"):  # else it is not there yet, or not any more
            self._show()

    def _show(self) -> None:
        dialog = self.query_one(VerticalScroll)
        going_on = not (self.controlled.complete or self.controlled.error)
        dialog.border_subtitle = "trying …, escape stops" if going_on else "escape closes"
        width = dialog.scrollable_content_region.width
        self.query_one("#controls", Static).update(draw_controls(self.controlled, self._verdict, width))


def draw_controls(controlled: Controlled, verdict: str, width: int) -> RenderableType:
    """The table, and what it says beside the model's verdict."""
    if controlled.error:
        return error_line(controlled.error)
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="bold")
    described = width >= _WITH_DESCRIPTIONS
    table.add_column("thoughts fed", no_wrap=True, ratio=2 if described else None)
    table.add_column("answer", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("changed", no_wrap=True)
    judged = controlled.own is not None and controlled.own.right is not None
    if judged:
        table.add_column("right", no_wrap=True)
    headings = place_headings(controlled.place) or ["p"]
    for heading in headings:
        table.add_column(with_marks(heading), no_wrap=True, justify="right")
    if controlled.own is not None:
        table.add_row(
            Text("its own", "bold"),
            _answers([(controlled.own, 1)], whole=described),
            "",
            *([_right(int(bool(controlled.own.right)), 1)] if judged else []),
            *_chances(controlled.probabilities, len(headings)),
        )
    for row in controlled.rows:
        table.add_row(*_cells(row, described, judged, len(headings)))
    if not controlled.complete and not any(row.said for row in controlled.rows):
        return Group(table, Text("\ntrying …", "dim"))
    notes = [Text(f"\n{what_it_says(controlled)}"), _beside(verdict)]
    if controlled.place is not None:
        notes.append(Text(place_note(controlled.place), "dim"))
    return Group(table, *notes)


def _beside(verdict: str) -> Text:
    """What one question cannot say."""
    text = Text("This is one question (n=1). ", "bold").append(
        "Whether the model's answers use its thoughts only many can say: ", "not bold"
    )
    return text.append(verdict or "not known yet", "not bold")


def _cells(row: ControlRow, described: bool, judged: bool, columns: int) -> list[Text]:
    name = Text(row.name).append(f"  {row.description}" if described else "", "dim")
    if not row.draws:
        none = [Text("—", "dim")] * (2 if judged else 1)
        return [name, Text(row.missing, "dim"), *none, *[Text()] * columns]
    if not row.said:
        return [name, Text("…", "dim"), *[Text()] * ((2 if judged else 1) + columns)]
    right = [_right(row.right or 0, row.draws)] if judged else []
    return [
        name,
        _answers(distinct_answers(row), whole=described),
        _changed(row),
        *right,
        *_chances(row.probabilities, columns),
    ]


def _changed(row: ControlRow) -> Text:
    if row.draws > 1:
        mark, style = ("≠", "bold") if row.changed else ("=", "dim")
        return Text(f"{mark} {row.changed} of {row.draws}", style)
    became = "twin's" if row.name == "twin" and row.donors else "yes"
    return Text(f"≠ {became}", "bold") if row.changed else Text("= no", "dim")


def _right(right: int, draws: int) -> Text:
    if draws == 1:
        return with_marks("✓" if right else "✗")
    return with_marks(f"{'✓' if right else '✗'} {right} of {draws}")


def _answers(answers: Sequence[tuple[Said, int]], *, whole: bool) -> Text:
    """One answer whole, where there is room; of several what each comes down to, and how often it was given."""
    text = Text()
    for number, (said, count) in enumerate(answers):
        answer = said.answer if whole and len(answers) == 1 else conclusion(said.answer)
        text.append(" · " if number else "").append(visible(answer) or "nothing").append(verdict_mark(said))
        text.append(f" ×{count}" if len(answers) > 1 else "", "dim")
    return text


def _chances(chances: Sequence[float], columns: int) -> list[Text]:
    return [Text(chance_text(chance)) for chance in chances] or [Text()] * columns
