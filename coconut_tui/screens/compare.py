"""Two branches side by side."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from coconut_core.common.errors import visible
from coconut_tui.run.branches import Said
from coconut_tui.run.state import Comparison
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.widgets.mirrored import FIGURES, Mirrored
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import verdict_mark

_FEWEST, _MOST = 3, 8  # tokens of a thought
_ABOUT = (
    "KL is the divergence of the right readout from the left one in nats, cos the cosine of the two states. "
    "▲ ▼ a token's rank has risen or fallen, ✚ it was not among the likeliest. Unequal thoughts are marked ≠."
)


class CompareScreen(ReadingDialog):
    """Shows a comparison, thought by thought."""

    BINDINGS = [
        Binding("question_mark,f1", "app.explain('compare')", "help"),
        Binding("escape,q,C", "dismiss", "close"),
    ]

    def __init__(self, comparison: Comparison) -> None:
        super().__init__()
        self._comparison = comparison

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog full") as dialog:
            dialog.border_title = plain_title(f"{self._comparison.first}  |  {self._comparison.second}")
            dialog.border_subtitle = "escape closes"
            yield Static(draw_answers(self._comparison), id="compared-answers")
            with VerticalScroll():
                yield Static(id="compared-thoughts")

    def on_mount(self) -> None:
        """Begin where the two begin to differ, once it is known how much room there is."""
        self.call_after_refresh(self._show, True)

    def on_resize(self) -> None:
        """As many tokens of each thought as there is room for."""
        self.call_after_refresh(self._show, False)

    def _show(self, to_the_difference: bool) -> None:
        steps = self.query_one(VerticalScroll)
        room = steps.scrollable_content_region
        mirrored = self._comparison.steps
        tokens = max(_FEWEST, min(_MOST, room.height // max(1, len(mirrored)) - 2))
        self.query_one("#compared-thoughts", Static).update(draw_comparison(self._comparison, tokens))
        if to_the_difference:
            lines = Mirrored(mirrored, tokens).lines(max(1, room.width))
            first = next((y for y, line in enumerate(lines) if line.plain.startswith("≠")), 0)
            self.call_after_refresh(steps.scroll_to, y=first, animate=False)


def draw_answers(comparison: Comparison) -> RenderableType:
    """The names of both, and what each came to."""
    answers = comparison.first_said, comparison.second_said
    unequal = answers[0].answer != answers[1].answer
    table = sides_table(comparison.first, comparison.second)
    table.add_row(Text("≠ answer" if unequal else "= answer", "bold"), *(_answer(said) for said in answers))
    table.add_row("")
    return table


def draw_comparison(comparison: Comparison, tokens: int = _FEWEST) -> RenderableType:
    """All thoughts of both, with so many tokens of each."""
    shared = comparison.shared
    same = (
        "No step is" if not shared else "The first step is" if shared == 1 else f"The first {shared} steps are"
    )
    return Group(Mirrored(comparison.steps, tokens), Text(f"\n{same} the same. {_ABOUT}", "dim"))


def sides_table(first: str, second: str) -> Table:
    """A table of two named columns, to which rows can be added; the left one ends where the right begins."""
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="bold")
    table.add_column("", no_wrap=True, min_width=FIGURES)
    table.add_column(Text(visible(first)), ratio=1, justify="right")
    table.add_column(Text(visible(second)), ratio=1)
    return table


def _answer(said: Said) -> Text:
    text = Text(visible(said.answer) or ("nothing" if said.over else "not said yet"), "bold")
    return text.append("" if said.over or not said.answer else " …").append(verdict_mark(said))
