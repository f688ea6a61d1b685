"""A run on a page: its steps as rows, and each of them looked at."""

import math
from html import escape

from coconut_core.records.trace import UNREADABLE, StepRecord, TokenRecord, Trace
from coconut_tui.export.reading import step_groups, step_name, visible

ROW_TOKENS = 3  # likeliest tokens in a thought's row
DETAIL_TOKENS = 10  # and where the step is looked at


def details_of(trace: Trace) -> str:
    """Each step looked at."""
    return "\n".join(_detail(trace, number, step) for number, step in enumerate(trace.steps))


def share_of(value: float) -> float:
    """A probability that a bar can show, whatever a file says."""
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0


# -- the rows ----------------------------------------------------------------------------------------------


def steps_of(trace: Trace) -> str:
    """The steps as rows of a list, and the answer."""
    rows = []
    for group in step_groups(trace):
        if group[0][1].kind == "token":
            words = "".join(_word(number, step) for number, step in group)
            rows.append(f'<li class="words">» {words}</li>')
        else:
            rows += [f"<li>{_row(number, step)}</li>" for number, step in group]
    answer = f"<strong>{escape(visible(trace.answer)) or '…'}</strong>"
    if trace.judgement is not None:
        answer += f' <span class="judged">{escape(visible(trace.judgement))}</span>'
    return "\n".join([*rows, f'<li class="answer">Answer: {answer}</li>'])


def _row(number: int, step: StepRecord) -> str:
    thought = step.kind == "thought"
    likeliest = "".join(_token(item) for item in step.top[:ROW_TOKENS]) if step.readable else UNREADABLE
    tokens = likeliest if thought else escape(step.name)
    changed = "" if step.edit is None else f'<span class="changed">✎ {escape(visible(step.edit))}</span>'
    return (
        f'<button type="button" class="row" data-step="{number}" aria-label="{escape(_label(step))}">'
        f'<span class="number">{step.index if thought else ""}</span>'
        f'<span class="tokens">{tokens}</span>{changed}</button>'
    )


def _word(number: int, step: StepRecord) -> str:
    return (
        f'<button type="button" class="word" data-step="{number}" aria-label="{escape(_label(step))}">'
        f"{escape(step.name)}</button>"
    )


def _label(step: StepRecord) -> str:
    """A step for a screen reader, and beside the buttons."""
    fed = "" if step.kind == "thought" else f" {step.name}"
    edited = "" if step.edit is None else f", edited: {visible(step.edit)}"
    likeliest = step.top[0] if step.top else None
    readout = f", would say {likeliest.name} {likeliest.probability:.2f}" if likeliest else ""
    readout = readout if step.readable else f", {UNREADABLE}"
    return step_name(step) + fed + edited + readout


def _token(item: TokenRecord) -> str:
    return (
        f'<span class="token"><b>{escape(item.name)}</b>{_bar(item.probability)}'
        f"<span>{item.probability:.2f}</span></span>"
    )


def _bar(share: float) -> str:
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="whole" y="3" width="100" height="2"/>'
        f'<rect width="{100 * share_of(share):.1f}" height="8"/></svg>'
    )


# -- one step looked at ------------------------------------------------------------------------------------


def _detail(trace: Trace, number: int, step: StepRecord) -> str:
    facts = {"entropy": f"{step.entropy:.2f} nats", "norm": f"{step.norm:.1f}"}
    if step.cosine is not None:
        facts["cosine to the thought before"] = f"{step.cosine:.2f}"
    if step.edit is not None:
        facts["edited"] = step.edit
    if step.ended is not None:
        facts["thinking ended by"] = step.ended
    entries = "".join(f"<dt>{name}</dt><dd>{escape(visible(value))}</dd>" for name, value in facts.items())
    tokens = [(item.name, item.probability) for item in step.top[:DETAIL_TOKENS]]
    tables = _table("likeliest tokens", tokens)
    if (mass := trace.mass(step)) is not None:
        tables += _table("probability on the graph", mass.named())
    return (
        f'<article class="detail" data-detail="{number}"><h3>{escape(step_name(step))}</h3>'
        f"<dl>{entries}</dl>{tables}</article>"
    )


def _table(caption: str, rows: list[tuple[str, float]]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{_bar(share)}</td><td>{share:.2f}</td></tr>'
        for name, share in rows
    )
    return f"<table><caption>{caption}</caption>{lines}</table>"
