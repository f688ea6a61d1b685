"""The thoughts pane: a row for each thought, taken or to come, then what was said.

Only the rows in sight are drawn, so a run of thousands of thoughts costs no more than one of six.
"""

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from coconut_core.trace import StepRecord
from coconut_tui.drawing import EDIT_STYLE, token_bar
from coconut_tui.state import ModelFacts, RunView

NAME_WIDTH = 8
_CHUNK = NAME_WIDTH + 6  # cells of one token besides its bar: the name, a space, ' .46', and a gap
_FOLLOWING = 24  # rows for thoughts that are still to come


@dataclass(frozen=True)
class _Row:
    """A line of the pane: a step of the run, or a text of its own; with a step it can be selected."""

    step: int | None = None
    text: Text | None = None


class ThoughtsPane(ScrollView, can_focus=True):
    """Draws the run; moving the cursor selects a step."""

    BORDER_TITLE = "Thoughts"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"thoughts--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "up", show=False),
        Binding("down", "move(1)", "down", show=False),
        Binding("pageup", "move(-10)", "page up", show=False),
        Binding("pagedown", "move(10)", "page down", show=False),
        Binding("home", "move(-1000000)", "first", show=False),
        Binding("end", "move(1000000)", "last", show=False),
    ]

    class Selected(Message):
        """The cursor stands on a step; its number in the run."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._view: RunView | None = None
        self._facts: ModelFacts | None = None
        self._selected: int | None = None
        self._rows: list[_Row] = []
        self._cursor: int | None = None  # row of the selected step

    def show(self, view: RunView | None, facts: ModelFacts | None, selected: int | None) -> None:
        """Draw a run, with the cursor on one of its steps."""
        self._view, self._facts, self._selected = view, facts, selected
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        """One line of the pane, y from its top."""
        width = self.scrollable_content_region.width
        number = y + self.scroll_offset.y
        if number >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[number]
        style = self.rich_style
        if number == self._cursor:
            style += self.get_component_rich_style("thoughts--cursor")
        strip = Strip(self._text_of(row).render(self.app.console)).adjust_cell_length(width)
        return strip.apply_style(style)

    def on_resize(self, event: events.Resize) -> None:
        """The bars and the answer's lines follow the width."""
        self._lay_out()

    def on_click(self, event: events.Click) -> None:
        """Select the step that was clicked."""
        offset = event.get_content_offset(self)
        number = -1 if offset is None else offset.y + self.scroll_offset.y
        if 0 <= number < len(self._rows) and (step := self._rows[number].step) is not None:
            self.post_message(self.Selected(step))

    def action_move(self, by: int) -> None:
        """Move the cursor over the steps that can be selected."""
        places = [number for number, row in enumerate(self._rows) if row.step is not None]
        if not places:
            return
        here = places.index(self._cursor) if self._cursor in places else len(places) - 1
        step = self._rows[places[min(max(here + by, 0), len(places) - 1)]].step
        if step is not None and step != self._selected:
            self.post_message(self.Selected(step))

    # -- inside --------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._rows = [] if self._view is None else self._rows_of(self._view)
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows))
        self._cursor = self._cursor_row()
        if self._cursor is not None:
            self.scroll_to_region(Region(0, self._cursor, 1, 1), animate=False, force=True)
        self.refresh()

    def _cursor_row(self) -> int | None:
        """The row of the selected step; the words share the rows of the answer."""
        if self._selected is None:
            return None
        wanted: int | None = self._selected
        if self._view is not None and self._view.steps[self._selected].kind == "token":
            wanted = self._view.first_word
        return next((number for number, row in enumerate(self._rows) if row.step == wanted), None)

    def _rows_of(self, view: RunView) -> list[_Row]:
        rows = [_Row(text=Text("  ⟨bot⟩", "dim"))]
        rows += [_Row(step=number) for number, step in enumerate(view.steps) if step.kind != "token"]
        if view.mode == "thinking":
            taken = sum(step.kind == "thought" and step.segment == view.segment for step in view.steps)
            to_come = range(taken + 1, view.thoughts + 1)
            rows += [_Row(text=Text(f"○ {index}", "dim")) for index in to_come[:_FOLLOWING]]
            if len(to_come) > _FOLLOWING:
                rows.append(_Row(text=Text(f"○ … {view.thoughts}", "dim")))
            rows.append(_Row(text=Text("  ⟨eot⟩", "dim")))
        elif view.words():
            width = max(8, self.scrollable_content_region.width)
            lines = self._answer(view).wrap(self.app.console, width)
            rows += [_Row(view.first_word if number == 0 else None, line) for number, line in enumerate(lines)]
        return rows

    def _text_of(self, row: _Row) -> Text:
        if row.text is not None:
            return row.text
        assert self._view is not None
        assert row.step is not None
        step, selected = self._view.steps[row.step], row.step == self._selected
        if step.kind == "marker":
            return Text("◉ ⟨eot⟩" if selected else "  ⟨eot⟩", "bold" if selected else "dim")
        return self._thought(step, selected)

    def _thought(self, step: StepRecord, selected: bool) -> Text:
        row = Text(f"{'◉' if selected else '●'} {step.index} ", "bold" if selected else "")
        row.append("✎ " if step.edit else "  ", EDIT_STYLE)
        room = max(20, self.scrollable_content_region.width - len(row.plain) - 2)
        columns = min(3, max(1, room // (_CHUNK + 3)), len(step.top))
        bar_width = max(3, min(12, room // max(1, columns) - _CHUNK))
        for item in step.top[:columns]:
            row.append_text(token_bar(item.token, item.probability, NAME_WIDTH, bar_width))
            row.append(" ")
        return row

    def _answer(self, view: RunView) -> Text:
        prefix = self._facts.answer_prefix if self._facts is not None else ""
        said = view.text.rsplit(prefix, 1)[-1].strip() if prefix else view.text
        row = Text("» ", "dim")
        row.append(said or "…", "bold")
        if view.finished and view.expected is not None:
            right = said == view.expected
            row.append(
                "  ✓ right" if right else f"  ✗ expected: {view.expected}", "bold" if right else EDIT_STYLE
            )
        return row
