"""The words said, each with its probability."""

from rich.text import Text

from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View
from coconut_tui.widgets.tokens import fitted, share_text, token_share

_NAME = 14  # cells of a word, where there is room
_GAP = 2
_SHARE = 4 + _GAP  # cells of a probability and of the gap behind it
_WIDE = 46  # with so many cells two words that came next stand beside each one


def draw(sight: Sight) -> Text:
    """A line for each word, with what came next: two words, or where there is no room for them, one."""
    words = [] if sight.run is None else sight.run.words()
    if not words:
        return Text("Nothing has been said yet.", "dim")
    columns = 3 if sight.width >= _WIDE else 2
    width = min(_NAME, (sight.width - columns * _SHARE + _GAP) // columns)
    lines = []
    for step in words:
        probability = next((item.probability for item in step.top if item.key == step.key), 0.0)
        alternatives = [item for item in step.top if item.key != step.key][: columns - 1]
        line = Text(f"{fitted(step.name, width)} {share_text(probability)}")
        line.append("".join(f"  {token_share(item, width)}" for item in alternatives), "dim")
        lines.append(line)
    return Text("\n").join(lines)


VIEW = View(
    "answer",
    "Answer",
    draw,
    key="3",
    description="Show the words said, each with its probability",
    guide=Guide(
        "Answer",
        "Every word said, with its probability and the two words that came next.",
        "Most words follow from the wording. Look at the one word that decides.",
    ),
)
