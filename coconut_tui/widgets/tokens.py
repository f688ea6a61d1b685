"""Small pieces that several widgets draw with: bars, shades, tokens made visible."""

from collections.abc import Sequence
from math import isnan

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from coconut_core.common import cells
from coconut_core.common.errors import visible
from coconut_core.records.trace import TokenRecord
from coconut_tui.run.branches import Said
from coconut_tui.run.state import DecidingPlace

FLAT = "(flat)"  # stands for the tokens of a readout that prefers nothing
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_COLUMNS = "▁▂▃▄▅▆▇█"
# Names of styles; coconut_tui.widgets.palettes says what they look like.
BAR_STYLE, BAR_BOLD = "coconut.bar", "coconut.bar.bold"
EDIT_STYLE, EDIT_BOLD = "coconut.edit", "coconut.edit.bold"
RIGHT_STYLE, RIGHT_BOLD = "coconut.right", "coconut.right.bold"
WRONG_STYLE, WRONG_BOLD = "coconut.wrong", "coconut.wrong.bold"
FRONTIER_STYLE, FRONTIER_BOLD = "coconut.frontier", "coconut.frontier.bold"  # where a search should stand
PATH_STYLE, PATH_BOLD = "coconut.path", "coconut.path.bold"  # on a shortest path to the right answer


def bar(share: float, width: int) -> str:
    """A horizontal bar of at most width cells, drawn to an eighth of a cell and padded to width."""
    eighths = 0 if isnan(share) else round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def column_bar(share: float) -> str:
    """A probability as a column that is one cell high; a space for what is no number."""
    return " " if isnan(share) else _COLUMNS[round(7 * max(0.0, min(1.0, share)))]


def share_text(share: float) -> str:
    """A probability in three cells: .46, or 1.0; a dash for what is no number."""
    if isnan(share):
        return " – "
    return "1.0" if share >= 0.995 else f"{share:.2f}"[1:]


def chance_text(chance: float) -> str:
    """A probability in five cells that shows its tail too: 0.983, or 4e-05; a dash for what is no number."""
    if isnan(chance):
        return "  –  "
    return f"{chance:.3f}" if chance >= 0.0005 or chance == 0 else f"{chance:.0e}"


def place_note(place: DecidingPlace | None) -> str:
    """Where the probabilities were read, in a sentence; empty where no place is known."""
    if place is None:
        return ""
    other_words = "" if len(place.words) > 1 else ", the word of the answer that it was least sure of"
    where = f"behind “{visible(place.behind)}”" if place.behind else "as the first word"
    return f"p is read in every row at the same place{other_words}: {where}, put behind the thoughts."


def flat(top: Sequence[TokenRecord]) -> bool:
    """Whether a readout prefers nothing: the likeliest tokens are exactly alike, and come in any order."""
    return len(top) > 2 and top[0].probability <= top[-1].probability * (1 + 1e-5)


def share_bar(share: float, width: int, *, whole: float = 1.0, style: str = "") -> Text:
    """A probability as a bar, which is full at `whole`, and as a number."""
    return Text().append(bar(share / whole, width), BAR_STYLE).append(f" {share_text(share)}", style)


def token_bar(name: str, share: float, name_width: int, bar_width: int) -> Text:
    """A token by its name, its bar and its probability."""
    style = "dim" if share < 0.05 else ""
    return Text(f"{fitted(name, name_width)} ").append_text(share_bar(share, bar_width, style=style))


def token_share(item: TokenRecord, width: int) -> str:
    """A token in so many cells with its probability behind it."""
    return f"{fitted(item.name, width)} {share_text(item.probability)}"


def verdict_mark(said: Said) -> Text:
    """Whether an answer is right, where that is known; ≈ is the right name in other words than expected. Of one
    that was cut off this is said, unless it is right."""
    mark = "" if said.right is None else " ✓" if said.right else " ≈" if said.near else " ✗"
    return with_marks(f"{mark} (cut off)" if said.cut_off and not said.right else mark)


def with_marks(text: str | Text, style: str = "") -> Text:
    """A text in which ✓ and ✗ have the colours of right and wrong; style: of the rest."""
    marked = text.copy() if isinstance(text, Text) else Text(text, style)
    marked.highlight_words(["✓"], RIGHT_BOLD)
    marked.highlight_words(["✗"], WRONG_BOLD)
    return marked


def error_line(error: str) -> Text:
    """What is wrong, behind a ✗; nothing where nothing is."""
    return with_marks(f"✗ {visible(error)}" if error else "", "bold")


def shortened(text: str, width: int) -> str:
    """A text in one line of at most so many cells; control characters are escaped."""
    return cells.shortened(visible(text), width)


def fitted(text: str, width: int) -> str:
    """A text in one line of exactly so many cells."""
    return cells.padded(shortened(text, width), width)


def end_of(text: str, width: int) -> str:
    """A text in one line of at most so many cells; of a longer one the end."""
    text = visible(text)
    return text if cell_len(text) <= width else f"…{set_cell_size(text[::-1], max(0, width - 1))[::-1]}"


def megabytes(size: int) -> str:
    """A size in megabytes, with a digit behind the point while it is small."""
    value = size / 2**20
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"
