"""The line on top and the line at the bottom."""

from collections.abc import Sequence

from rich.text import Text

from coconut_core.records.untrained import untrained_label
from coconut_tui.run.breakpoints import Breakpoint
from coconut_tui.run.state import ModelFacts, RunView


def status_line(
    facts: ModelFacts | None, view: RunView | None, breakpoints: Sequence[Breakpoint], activity: str
) -> Text:
    """Model, problem, branch, mode, breakpoints, and what is being done."""
    parts = ["coconut" if facts is None else facts.name]
    if view is not None:
        parts += [f"problem {view.tree.example}"] if view.tree.example is not None else []
        parts += [view.tree.here.name] if len(view.tree.branches) > 1 else []
        mode = "speaking" if view.mode == "thinking" and view.without_thoughts else view.mode
        parts.append("cut off" if view.said.cut_off else mode)
    active = sum(point.enabled for point in breakpoints)
    if active:
        parts.append(f"* {active} breakpoint{'' if active == 1 else 's'}")
    if activity:
        parts.append(f"{activity} …")
    return Text(" · ".join(parts), no_wrap=True, overflow="ellipsis")


def usage_text(facts: ModelFacts | None, thoughts: int | None = None, ask: str = "") -> Text:
    """Whether the model's thoughts are known to be used.

    thoughts: how many the run shown takes, at most. ask: what to do for thoughts where the run takes none.
    """
    if facts is not None and not facts.trained:
        text = Text(untrained_label(facts.feedback, thoughts), "bold")
        return text.append(f" ({ask})" if ask and thoughts == 0 else "", "not bold")
    usage, colon, why = ("" if facts is None else facts.verdict).partition(":")
    text = Text("thoughts used? ")
    return text.append(usage or "…", "bold").append(colon + why)
