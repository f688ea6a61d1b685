"""Putting an intervention together, with a look at what it would lead to."""

from collections.abc import Callable

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from coconut_core.common.errors import visible
from coconut_core.common.quoting import parts
from coconut_core.records.trace import StepRecord
from coconut_tui.run.branches import Said
from coconut_tui.run.commands import with_places
from coconut_tui.run.drafts import Draft, Workshop
from coconut_tui.run.state import Preview
from coconut_tui.screens.dialog import SEARCHING
from coconut_tui.widgets.dials import Dial, Slider
from coconut_tui.widgets.tokens import error_line, share_text, shortened, verdict_mark

_PAUSE = 0.15  # seconds without a change before a preview is asked for


class EditScreen(ModalScreen[str | None]):
    """Gives the text of an intervention; None when it is left."""

    BINDINGS = [
        *SEARCHING,
        Binding("f1", "app.explain('edit')", "help", priority=True),
        Binding("escape", "dismiss", "leave all as it was", priority=True),
        Binding("ctrl+s", "apply", "apply in a branch", priority=True),
        Binding("tab", "app.focus_next", "next field", show=True),
    ]

    def __init__(self, workshop: Workshop, text: str, look_ahead: Callable[[str], None]) -> None:
        """look_ahead asks for a preview of a text; it comes through show()."""
        super().__init__()
        self._workshop, self._look_ahead = workshop, look_ahead
        first = workshop.begun(workshop.facts.forms[0])
        self._text = text or str(first)
        self._timer: Timer | None = None
        self._dials = ""  # the form whose dials are shown

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide", id="edit") as dialog:
            dialog.border_subtitle = "enter applies, escape leaves all as it was"
            yield Input(self._text, compact=True, select_on_focus=False)
            yield Static(id="edit-about")
            with Horizontal(id="edit-parts"):
                yield OptionList(*(Option(form.name, id=form.name) for form in self._workshop.facts.forms))
                with Vertical(id="edit-right"):
                    yield Vertical(id="dials")
                    with VerticalScroll(id="preview"):
                        yield Static(id="preview-text")
        yield Footer()

    async def on_mount(self) -> None:
        """Begin in the menu, or in the text where one was given."""
        self.query_one(OptionList if self._draft is not None else Input).focus()
        await self._text_changed(self._text)

    # -- what a person does --------------------------------------------------------------------------------

    async def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Another form: begin a draft of it."""
        form = self._workshop.form(event.option.id or "")
        draft, current = self._draft, event.option_list.highlighted == event.option_index
        if form is not None and current and (draft is None or draft.form != form):
            self._write(str(self._workshop.begun(form)))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter applies."""
        self.action_apply()

    async def on_input_changed(self, event: Input.Changed) -> None:
        """Typing changes the dials."""
        await self._text_changed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter applies."""
        self.action_apply()

    def on_dial_turned(self, event: Dial.Turned) -> None:
        """A dial changes the text, and the text the preview."""
        draft = self._draft
        if draft is not None and event.dial.name is not None:
            self._write(str(draft.turned(event.dial.name, event.dial.value)))

    def action_apply(self) -> None:
        """Take the text."""
        text = self._whole_text
        if text and not self._missing:
            self.dismiss(text)

    # -- what is shown -------------------------------------------------------------------------------------

    def show(self, preview: Preview) -> None:
        """Show what the text would lead to, if it is still the same."""
        if not self.query("#preview-text") or preview.text != self._whole_text:
            return
        self.query_one("#preview-text", Static).update(
            error_line(preview.error)
            if preview.error
            else Group(*(Text(note, "dim") for note in preview.notes), draw_preview(preview))
        )

    @property
    def _whole_text(self) -> str:
        return with_places(self.query_one(Input).value, self._workshop.facts.forms, self._workshop.thought)

    @property
    def _draft(self) -> Draft | None:
        """The last of the interventions in the text; dials are about that one."""
        text = self.query_one(Input).value if self.is_mounted else self._text
        return self._workshop.read(parts(text, ";")[-1])

    @property
    def _missing(self) -> str:
        """What is still to be typed."""
        draft = self._draft
        return "" if draft is None else draft.missing

    def _write(self, last: str) -> None:
        """Put another intervention in the place of the last one."""
        line = self.query_one(Input)
        before = parts(line.value, ";")[:-1]
        line.value = ";".join([*before, f" {last}"]).strip()
        line.cursor_position = len(line.value)

    async def _text_changed(self, text: str) -> None:
        draft = self._draft
        about = Text("no such form: choose one below", "dim")
        if draft is not None:
            about = Text(draft.form.usage, "bold").append(f"  {draft.form.description}", "dim")
            menu = self.query_one(OptionList)
            with menu.prevent(OptionList.OptionHighlighted):  # it follows the text here, not the other way
                menu.highlighted = self._workshop.facts.forms.index(draft.form)
        self.query_one("#edit-about", Static).update(about)
        self.query_one("#edit", Vertical).border_title = self._title(draft)
        await self._set_dials(draft)
        if self._timer is not None:
            self._timer.stop()
        if self._missing:
            hint = f"type {self._missing} in its field, or in the line on top"
            self.query_one("#preview-text", Static).update(Text(hint, "dim"))
            return
        self.query_one("#preview-text", Static).update(Text("looking ahead …", "dim"))
        self._timer = self.app.set_timer(_PAUSE, self._preview)

    def _preview(self) -> None:
        if self.query("#preview-text"):  # else it has been closed meanwhile
            self._look_ahead(self._whole_text)

    def _title(self, draft: Draft | None) -> str:
        """Which thoughts are edited, by the text."""
        if draft is None or not draft.form.takes_places:
            return "Edit the thoughts, in a branch of its own"
        places = draft.places or str(self._workshop.thought)
        what = "all thoughts" if places == "all" else f"thought {places}"
        return visible(f"Edit {what}, in a branch of its own")

    async def _set_dials(self, draft: Draft | None) -> None:
        place = self.query_one("#dials", Vertical)
        dials = "" if draft is None else f"{draft.form.name} {[name for name, _ in draft.arguments]}"
        if dials != self._dials:
            self._dials = dials
            await place.remove_children()
            if draft is not None:
                await place.mount_all([self._dial(draft, name, value) for name, value in draft.arguments])
        for dial in place.query(Dial):
            value = "" if draft is None else dict(draft.arguments).get(dial.name or "", "")
            if dial.value != value:
                dial.value = value
                dial.refresh()

    def _dial(self, draft: Draft, name: str, value: str) -> Dial:
        choice = self._workshop.choice(draft.form, name)
        if choice.step:
            return Slider(name, value, choice.low, choice.high, choice.step)
        return Dial(name, value, choice.options)


def draw_preview(preview: Preview) -> Table:
    """The thoughts from the first changed one on, and the answer, before and after."""
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="dim")
    table.add_column("", no_wrap=True)
    table.add_column("now", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("then", ratio=1, no_wrap=True, overflow="ellipsis")
    for number in range(max(len(preview.before), len(preview.after))):
        before = preview.before[number] if number < len(preview.before) else None
        after = preview.after[number] if number < len(preview.after) else None
        if before != after:
            table.add_row(f"≠ {number + 1}", _likeliest(before), _likeliest(after))
    answers = preview.said_before, preview.said_after
    same = answers[0] is not None and answers[1] is not None and answers[0].answer == answers[1].answer
    table.add_row(
        Text("= same" if same else "≠ answer", "" if same else "bold"), _answer(answers[0]), _answer(answers[1])
    )
    return table


def _likeliest(step: StepRecord | None) -> Text:
    if step is None:
        return Text("—", "dim")
    return Text(" ".join(f"{shortened(item.name, 8)} {share_text(item.probability)}" for item in step.top[:2]))


def _answer(said: Said | None) -> Text:
    if said is None:
        return Text()
    return Text(visible(said.answer) or "nothing", "bold").append(verdict_mark(said))
