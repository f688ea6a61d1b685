"""A view of the explorer: the norm of every step's vector, as bars."""

from rich.text import Text

from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, step_name
from coconut_tui.widgets.tokens import BAR_STYLE, bar


def draw(sight: Sight) -> Text:
    """A line for each step; the longest vector fills the width."""
    if sight.run is None or not sight.run.steps:
        return Text("Take a step (s) to see how long its vector is.", "dim")
    steps = sight.run.steps
    longest, width = max(step.norm for step in steps), max(4, sight.width - 16)
    lines = []
    for step in steps:
        name = f"{step_name(step)[:6]:<7}"
        line = Text(name, "bold" if step is sight.step else "")
        lines.append(line.append(bar(step.norm / longest, width), BAR_STYLE).append(f" {step.norm:.1f}"))
    return Text("\n").join(lines)


NORMS = View(
    "norms",
    "Norms",
    draw,
    guide=Guide(
        "Norms",
        "A bar for the length of each step's vector, thoughts first, then ⟨eot⟩ and the words.",
        "Words are read through the embedding table and thoughts are not: their lengths need not be alike.",
    ),
)
