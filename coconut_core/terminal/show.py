"""A trace in the terminal, with Rich."""

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from coconut_core.common.cells import cells, padded
from coconut_core.common.errors import visible
from coconut_core.records.trace import UNREADABLE, StepRecord, Trace
from coconut_core.terminal.guard import say

BAR = 20


def print_trace(trace: Trace, console: Console | None = None) -> None:
    """Question, every thought's top tokens as bars, then the answer."""
    console = console or Console()
    console.print(Panel(cell(trace.question), title="question", title_align="left", border_style="dim"))
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name, justify in (("thought", "right"), ("would say", "left"), ("entropy", "right"), ("norm", "right")):
        table.add_column(name, justify=justify, no_wrap=name != "would say")  # type: ignore[arg-type]
    if trace.problem is not None and trace.problem.graph is not None:
        table.add_column("frontier", justify="right")
    for step in trace.thoughts():
        bars = _bars(step, "#" if console.options.ascii_only else "█")
        row: list[RenderableType] = [str(step.index), bars, f"{step.entropy:.2f}", f"{step.norm:.1f}"]
        if (mass := trace.mass(step)) is not None:
            row.append(f"{mass.frontier:.2f}")
        table.add_row(*row)
    answer = cell(trace.answer, "bold")
    if trace.judgement is not None:
        answer.append(f"  {visible(trace.judgement)}", "green" if trace.right else "red")
    elif trace.cut_off is not None:
        answer.append(f"  {trace.cut_off}", "dim")
    console.print(Group(table, Text(), Text("answer  ", style="dim") + answer))


def say_conclusion(trace: Trace) -> None:
    """How thinking was to end, how many thoughts were taken and why it ended, and whether they are used."""
    ended = f", ended by: {', '.join(trace.ended)}" if trace.ended else ""
    say(f"{trace.settings['thinking']}: took {len(trace.thoughts())}{ended}")
    say(f"thoughts used? {trace.settings['verdict']}")


def _bars(step: StepRecord, mark: str) -> Group:
    names = [item.name for item in step.top]
    width = max(map(cells, names), default=0)
    lines = [] if step.readable else [Text(UNREADABLE)]
    for name, item in zip(names, step.top, strict=True):
        filled = round(item.probability * BAR)
        lines.append(
            Text(f"{padded(name, width)} ") + Text(mark * filled, "cyan") + Text(f" {item.probability:.2f}")
        )
    return Group(*lines, Text())


def cell(text: str, style: str = "") -> Text:
    """A text that Rich shows as it stands: nothing in it is markup, and control characters are escaped."""
    return Text(visible(text, "\n"), style)
