"""What is known of many runs at once: right answers by hops, and each thought of each number of hops."""

from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.geometry import Size

from coconut_core.evaluation.significance import Share
from coconut_tui.widgets.atlas_heat import AtlasHeat
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.tokens import BAR_STYLE, RIGHT_STYLE, bar

if TYPE_CHECKING:
    from coconut_core.atlas.summary import Summary

_HEADING = "hops  right, 95 % interval"
_LEAST_BAR, _MOST_BAR = 4, 40  # cells
_FEWEST, _MOST = 6, 14  # lines
_NARROWEST, _WIDEST = 34, 64  # cells of the right answers


class AtlasSummary(Horizontal):
    """Right answers by hops beside the heat map."""

    def compose(self) -> ComposeResult:
        yield TextView(id="atlas-accuracy")
        yield AtlasHeat(id="atlas-heat")

    def show(self, summary: "Summary", thought: int, size: Size) -> None:
        """In a screen of a size, with the thought in question, from 1."""
        needed = max(len(summary.by_hops) + 3, len(summary.heat.rows) + 6)
        lines = max(_FEWEST, min(_MOST, size.height // 5, needed))
        width = min(_WIDEST, max(_NARROWEST, size.width * 2 // 5))
        accuracy, heat = self.query_one("#atlas-accuracy", TextView), self.query_one(AtlasHeat)
        self.styles.height = heat.styles.height = lines
        accuracy.styles.width = width
        accuracy.show(accuracy_text(summary, width - 1, lines))
        heat.show(summary, thought, self.size.width - width, lines)


def accuracy_text(summary: "Summary", width: int, lines: int) -> Text:
    """A bar, the share and its 95 % interval for each number of hops, fewest first, and for all; below, how
    many use their thoughts."""
    heading, beside = _HEADING, f"mean {summary.heat.column}"  # of the heat map to its right
    if len(heading) + len(beside) >= width:
        heading, beside = heading.partition(",")[0], summary.heat.column
    text = Text(no_wrap=True, overflow="ellipsis").append(heading, "bold")
    text.append(beside.rjust(width - len(heading)))
    rows = [(str(hops), share) for hops, share in summary.by_hops.items() if hops is not None]
    rows += [] if summary.right is None or len(rows) == 1 else [("all", summary.right)]
    used = summary.used
    room = lines - 1 - (used is not None)
    shares = [share for _, share in rows] + ([] if used is None else [used])
    counts = max((len(f"{share.right}/{share.count}") for share in shares), default=3)
    size = max(_LEAST_BAR, min(_MOST_BAR, width - 6 - 16 - counts))
    rows = rows[:-1] if len(rows) > max(1, room) else rows  # the counts above say the same of all
    for name, share in rows[:room]:
        text.append(f"\n{name:>4}  ", "" if name == "all" else "dim")
        text.append_text(_share(share, size, RIGHT_STYLE, counts))
    if not rows:
        text.append("\nwhat is right is not known", "dim")
    if used is not None:
        text.append("\nused  ", "bold").append_text(_share(used, size, BAR_STYLE, counts))
    return text


def _share(share: Share, size: int, style: str, counts: int) -> Text:
    if not share.count:
        return Text("–", "dim")
    low, high = (f"{100 * end:.0f}" for end in share.interval)
    text = Text().append(bar(share.accuracy, size), style).append(f" {100 * share.accuracy:>3.0f} % ")
    return text.append(f"{low:>3}–{high:<3} ", "dim").append(f"{share.right}/{share.count}".rjust(counts))
