"""A trace in the terminal, with Rich."""

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from coconut_core.answers import final_answer
from coconut_core.errors import visible
from coconut_core.graph_reading import graph_mass
from coconut_core.trace import StepRecord, Trace

BAR = 20


def print_trace(trace: Trace, answer_prefix: str, console: Console | None = None) -> None:
    """Question, every thought's top tokens as bars, then the answer."""
    console = console or Console()
    console.print(Panel(Text(trace.question), title="question", title_align="left", border_style="dim"))
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for name, justify in (("thought", "right"), ("would say", "left"), ("entropy", "right"), ("norm", "right")):
        table.add_column(name, justify=justify, no_wrap=name != "would say")  # type: ignore[arg-type]
    graph = trace.problem.graph if trace.problem is not None else None
    if graph is not None:
        table.add_column("frontier", justify="right")
    for step in trace.thoughts():
        row: list[RenderableType] = [str(step.index), _bars(step), f"{step.entropy:.2f}", f"{step.norm:.1f}"]
        if graph is not None:
            mass = graph_mass(graph, step.index, step.watched, trace.first_thought_hops)
            row.append(f"{mass.frontier:.2f}")
        table.add_row(*row)
    answer = Text(final_answer(trace.text, answer_prefix), style="bold")
    if trace.problem is not None and trace.problem.answer:
        right = answer.plain == trace.problem.answer
        answer.append(
            "  ✓ right" if right else f"  ✗ expected: {trace.problem.answer}", "green" if right else "red"
        )
    console.print(Group(table, Text(), Text("answer  ", style="dim") + answer))


def _bars(step: StepRecord) -> Group:
    width = max((len(item.token.strip()) for item in step.top), default=0)
    lines = []
    for item in step.top:
        filled = round(item.probability * BAR)
        name = printable(item.token)
        lines.append(Text(f"{name:<{width}} ") + Text("█" * filled, "cyan") + Text(f" {item.probability:.2f}"))
    return Group(*lines, Text())


def printable(token: str) -> str:
    """A token as one visible word: white space and control characters shown escaped."""
    stripped = token.strip(" ")
    return visible(stripped) or repr(token)
