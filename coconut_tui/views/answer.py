"""The words said, each with its probability."""

from rich.text import Text

from coconut_tui.run.lookups import LN_P
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View
from coconut_tui.widgets.tokens import fitted
from coconut_tui.widgets.units import ln_text, p_text

_NAME = 14  # cells of a word, where there is room
_MOST = 8  # words in a line
_GAP = 2
_WIDE = 46  # with so many cells two words that came next, or more, stand beside each one


def draw(sight: Sight) -> Text:
    """A line for each word, with what came next: as many words as there is room for, one at least."""
    words = [] if sight.run is None else sight.run.words()
    if not words:
        return Text("Nothing has been said yet.", "dim")
    number = ln_text if sight.dials.scale == LN_P else p_text
    share = len(number(1.0)) + 1 + _GAP
    columns = max(3 if sight.width >= _WIDE else 2, min(_MOST, (sight.width + _GAP) // (_NAME + share)))
    width = (sight.width - columns * share + _GAP) // columns
    lines = []
    for step in words:
        probability = next((item.probability for item in step.top if item.key == step.key), 0.0)
        alternatives = [item for item in step.top if item.key != step.key][: columns - 1]
        line = Text().append(f"{fitted(step.name, width)} {number(probability)}", sight.marks.style(step.name))
        for item in alternatives:
            style = sight.marks.style(item.name) or "dim"
            line.append(f"{'':{_GAP}}{fitted(item.name, width)} {number(item.probability)}", style)
        lines.append(line)
    return Text("\n").join(lines)


VIEW = View(
    "answer",
    "Answer",
    draw,
    key="3",
    description="Show the words said, each with its probability",
    actions=("units",),
    guide=Guide(
        "Answer",
        "Every word said, with its probability ($: ln p), and beside it the words that came next.",
        "Most words follow from the wording. Look at the one word that decides.",
    ),
)
