"""All controls on the question that is open."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from coconut_core.common.cells import cells
from coconut_core.common.errors import visible
from coconut_core.evaluation.ablations import CONTROLS, Kind
from coconut_core.records.answers import conclusion
from coconut_tui.run.branches import Said
from coconut_tui.run.controlled import Controlled, ControlRow, distinct_answers, what_it_says
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.widgets.tokens import chance_text, error_line, place_note, verdict_mark, with_marks
from coconut_tui.widgets.variants import (
    LEAST_SCALE,
    LOGIT_DIFFERENCE,
    centred_bar,
    difference_of,
    place_heads,
    signed,
)

_ROOMY, _WITH_DESCRIPTIONS = 100, 150  # cells from which there is room for words, and for descriptions
_LEAST_BAR = 9  # cells
_TALLEST, _AROUND = 4, 14  # lines of a row where there is room, and those around the rows
_TITLES = {
    Kind.SWAP: "another problem's thoughts",
    Kind.DEPRIVING: "no thoughts, or what says nothing",
    Kind.REPORTED: "its own thoughts, disturbed",
}


class ControlsScreen(ReadingDialog):
    """Shows the controls as they come in."""

    BINDINGS = [
        Binding("escape,q,V", "dismiss", "close"),
        Binding("question_mark,f1", "app.explain('controls')", "help"),
        Binding("o", "order", "sort by effect"),
    ]

    def __init__(self, verdict: str) -> None:
        """verdict: what is known of the model's thoughts, in a line."""
        super().__init__()
        self._verdict = verdict
        self.controlled = Controlled()
        self._by_effect = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog full") as dialog:
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

    def action_order(self) -> None:
        """The rows of each group by what they do to the logit difference, and back."""
        self._by_effect = not self._by_effect
        self._show()

    def _show(self) -> None:
        dialog = self.query_one(VerticalScroll)
        going_on = not (self.controlled.complete or self.controlled.error)
        dialog.border_subtitle = "trying …, escape stops" if going_on else "escape closes"
        room = dialog.scrollable_content_region
        drawn = draw_controls(
            self.controlled, self._verdict, room.width, room.height, by_effect=self._by_effect
        )
        self.query_one("#controls", Static).update(drawn)


def draw_controls(
    controlled: Controlled, verdict: str, width: int, height: int = 24, *, by_effect: bool = False
) -> RenderableType:
    """The table, and what it says beside the model's verdict."""
    if controlled.error:
        return error_line(controlled.error)
    drawn = _Drawn(controlled, width, height)
    parts: list[RenderableType] = [drawn.table([] if controlled.own is None else [drawn.own()], headed=True)]
    for title, rows in _groups(controlled, by_effect):
        parts += [Text(title, "dim italic"), drawn.table([drawn.cells(row) for row in rows])]
    if not controlled.complete and not any(row.said for row in controlled.rows):
        return Group(*parts, Text("\ntrying …", "dim"))
    notes = [Text(f"\n{what_it_says(controlled)}"), _beside(verdict)]
    if controlled.place is not None:
        about = filter(None, (difference_of(controlled.place), place_note(controlled.place)))
        notes.append(Text(" ".join(about), "dim"))
    return Group(*parts, *notes)


def _groups(controlled: Controlled, by_effect: bool) -> list[tuple[str, list[ControlRow]]]:
    """The rows by what they put in the thoughts' place, swaps first; by effect: farthest to wrong first."""
    groups = []
    for kind, title in _TITLES.items():
        rows = [row for row in controlled.rows if row.name in CONTROLS and CONTROLS[row.name].kind is kind]
        if by_effect:
            shifts = {row.name: controlled.shift(row) for row in rows}
            rows.sort(key=lambda row: (shifts[row.name] is None, shifts[row.name] or 0.0))
        groups += [(title, rows)] if rows else []
    return groups


