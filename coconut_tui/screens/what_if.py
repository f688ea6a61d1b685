"""The what-if table."""

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import DataTable, Footer, Static

from coconut_core.common.cells import cells
from coconut_tui.run.state import Variant, WhatIf
from coconut_tui.screens.dialog import SEARCHING, WhatIfDialog
from coconut_tui.widgets.charts import Axes, Series, draw_chart, legend
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import BAR_STYLE, WRONG_BOLD, chance_text, place_note, with_marks
from coconut_tui.widgets.variants import (
    LEAST_SCALE,
    LOGIT_DIFFERENCE,
    answer_text,
    centred_bar,
    difference_of,
    place_heads,
    sentence,
    signed,
)

_NARROW = 96  # columns below which a change has its bar and no number
_LEAST_ANSWER, _LEAST_BAR = 10, 9  # cells
_TALLEST = 5  # lines of a row where there is room
_LEAST_CURVE, _BESIDE_CURVE = 8, 7  # lines of a sweep's curve, and those around table and curve
_ALOUD = " +5: so many words were said in front."


class WhatIfScreen(WhatIfDialog):
    """Shows interventions side by side as they come in; gives the one that is to become a branch."""

    BINDINGS = [
        *SEARCHING,
        Binding("question_mark,f1", "app.explain('what-if')", "help"),
        Binding("escape,q", "dismiss", "close"),
        Binding("o", "order", "sort by effect"),
        Binding("ctrl+s", "confirm", "make a branch"),
        Binding("at", "grid", "every thought", key_display="@"),
        Binding("j", "cursor(1)", "down", show=False),
        Binding("k", "cursor(-1)", "up", show=False),
    ]

    def __init__(self, title: str, strengths: Sequence[float] = ()) -> None:
        """strengths: of a sweep, by row behind the first: what its curve is drawn over."""
        super().__init__(title)
        self._title, self._strengths = title, tuple(strengths)
        self._order: list[int] = []  # numbers of the variants, as they stand one below the other
        self._by_effect = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full what-if") as dialog:
            dialog.border_title = plain_title(f"What if: {self._title}")
            dialog.border_subtitle = "enter makes a branch of it, escape closes"
            yield DataTable(cursor_type="row", header_height=2, cursor_foreground_priority="renderable")
            yield Static(id="what-if-state")
            yield Static(id="what-if-curve")
        yield Footer()

    def on_mount(self) -> None:
        """Say that nothing has come in yet."""
        self.query_one("#what-if-state", Static).update("trying …")

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Say a row in words."""
        self._say(event.cursor_row)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Take a row; the first one changes nothing."""
        number = self._order[event.cursor_row] if event.cursor_row < len(self._order) else 0
        if number and not self._table.variants[number].error:
            self.dismiss(self._table.variants[number].text)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        rows = self.query_one(DataTable)
        rows.move_cursor(row=rows.cursor_row + by)

    def action_grid(self) -> None:
        """The same for all thoughts at once, in place of this table."""
        self.dismiss(None)
        self.app.call_later(self.app.run_action, "act('grid')")

    def action_order(self) -> None:
        """The rows by what they do to the logit difference, and back."""
        self._by_effect = not self._by_effect
        self._draw()

    # -- inside --------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        rows, table = self.query_one(DataTable), self._table
        under = self._order[rows.cursor_row] if rows.cursor_row < len(self._order) else 0
        self._order = self._ordered()
        room = self.query_one(".dialog").scrollable_content_region
        lines = 1 if self._strengths else max(1, min(_TALLEST, (room.height - 6) // max(1, len(self._order))))
        columns = _Columns(table, room.width - 2)
        rows.clear(columns=True)
        for heading, width in columns.heads():
            rows.add_column(heading, width=width)
        for number in self._order:
            rows.add_row(*columns.cells(table.variants[number], lines), height=lines)
        if self._order:
            rows.move_cursor(row=self._order.index(under) if under in self._order else 0)
        self._say(rows.cursor_row)

    def _ordered(self) -> list[int]:
        """The run itself, then the rest: as asked for, or what goes farthest to the wrong answer first."""
        table = self._table
        order = range(len(table.variants))
        if not self._by_effect:
            return list(order)
        shifts = [table.shift(variant) for variant in table.variants]
        rest = sorted(order[1:], key=lambda number: (shifts[number] is None, shifts[number] or 0.0))
        return [*order[:1], *rest]

    def _say(self, row: int) -> None:
        """The row under the cursor in words, then how the numbers are made or how far it has come."""
        table = self._table
        text = Text()
        if row < len(self._order):
            text.append_text(sentence(table, table.variants[self._order[row]])).append("\n")
        answered = sum(variant.said is not None for variant in table.variants)
        aloud = _ALOUD if any(variant.aloud for variant in table.variants) else ""
        wide = self.size.width >= _NARROW
        note = " ".join(filter(None, (difference_of(table.place), place_note(table.place) if wide else "")))
        going_on = f"trying … {answered} answered, escape stops"
        text.append(f"{note}{aloud}" if table.complete else going_on, "dim")
        self.query_one("#what-if-state", Static).update(text)
        if self._order:
            self._draw_curve()

    def _draw_curve(self) -> None:
        """The logit difference over a sweep's strengths, where there is room, with the row under the cursor."""
        table, curve = self._table, self.query_one("#what-if-curve", Static)
        variants, room = table.variants[1:], self.query_one(".dialog").scrollable_content_region
        height = room.height - len(self._order) - _BESIDE_CURVE
        values = [variant.logit_difference for variant in variants]
        known = [value for value in (*values, table.variants[0].logit_difference) if value is not None]
        curve.display = bool(self._strengths) and len(known) > 2 and height >= _LEAST_CURVE
        if not curve.display:
            return
        middle, half = (max(known) + min(known)) / 2, max(LEAST_SCALE, max(known) - min(known)) / 2
        flips = {place: table.flip(variant) for place, variant in enumerate(variants, start=1)}
        series = Series(
            values,
            "●",
            BAR_STYLE,
            LOGIT_DIFFERENCE,
            {place: ("✗", WRONG_BOLD) for place, flip in flips.items() if flip is False},
        )
        under = self._order[self.query_one(DataTable).cursor_row]
        axes = Axes(
            {place: f"{strength:g}" for place, strength in enumerate(self._strengths, start=1)},
            1,
            len(variants),
            middle - half,
            middle + half,
            cursor=under or None,
            level=table.variants[0].logit_difference,
        )
        key = legend([series], room.width).append(
            "   · nothing changed   ✗ the answer flips   over the strength", "dim"
        )
        curve.update(Text("\n").join([draw_chart([series], axes, room.width, height - 2), key]))


class _Columns:
    """What stands in the columns of a table of a width, and how wide they are."""

    def __init__(self, table: WhatIf, width: int) -> None:
        self._table = table
        self._heads = place_heads(table.place)
        self._two = table.place is not None and len(table.place.words) > 1
        self._what = min(36, max((cells(variant.text) for variant in table.variants), default=4))
        self._chances = [max(5, cells(word)) for _, word in self._heads]
        self._numbered = self._two and width >= _NARROW
        fixed = [self._what, *self._chances, *([7] if self._two else []), *([7] if self._numbered else [])]
        rest = width - sum(fixed) - 2 * (len(fixed) + 1 + self._two)
        answered = [each for each in table.variants if each.said is not None]
        longest = max((answer_text(table, each, 200).cell_len for each in answered), default=0)
        most = rest - _LEAST_BAR if self._two else rest
        self._answer = max(_LEAST_ANSWER, min(max(longest, _LEAST_ANSWER), most) if self._two else most)
        self._bar = max(_LEAST_BAR, rest - self._answer)
        shifts = [table.shift(variant) for variant in table.variants]
        self._most = max((LEAST_SCALE, *(abs(shift) for shift in shifts if shift is not None)))

    def heads(self) -> list[tuple[Text, int]]:
        """The headings, in two lines, with the widths of the columns."""
        heads = [(Text("\nwhat"), self._what), (Text("\nanswer"), self._answer)]
        heads += [
            (with_marks(f"{over}\n{word}"), width)
            for (over, word), width in zip(self._heads, self._chances, strict=True)
        ]
        heads += [(Text("logit\ndiff."), 7)] if self._two else []
        heads += [(Text("\nΔ"), 7)] if self._numbered else []
        ends = "◂ wrong", "right ▸"
        if self._two and (self._table.place is None or not self._table.place.judged):
            ends = "◂ other", "own ▸"
        space = self._bar - cells(ends[0]) - cells(ends[1])
        scale = f"{ends[0]}{' ' * space}{ends[1]}" if space > 0 else ""
        return heads + (
            [(Text(f"Δ {LOGIT_DIFFERENCE}\n{scale}", no_wrap=True), self._bar)] if self._two else []
        )

    def cells(self, variant: Variant, lines: int) -> list[Text]:
        """The cells of a row of so many lines."""
        texts = [Text(variant.text), answer_text(self._table, variant, self._answer, lines)]
        texts[1].no_wrap = lines == 1
        chances = [Text(chance_text(chance)) for chance in variant.probabilities]
        texts += (chances or [Text()] * len(self._heads))[: len(self._heads)]
        known, shift = variant.logit_difference, self._table.shift(variant)
        own = variant is self._table.variants[0]
        if self._two:
            texts.append(Text("" if known is None else signed(known)))
        if self._numbered:
            texts.append(Text("" if shift is None or own else signed(shift)))
        if self._two:
            thick = lines - 1 if lines > 2 else lines
            texts.append(centred_bar(shift, self._most, self._bar, thick) if known is not None else Text())
        return texts
