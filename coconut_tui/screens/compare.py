"""Two branches side by side."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from coconut_core.common.errors import visible
from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.run.branches import Said
from coconut_tui.run.state import ComparedStep, Comparison
from coconut_tui.screens.dialog import ReadingDialog
from coconut_tui.widgets.text import plain_title
from coconut_tui.widgets.tokens import EDIT_BOLD, EDIT_STYLE, FLAT, flat, share_text, token_share, verdict_mark

_TOKENS = 3  # shown of each thought
_FIGURES = 14  # least cells of the figures, so that tables one below the other are aligned
_SAME = 1e-6  # nats; a divergence below is rounding
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
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = plain_title(f"{self._comparison.first}  |  {self._comparison.second}")
            dialog.border_subtitle = "escape closes"
            yield Static(draw_answers(self._comparison), id="compared-answers")
            with VerticalScroll():
                yield Static(draw_comparison(self._comparison))

    def on_mount(self) -> None:
        """Begin where the two begin to differ, once it is known how high the lines above are."""
        self.call_after_refresh(self._go_to_the_difference)

    def _go_to_the_difference(self) -> None:
        steps = self.query_one(VerticalScroll)
        width = max(1, steps.scrollable_content_region.width)
        options = self.app.console.options.update(width=width)
        lines = self.app.console.render_lines(draw_comparison(self._comparison), options)
        marked = ("".join(piece.text for piece in line).startswith("≠") for line in lines)
        first = next((y for y, here in enumerate(marked) if here), 0)
        steps.scroll_to(y=first, animate=False)


def draw_answers(comparison: Comparison) -> RenderableType:
    """The names of both, and what each came to."""
    table = comparison_table(comparison.first, comparison.second, ())
    answers = comparison.first_said, comparison.second_said
    unequal = answers[0].answer != answers[1].answer
    table.add_row(Text("≠ answer" if unequal else "= answer", "bold"), *(_answer(said) for said in answers))
    table.add_row("")
    return table


def draw_comparison(comparison: Comparison) -> RenderableType:
    """All thoughts of both."""
    table = comparison_table(comparison.first, comparison.second, comparison.steps)
    table.show_header = False
    shared = comparison.shared
    same = (
        "No step is" if not shared else "The first step is" if shared == 1 else f"The first {shared} steps are"
    )
    return Group(table, Text(f"\n{same} the same. {_ABOUT}", "dim"))


def comparison_table(first: str, second: str, steps: Sequence[ComparedStep], *, dense: bool = False) -> Table:
    """A table of two named columns with the thoughts side by side, to which rows can be added.

    dense: the tokens of a thought share a line, as far as there is room, and so do its figures.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, header_style="bold")
    table.add_column("", no_wrap=True, min_width=_FIGURES)
    table.add_column(Text(visible(first)), ratio=1)
    table.add_column(Text(visible(second)), ratio=1)
    for step in steps:
        table.add_row(_figures(step, dense), _left(step.first, dense), _right(step, dense))
        if not dense:
            table.add_row("")
    return table


def _figures(step: ComparedStep, dense: bool) -> Text:
    number = f"{step.segment + 1}.{step.thought}" if step.segment else f"{step.thought}"
    name, between = (number, "  ") if dense else (f"thought {number}", "\n  ")
    if step.first is None or step.second is None:
        return Text(f"≠ {name}{between}on one side", "bold")
    if step.divergence is None:
        unequal = [item.key for item in step.first.top[:1]] != [item.key for item in step.second.top[:1]]
    else:
        unequal = step.divergence > _SAME
    text = Text(f"{'≠' if unequal else '='} {name}", "bold" if unequal else "")
    text.append("" if step.divergence is None else f"{between}KL  {step.divergence:.2f}", "not bold")
    return text.append("" if step.cosine is None else f"{between}cos {step.cosine:.2f}", "not bold")


def _left(step: StepRecord | None, dense: bool) -> Text:
    top = () if step is None else step.top[:_TOKENS]
    return _with_edit(step, [_token(item, dense) for item in top], dense)


def _right(step: ComparedStep, dense: bool) -> Text:
    lines = []
    for rank, item in enumerate(() if step.second is None else step.second.top[:_TOKENS], start=1):
        before = step.rank_before(item)
        moved = (
            ""
            if step.first is None or before == rank
            else " ✚"
            if before is None
            else " ▲"
            if before > rank
            else " ▼"
        )
        was = f" was {before}" if moved and before is not None and not dense else ""
        lines.append(_token(item, dense).append(f"{moved}{was}", EDIT_BOLD))
    return _with_edit(step.second, lines, dense)


def _token(item: TokenRecord, dense: bool) -> Text:
    return Text(token_share(item, 8 if dense else 12))


def _with_edit(step: StepRecord | None, lines: list[Text], dense: bool) -> Text:
    if step is None:
        return Text("—", "dim")
    if flat(step.top):
        lines = [Text(f"{FLAT} every token {share_text(step.top[0].probability)}")]
    edit = [Text(f"✎ {visible(step.edit)}", EDIT_STYLE)] if step.edit else []
    return Text("  " if dense else "\n").join([*edit, *lines])


def _answer(said: Said) -> Text:
    text = Text(visible(said.answer) or ("nothing" if said.over else "not said yet"), "bold")
    return text.append("" if said.over or not said.answer else " …").append(verdict_mark(said))
