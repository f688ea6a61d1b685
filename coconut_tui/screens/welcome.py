"""What there is to open: the screen that the explorer begins with, and the way on where a model fails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from coconut_core.checkpoints.bundled import bundled_models
from coconut_core.common.cells import padded
from coconut_core.common.errors import CoconutError, visible
from coconut_core.common.paths import user_path
from coconut_core.records.trace import FORMAT
from coconut_tui.saved.format import SavedRun
from coconut_tui.screens.dialog import LIST_CURSOR
from coconut_tui.widgets.tokens import error_line, shortened

_ABOUT = (
    "A Coconut model reasons without words: before it speaks it feeds its last hidden state back as its next "
    "input, several times. Each such vector is a continuous thought. Here you watch them, change them, and see "
    "what becomes of the answer.\n"
)
_HEAD = 500  # bytes of a file in which its format is named
_LONGEST_CARD = 20_000  # characters
_MOST_RUNS = 5  # sessions, and saved runs of the folder, that are listed


@dataclass(frozen=True)
class Beginning:
    """Something that can be opened: a model's folder or id, a saved run's file, or a session to go on with."""

    group: str
    label: str
    about: str
    source: str = ""
    session: SavedRun | None = None

    @property
    def words(self) -> str:
        return f"{self.group} {self.label} {self.about}".lower()


def beginnings(sessions: Sequence[SavedRun], models: Sequence[str], folder: Path) -> list[Beginning]:
    """What can be begun with: models that come along, sessions and models of lately, saved runs in a folder."""
    bundled = list(bundled_models())
    come_along = [Beginning("Comes along", name, about, str(path)) for name, path, about in bundled]
    known = {str(path) for _, path, _ in bundled}
    lately = [Beginning("Opened lately", model, "", model) for model in models if model not in known]
    goes_on = [_session(run) for run in sessions[:_MOST_RUNS]]
    runs = [
        Beginning("Saved runs here", path.name, "replayed, without a model", str(path))
        for path in _runs(folder)
    ]
    return [*come_along, *goes_on, *lately, *runs]


def is_saved_run(path: Path) -> bool:
    """Whether a file is a saved run, by its first lines."""
    try:
        with path.open("rb") as file:
            return f'"{FORMAT}"'.encode() in file.read(_HEAD)
    except OSError:
        return False


class WelcomeScreen(ModalScreen[Beginning | None]):
    """Lists what can be opened, and filters it; what is typed can be opened as well. None where it is left."""

    BINDINGS = [
        *LIST_CURSOR,
        Binding("enter,ctrl+s", "confirm", "open", priority=True),
        Binding("escape", "dismiss", "quit", priority=True),
    ]

    def __init__(
        self, known: Sequence[Beginning], error: str = "", *, title: str = "coconut-tui", leaving: str = "quits"
    ) -> None:
        """error: why nothing is open; leaving: what escape does."""
        super().__init__()
        self._known, self._error, self._title, self._leaving = known, error, title, leaving
        self._shown: list[Beginning | str] = []  # as they stand in the list; a text is a heading

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full", id="welcome") as dialog:
            dialog.border_title = self._title
            dialog.border_subtitle = f"enter opens, up and down pick, escape {self._leaving}"
            yield Static(error_line(self._error) if self._error else Text(_ABOUT), id="why")
            yield Input(
                placeholder="or type a folder, a model's id on the hub, or a saved run; words filter the list",
                compact=True,
            )
            with Horizontal():
                yield OptionList()
                with VerticalScroll(id="card", can_focus=False):
                    yield Static(id="card-text")
        yield Footer()

    def on_mount(self) -> None:
        """List all, once it is known how much room there is."""
        self.call_after_refresh(self._show, "")

    def on_resize(self) -> None:
        """The texts follow the room."""
        self.call_after_refresh(lambda: self._show(self.query_one(Input).value))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter anew."""
        self._show(event.value)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell more of what the cursor stands on."""
        entry = self._shown[event.option_index]
        card = self.query_one("#card")
        if isinstance(entry, Beginning) and card.region:
            self.query_one("#card-text", Static).update(card_of(entry))
            card.scroll_home(animate=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open what was clicked."""
        self._open(event.option_index)

    def action_confirm(self) -> None:
        """Open what the cursor stands on."""
        if (place := self.query_one(OptionList).highlighted) is not None:
            self._open(place)

    def action_cursor(self, by: int) -> None:
        """Move the cursor, over headings."""
        options = self.query_one(OptionList)
        places = [place for place, entry in enumerate(self._shown) if isinstance(entry, Beginning)]
        if places:
            here = places.index(options.highlighted) if options.highlighted in places else 0
            options.highlighted = places[min(max(here + by, 0), len(places) - 1)]

    def _open(self, place: int) -> None:
        entry = self._shown[place]
        if isinstance(entry, Beginning):
            self.dismiss(entry)

    def _show(self, words: str) -> None:
        if not self.query(OptionList):
            return
        options = self.query_one(OptionList)
        self._shown = list(self._entries(words))
        width = max((len(entry.label) for entry in self._shown if isinstance(entry, Beginning)), default=0)
        room = options.scrollable_content_region.width
        width = min(width, room // 2)
        options.clear_options()
        options.add_options([_option(entry, width, room) for entry in self._shown])
        options.highlighted = next(
            (place for place, entry in enumerate(self._shown) if isinstance(entry, Beginning)), None
        )

    def _entries(self, words: str) -> Iterator[Beginning | str]:
        """What fits the words under headings, and the words themselves."""
        typed, group = words.strip(), ""
        itself = Beginning("As typed", visible(typed), _kind(typed), typed)
        exists = bool(typed) and user_path(typed).exists()
        if exists:
            yield from (itself.group, itself)
        for entry in self._known:
            if all(word in entry.words for word in words.lower().split()):
                if entry.group != group:
                    group = entry.group
                    yield group
                yield entry
        if typed and not exists:
            yield from (itself.group, itself)


def card_of(entry: Beginning) -> RenderableType:
    """What is known of something that can be opened: a model's card, a session's branches."""
    if entry.session is not None:
        tree = entry.session.tree
        text = Text(visible(tree.question, "\n"))
        for lines, branch in tree.rows():
            answer = "" if branch.said is None else f"  » {visible(branch.said.answer) or 'nothing'}"
            text.append(f"\n\n{lines}{branch.name}{answer}")
        return text
    card = user_path(entry.source) / "README.md"
    try:
        written = card.read_text(encoding="utf-8", errors="replace")[:_LONGEST_CARD] if card.is_file() else ""
    except OSError:
        written = ""
    if not written:
        return Text(entry.about, "dim")
    from rich.markdown import Markdown

    return Group(Text(f"{entry.about}\n", "bold"), Markdown(written, hyperlinks=False))


def _kind(typed: str) -> str:
    path = user_path(typed)
    if path.is_dir():
        return "a model's folder"
    if path.is_file():
        return "a saved run" if is_saved_run(path) else "a file"
    return "a model's id on the hub"


def _option(entry: Beginning | str, width: int, room: int) -> Option:
    if isinstance(entry, str):
        return Option(Text(entry, "bold"), disabled=True)
    label = padded(shortened(entry.label, width), width)
    return Option(Text(f"  {label}  ").append(shortened(entry.about, max(0, room - width - 4)), "dim"))


def _session(run: SavedRun) -> Beginning:
    tree, model = run.tree, Path(run.choice.source).name
    asked = tree.question.strip().rsplit(". ", 1)[-1]  # of a long question what it asks
    what = "a question" if tree.example is None else f"problem {tree.example}"
    branches = f", {len(tree.branches)} branches" if len(tree.branches) > 1 else ""
    return Beginning("Go on with", visible(f"{model}: {what}{branches}"), visible(asked), "", run)


def _runs(folder: Path) -> list[Path]:
    """The newest saved runs in a folder."""
    try:
        dated = sorted(((path.stat().st_mtime, path) for path in folder.glob("*.json")), reverse=True)
    except (OSError, CoconutError):
        return []
    return [path for _, path in dated[:50] if is_saved_run(path)][:_MOST_RUNS]
