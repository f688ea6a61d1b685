"""A run as plain text: what `coconut ask --trace` prints, and what was edited."""

import io
from dataclasses import replace

from rich.console import Console

from coconut_core.records.trace import Trace
from coconut_core.terminal.show import print_trace
from coconut_tui.export.reading import edits, settings_line, verdict_line, visible
from coconut_tui.export.tree import TracedTree

WIDTH = 100  # columns
TOKENS = 5  # likeliest tokens shown of a thought


def render_text(tree: TracedTree) -> str:
    """The whole file, without escape sequences; several branches one below the other."""
    if len(tree.runs) == 1:
        return _run_text(tree.here.trace)
    return "\n".join(f"== branch {visible(run.name)}\n\n{_run_text(run.trace)}" for run in tree.runs)


def _run_text(trace: Trace) -> str:
    problem = trace.problem
    readable = replace(
        trace,
        steps=tuple(replace(step, top=step.top[:TOKENS]) for step in trace.steps),
        question=visible(trace.question),
        text=visible(trace.text),
        problem=None if problem is None else replace(problem, answer=visible(problem.answer)),
    )
    output = io.StringIO()
    page = Console(file=output, width=WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    print_trace(readable, page)
    lines = [*(f"edited {line}" for line in edits(trace)), settings_line(trace), visible(trace.model)]
    return f"{output.getvalue()}\n" + "\n".join([*lines, f"thoughts used? {verdict_line(trace)}"]) + "\n"
