"""Picking a finding."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from coconut_core.common.errors import visible
from coconut_tui.findings import Filter, Finding
from coconut_tui.findings.rendering import note_in_terminal
from coconut_tui.screens.dialog import LIST_CURSOR
from coconut_tui.widgets.tokens import end_of, error_line, shortened

_LONGEST_NOTE = 20_000  # characters that are shown of one
Listed = tuple[Path, Finding]


class FindingsScreen(ModalScreen[Listed | None]):
    """Lists findings that fit a filter, with the note under the cursor; gives the one that is picked."""

    BINDINGS = [
        *LIST_CURSOR,
        Binding("ctrl+s", "confirm", "reopen", priority=True),
        Binding("escape", "dismiss", "close", priority=True),
    ]

    def __init__(self, folder: Path, read: Callable[[Callable[[str], object]], Sequence[Listed]]) -> None:
        """read gives the findings of the folder, newest first, and tells what cannot be read."""
        super().__init__()
        self._folder, self._errors = folder, list[str]()
        self._known = read(self._errors.append)
        self._shown: list[Listed] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full", id="findings") as dialog:
            dialog.border_title = Text(f"Findings in {visible(str(self._folder))}: {len(self._known)}")
            dialog.border_subtitle = "enter reopens, up and down pick, escape closes"
            yield Input(placeholder="filter: words, #tag, model:NAME", compact=True)
            if self._errors:
                rest = f" (and {len(self._errors) - 1} more)" if len(self._errors) > 1 else ""
                first = self._errors[0].removeprefix(f"{self._folder}/")  # which the frame names
                yield Static(error_line(f"cannot be read: {first}{rest}"), id="finding-errors")
            yield OptionList()
            with VerticalScroll(id="finding-card", can_focus=False):
                yield Static(id="finding-text")
        yield Footer()

    def on_mount(self) -> None:
        """List all, once it is known how much room there is."""
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        """The texts follow the room."""
        self.call_after_refresh(self._show)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter anew."""
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter reopens, too."""
        self.action_confirm()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the note under the cursor."""
        self._show_card(event.option_index)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Reopen what was clicked."""
        if event.option_index < len(self._shown):
            self.dismiss(self._shown[event.option_index])

    def action_confirm(self) -> None:
        """Reopen what is under the cursor."""
        place = self.query_one(OptionList).highlighted
        if place is not None and place < len(self._shown):
            self.dismiss(self._shown[place])

    def action_cursor(self, by: int) -> None:
        """Move the cursor while the filter is being typed."""
        options = self.query_one(OptionList)
        if self._shown:
            options.highlighted = min(max((options.highlighted or 0) + by, 0), len(self._shown) - 1)

    def _show(self) -> None:
        if not self.query(OptionList):
            return
        options = self.query_one(OptionList)
        which = Filter.typed(self.query_one(Input).value)
        self._shown = [(path, finding) for path, finding in self._known if which.fits(finding)]
        width = options.scrollable_content_region.width
        options.clear_options()
        options.add_options([Option(_line(finding, width)) for _, finding in self._shown])
        if self._shown:
            options.highlighted = 0
        else:
            none = "none fits" if self._known else "none is noted yet: :note writes one"
            options.add_option(Option(Text(none, "dim"), disabled=True))
            self.query_one("#finding-text", Static).update(Text())

    def _show_card(self, place: int) -> None:
        if place < len(self._shown):
            self.query_one("#finding-text", Static).update(card_of(*self._shown[place]))
            self.query_one("#finding-card").scroll_home(animate=False)


def card_of(path: Path, finding: Finding) -> RenderableType:
    """A finding with its note; nothing in it is markup but the note's Markdown."""
    seen = finding.seen
    facts = Text()
    for name, value in (
        ("model", finding.model.source),
        ("question", end_of(finding.run.question.strip(), 160)),
        ("at", finding.where),
        ("said", "" if seen is None else seen.said),
        (
            "thoughts",
            "" if seen is None else "  ".join(f"{one.token} {one.probability:.2f}" for one in seen.thoughts),
        ),
        ("file", str(path)),
    ):
        if value:
            facts.append(f"{name:>8}  ", "dim").append(f"{visible(value)}\n")
    note = finding.note[:_LONGEST_NOTE]
    return Group(facts, note_in_terminal(note) if note else Text("no note", "dim"))


def _line(finding: Finding, width: int) -> Text:
    tags = visible(" ".join(f"#{tag}" for tag in finding.tags))
    head = f"{finding.date[:10]:<10}  "
    room = max(10, width - len(head))
    title = shortened(visible(finding.title), max(10, room - min(len(tags), room // 3) - 2))
    return Text(visible(head), no_wrap=True, overflow="ellipsis").append(title).append(f"  {tags}", "dim")