class _Drawn:
    """How the rows of a table of a width are drawn."""

    def __init__(self, controlled: Controlled, width: int, height: int) -> None:
        self._controlled = controlled
        self._roomy, self._described = width >= _ROOMY, width >= _WITH_DESCRIPTIONS
        self._judged = controlled.own is not None and controlled.own.right is not None
        self._heads = place_heads(controlled.place) or [("", "p")]
        self._two = len(self._heads) > 1
        self._lines = max(1, min(_TALLEST, (height - _AROUND) // max(1, len(controlled.rows) + 1)))
        self._bar = max(_LEAST_BAR, width // 5 if self._roomy else 0)
        shifts = [controlled.shift(row) for row in controlled.rows]
        self._most = max((LEAST_SCALE, *(abs(shift) for shift in shifts if shift is not None)))
        self._columns = self._fitted(width)

    def _fitted(self, width: int) -> list[tuple[str, int]]:
        """Headings, in two lines, and widths; the answer takes what the others leave."""
        roomy = self._roomy
        columns = [("\nthoughts fed" if roomy else "\nfed", 62 if self._described else 12 if roomy else 9)]
        columns += [("\nchanged" if roomy else "\n≠", 8)]
        columns += [("\nright" if roomy else "\n✓", 8 if roomy else 5)] if self._judged else []
        columns += [(f"{over}\n{word}", max(5, cells(word))) for over, word in self._heads]
        if self._two:
            ends = f"◂ wrong{'right ▸':>{self._bar - 7}}" if self._judged and self._bar > 15 else ""
            title = f"Δ {LOGIT_DIFFERENCE}" if roomy else "Δ"
            columns += [("logit\ndiff.", 6), (f"{title}\n{ends}", self._bar)]
        taken = sum(size for _, size in columns) + len(columns) * self._gap
        return [columns[0], ("\nanswer", max(8, width - taken)), *columns[1:]]

    @property
    def _gap(self) -> int:
        return 2 if self._roomy else 1

    def table(self, rows: Sequence[Sequence[Text]], *, headed: bool = False) -> Table:
        """Some rows; headed: with the headings above."""
        table = Table(box=None, padding=(0, self._gap, 0, 0), pad_edge=False, show_header=headed)
        table.header_style = "bold"
        for place, (heading, width) in enumerate(self._columns):
            no_wrap = place != 1 or self._lines == 1
            table.add_column(with_marks(heading), width=width, no_wrap=no_wrap, overflow="ellipsis")
        for row in rows:
            table.add_row(*row)
        return table

    def own(self) -> list[Text]:
        """The row of its own thoughts."""
        controlled = self._controlled
        assert controlled.own is not None  # else there is no such row
        right = [with_marks("✓" if controlled.own.right else "✗")] if self._judged else []
        answer = _answers([(controlled.own, 1)], whole=self._roomy)
        numbers = self._numbers(controlled.probabilities, controlled.logit_difference, 0.0)
        return [Text("its own", "bold"), answer, Text(), *right, *numbers]

    def cells(self, row: ControlRow) -> list[Text]:
        """The row of a control."""
        name = Text(row.name)
        if self._described:
            name = Text().append(f"{row.name:<10}").append(row.description, "dim")
        if not row.draws:
            none = [Text("—", "dim")] * (2 if self._judged else 1)
            return [name, Text(row.missing, "dim"), *none]
        if not row.said:
            return [name, Text("…", "dim")]
        right = [self._right(row)] if self._judged else []
        answers = _answers(distinct_answers(row), whole=self._roomy)
        shift = self._controlled.shift(row)
        numbers = self._numbers(row.probabilities, row.logit_difference, shift)
        return [name, answers, self._changed(row), *right, *numbers]

    def _changed(self, row: ControlRow) -> Text:
        sign, style = ("≠", "bold") if row.changed else ("=", "dim")
        if row.draws > 1:
            return Text(f"{sign} {row.changed}{self._of}{row.draws}", style)
        became = "twin's" if row.name == "twin" and row.donors else "yes" if row.changed else "no"
        return Text(f"{sign} {became}" if self._roomy or became == "twin's" else sign, style)

    def _right(self, row: ControlRow) -> Text:
        mark = "✓" if row.right else "✗"
        return with_marks(mark if row.draws == 1 else f"{mark} {row.right or 0}{self._of}{row.draws}")

    @property
    def _of(self) -> str:
        return " of " if self._roomy else "/"

    def _numbers(self, chances: Sequence[float], difference: float | None, shift: float | None) -> list[Text]:
        """Probabilities, their logit difference, and the bar of how far it moves."""
        texts = [Text(chance_text(chance)) for chance in chances] or [Text()] * len(self._heads)
        if not self._two or difference is None:
            return texts
        thick = self._lines - 1 if self._lines > 1 else 1
        bars = centred_bar(shift, self._most, self._bar, thick)
        if self._lines > 1:
            bars.append("\n")  # a line between two rows
        return [*texts, Text(signed(difference)), bars]


def _beside(verdict: str) -> Text:
    """What one question cannot say."""
    text = Text("This is one question (n=1). ", "bold").append(
        "Whether the model's answers use its thoughts only many can say: ", "not bold"
    )
    return text.append(verdict or "not known yet", "not bold")


def _answers(answers: Sequence[tuple[Said, int]], *, whole: bool) -> Text:
    """One answer whole, where there is room; of several what each comes down to, and how often it was given."""
    text = Text()
    for number, (said, count) in enumerate(answers):
        answer = said.answer if whole and len(answers) == 1 else conclusion(said.answer)
        text.append(" · " if number else "").append(visible(answer) or "nothing").append(verdict_mark(said))
        text.append(f" ×{count}" if len(answers) > 1 else "", "dim")
    return text
