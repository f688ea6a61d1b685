"""A run as Markdown: question, table of thoughts, edits, answer."""

import re

from coconut_core.common.markdown import markdown_table
from coconut_core.records.trace import UNREADABLE, StepRecord, Trace
from coconut_tui.export.reading import MEANING, edits, settings_line, verdict_line, visible
from coconut_tui.export.tree import TracedRun, TracedTree
from coconut_tui.run.state import thought_name

TOKENS = 5  # likeliest tokens shown of a thought


def render_markdown(tree: TracedTree) -> str:
    """The whole file, each branch under its name where there are several.

    Nothing of the run can act as markup: it is escaped, or in a code block.
    """
    trace = tree.here.trace
    parts = [
        "# A run of continuous thoughts" if len(tree.runs) == 1 else "# Runs of continuous thoughts",
        f"- model: {_plain(trace.model)}\n- thoughts used? {_plain(verdict_line(trace))}",
        "## Question",
        _block(trace.question),
    ]
    if len(tree.runs) == 1:
        parts += ["## Thoughts", *_thoughts(tree.here), MEANING, "## Answer", *_answer(trace)]
    else:
        for run in tree.runs:
            parts += [f"## Branch {_plain(run.name)}", *_thoughts(run), *_answer(run.trace)]
        parts.append(MEANING)
    return "\n\n".join(parts) + "\n"


def _thoughts(run: TracedRun) -> list[str]:
    trace = run.trace
    facts = [f"- run: {_plain(settings_line(trace))}"]
    if run.parent is not None:
        facts.append(f"- forked from: {_plain(run.parent)}, behind step {run.forked_at}")
    if changed := edits(trace):
        facts += ["- **edited**:", *(f"  - {_plain(line)}" for line in changed)]
    return ["\n".join(facts), _table(trace) if trace.thoughts() else "None."]


def _answer(trace: Trace) -> list[str]:
    judgement = [] if trace.judgement is None else [_plain(trace.judgement)]
    return [_block(trace.answer), *judgement]


def _table(trace: Trace) -> str:
    with_graph = any(trace.mass(step) is not None for step in trace.thoughts())
    names = ["thought", "would say", "entropy (nats)", "norm", "cosine to the one before"]
    names += ["frontier"] if with_graph else []
    rows = [_row(trace, step, with_graph) for step in trace.thoughts()]
    return markdown_table(names, rows, left=["would say"])


def _row(trace: Trace, step: StepRecord, with_graph: bool) -> list[str]:
    name = thought_name(step.segment, step.index)
    likeliest = ", ".join(f"{_plain(item.name)} {item.probability:.2f}" for item in step.top[:TOKENS])
    likeliest = likeliest if step.readable else UNREADABLE
    cosine = "" if step.cosine is None else f"{step.cosine:.2f}"
    cells = [name + (" ✎" if step.edit else ""), likeliest, f"{step.entropy:.2f}", f"{step.norm:.1f}", cosine]
    if with_graph:
        mass = trace.mass(step)
        cells.append("" if mass is None else f"{mass.frontier:.2f}")
    return cells


def _plain(text: str) -> str:
    """A text in one line in which no character is markup, in a table's cell or as an address either."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!$@]|:(?! )|(?<=www)\.)", r"\\\1", visible(text).replace("\n", r"\n"))


def _block(text: str) -> str:
    """A code block, with a fence that the text cannot close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{visible(text)}\n{fence}"
