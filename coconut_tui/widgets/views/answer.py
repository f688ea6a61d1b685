"""The words said, each with its probability."""

from rich.text import Text

from coconut_tui.drawing import share_text
from coconut_tui.widgets.views.sight import Sight


def draw(sight: Sight) -> Text:
    """A line for each word, with the two that came next."""
    words = [] if sight.run is None else sight.run.words()
    if not words:
        return Text("Nothing has been said yet.", "dim")
    lines = []
    for step in words:
        said = next((item.probability for item in step.top if item.token == step.token), 0.0)
        line = Text(f"{step.token!r:<14} {share_text(said)}")
        others = [item for item in step.top if item.token != step.token][:2]
        line.append("".join(f"  {item.token!r} {share_text(item.probability)}" for item in others), "dim")
        lines.append(line)
    return Text("\n").join(lines)
