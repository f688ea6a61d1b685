"""The thoughts pane: a row for each thought, taken or to come, then what was said."""

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from coconut_core.trace import StepRecord
from coconut_tui.drawing import EDIT_STYLE, token_bar
from coconut_tui.state import ModelFacts, RunView

NAME_WIDTH = 8
SHOWN_AHEAD = 24  # rows for thoughts that are still to come
_CHUNK = NAME_WIDTH + 6  # cells of one token besides its bar: the name, a space, ' .46', and a gap


class ThoughtsPane(OptionList):
    """Draws the run; moving the cursor selects a step."""

    BORDER_TITLE = "Thoughts"

    class Selected(Message):
        """The cursor stands on a step; its number in the run."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._view: RunView | None = None
        self._facts: ModelFacts | None = None
        self._selected: int | None = None

    def show(self, view: RunView | None, facts: ModelFacts | None, selected: int | None) -> None:
        """Draw a run, with the cursor on one of its steps."""
        self._view, self._facts, self._selected = view, facts, selected
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """The bars follow the width."""
        self._draw()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell the app which step the cursor stands on."""
        event.stop()
        if event.option.id is not None and event.option.id.isdigit():
            step = int(event.option.id)
            if step != self._selected:
                self.post_message(self.Selected(step))

    def _draw(self) -> None:
        options = [] if self._view is None else list(self._rows(self._view))
        with self.prevent(OptionList.OptionHighlighted):
            self.clear_options()
            self.add_options(options)
            ids = [option.id for option in options]
            wanted = None if self._selected is None else str(self._selected)
            if wanted is not None and wanted not in ids:  # one of the words, which share a row
                wanted = next((name for name in reversed(ids) if name and name.isdigit()), None)
            self.highlighted = ids.index(wanted) if wanted in ids else None

    def _rows(self, view: RunView) -> list[Option]:
        rows = [Option(Text("  ⟨bot⟩", "dim"), disabled=True)]
        taken = 0
        for number, step in enumerate(view.steps):
            if step.kind == "thought":
                taken += 1
                rows.append(Option(self._thought(step, number == self._selected), id=str(number)))
            elif step.kind == "marker":
                rows.append(Option(self._marker(number == self._selected), id=str(number)))
        if view.mode == "thinking":
            to_come = range(taken + 1, view.thoughts + 1)
            rows += [Option(Text(f"○ {index}", "dim"), disabled=True) for index in to_come[:SHOWN_AHEAD]]
            if len(to_come) > SHOWN_AHEAD:
                rows.append(Option(Text(f"○ … {view.thoughts}", "dim"), disabled=True))
            rows.append(Option(Text("  ⟨eot⟩", "dim"), disabled=True))
        elif view.text or view.words():
            first = next((number for number, step in enumerate(view.steps) if step.kind == "token"), None)
            rows.append(Option(self._answer(view), id=None if first is None else str(first)))
        return rows

    def _thought(self, step: StepRecord, selected: bool) -> Text:
        row = Text(f"{'◉' if selected else '●'} {step.index} ", "bold" if selected else "")
        row.append("✎ " if step.edit else "  ", EDIT_STYLE)
        room = max(20, self.scrollable_content_region.width - len(row.plain) - 2)
        columns = min(3, max(1, room // (_CHUNK + 6)), len(step.top))
        bar_width = max(3, min(12, room // max(1, columns) - _CHUNK))
        for item in step.top[:columns]:
            row.append_text(token_bar(item.token, item.probability, NAME_WIDTH, bar_width))
            row.append(" ")
        return row

    def _marker(self, selected: bool) -> Text:
        return Text("◉ ⟨eot⟩" if selected else "  ⟨eot⟩", "bold" if selected else "dim")

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
