"""What changes from thought to thought: probabilities of pinned tokens, entropy, norm, cosine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.records.trace import StepRecord
from coconut_tui.run.lookups import MOST_PINS, Ask, Courses
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of
from coconut_tui.widgets.tokens import BAR_STYLE

_LEVELS = "▁▂▃▄▅▆▇█"
_LABEL = 8  # cells
_MOST = 400  # thoughts drawn; the last ones


def pinned(sight: Sight) -> tuple[str, ...]:
    """The tokens in question: the right and the wrong candidate where they are known, then what was pinned."""
    graph = None if sight.run is None else sight.run.graph
    known = () if graph is None else (graph.names[graph.target], graph.names[graph.wrong])
    return tuple(dict.fromkeys((*known, *sight.dials.pins)))[:MOST_PINS]


def ask(sight: Sight) -> Ask | None:
    """About the pins whose probability is not recorded with every step."""
    steps = _steps(sight)
    unknown = tuple(
        pin for pin in pinned(sight) if any(pin not in step.watched for step in steps if step.readable)
    )
    if sight.run is None or not steps or not unknown:
        return None
    last = max(n for n, step in enumerate(sight.run.steps, start=1) if step.kind != "token")
    return replace(sight.ask("lines", last), tokens=unknown)


def draw(sight: Sight) -> Text:
    """Lines, each with a sign of its own, and sparklines below them."""
    steps = _steps(sight)
    if not steps:
        return Text("Take a step (s) to begin the lines.", "dim")
    request, text = ask(sight), Text()
    courses = None if request is None else sight.answer(request)
    probabilities: Mapping[str, Sequence[float]] = courses.probabilities if isinstance(courses, Courses) else {}
    shares = {
        pin: probabilities.get(
            pin, [_share(step, pin) for step in steps if pin in step.watched or not step.readable]
        )
        for pin in pinned(sight)
    }
    complete = {pin: course[-_MOST:] for pin, course in shares.items() if len(course) == len(steps)}
    first = max(0, len(steps) - _MOST)
    selected = None if sight.step is None else next((n for n, s in enumerate(steps) if s is sight.step), None)
    if complete:
        names = courses.names if isinstance(courses, Courses) else {}
        labelled = {_marked(sight, pin, names.get(pin, pin)): course for pin, course in complete.items()}
        text.append(_plot(sight, labelled, first, selected))
    elif not shares:
        text.append("x pins the token in question, :pin rompus another one.", "dim")
    missing = [pin for pin in shares if pin not in complete]
    if missing and isinstance(courses, Courses):
        text.append(f"\nno single token of this model: {', '.join(missing)}", "dim")
    elif missing:
        text.append(f"\n{', '.join(missing)}: ").append_text(in_place_of(sight, courses))
    text.append("\n\n")
    here = None if selected is None else selected - first
    for name, values in (
        ("entropy", [step.entropy for step in steps]),
        ("norm", [step.norm for step in steps]),
        ("cosine", [step.cosine for step in steps]),
    ):
        text.append_text(_sparkline(name, values[-_MOST:], here, sight.width))
    return text


def _plot(sight: Sight, shares: Mapping[str, Sequence[float]], first: int, selected: int | None) -> str:
    from coconut_core.common.plots import Line, draw_lines  # slow to import, and not part of the first paint

    count = len(next(iter(shares.values())))
    x = list(range(first + 1, first + count + 1))
    lines = [Line(name, x, course) for name, course in shares.items()]
    marks = [(selected + 1.0, "selected")] if selected is not None and selected >= first else []
    figure = draw_lines(lines, "Probability", "thought, last ⟨eot⟩", "p", marks, (0.0, 1.0))
    plot = figure.to_text(sight.width, max(8, min(20, sight.height - 8)))
    return plot.partition("\n")[2]  # its title is the tab's


def _marked(sight: Sight, pin: str, name: str) -> str:
    """The name of a line, with a mark where it is a candidate."""
    graph = None if sight.run is None else sight.run.graph
    if graph is None or pin not in (graph.names[graph.target], graph.names[graph.wrong]):
        return name
    return f"{name} {'✓' if pin == graph.names[graph.target] else '✗'}"


def _sparkline(name: str, values: Sequence[float | None], selected: int | None, width: int) -> Text:
    """The selected number and the range, and a bar for each thought, from the least to the largest."""
    values = [value if value is not None and isfinite(value) else None for value in values]
    known = [value for value in values if value is not None]
    text = Text(padded(name, _LABEL))
    if not known:
        return text.append("–\n", "dim")
    low, high = min(known), max(known)
    here = values[selected] if selected is not None and 0 <= selected < len(values) else None
    text.append("" if here is None else f"{here:.2f}", "bold").append(f"  ({low:.2f} to {high:.2f})\n", "dim")
    scale = (len(_LEVELS) - 1) / (high - low) if high > low else 0.0
    cells_each = max(1, min(3, width // len(values)))
    for number, value in list(enumerate(values))[-width:]:
        bar = " " if value is None else _LEVELS[round((value - low) * scale)]
        text.append(bar * cells_each, "" if number == selected else BAR_STYLE)
    return text.append("\n")


def _share(step: StepRecord, pin: str) -> float:
    return step.watched[pin] if step.readable else nan


def _steps(sight: Sight) -> list[StepRecord]:
    return [] if sight.run is None else [step for step in sight.run.steps if step.kind != "token"]


VIEW = View(
    "lines",
    "Lines",
    draw,
    ask,
    key="6",
    description="Show pinned tokens, entropy, norm, cosine over the thoughts",
    actions=("pin",),
    guide=Guide(
        "Lines",
        "The probability of the candidates (✓ right, ✗ wrong) and of pinned tokens at each thought, the last "
        "place being ⟨eot⟩; a sign for each. x pins the token in question, :pin rompus another one. Below, "
        "entropy, norm and cosine to the thought before, from their least to their largest value.",
        "A sparkline fills its height however little changes: read the numbers beside it. The lines between "
        "thoughts are there to guide the eye; there is nothing in between.",
    ),
)
