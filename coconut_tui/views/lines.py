"""What changes from thought to thought: probabilities of pinned tokens, entropy, norm, cosine."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, log, nan
from string import ascii_lowercase

from rich.text import Text

from coconut_core.common.cells import padded
from coconut_core.common.token_names import SPACE
from coconut_core.records.trace import StepRecord
from coconut_tui.run.lookups import LN_P, MOST_PINS, Ask, Courses
from coconut_tui.views.guides import Guide
from coconut_tui.views.view import Sight, View, in_place_of, step_name
from coconut_tui.widgets.charts import Axes, Series, draw_chart, legend
from coconut_tui.widgets.token_marks import pin_sign, pin_style
from coconut_tui.widgets.tokens import BAR_STYLE, PATH_STYLE
from coconut_tui.widgets.units import ln_text, p_text

_LEVELS = " ▁▂▃▄▅▆▇█"
_FIGURES = 3  # entropy, norm, cosine
_HIGH = 40  # with so many lines the bars of these take two each
_LABEL = 8  # cells
_BELOW = 8  # lines of entropy, norm and cosine, and of the gap above them
_A_CELL = 2  # thoughts drawn in one: as many as a braille letter has columns of dots


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
    """Lines in the tokens' own colours and signs, and below them bars for each of the other figures."""
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
    selected = None if sight.step is None else next((n for n, s in enumerate(steps) if s is sight.step), None)
    drawn = _drawn(len(steps), selected, sight.width)
    complete = {pin: course[drawn] for pin, course in shares.items() if len(course) == len(steps)}
    first = drawn.start
    here = None if selected is None else selected - first
    series: list[Series] = []
    if complete:
        names = courses.names if isinstance(courses, Courses) else {}
        series = [_series(sight, pin, names.get(pin, pin), course, here) for pin, course in complete.items()]
    series += _likeliest(sight, steps[drawn], MOST_PINS - len(series), here)
    if series:
        text.append_text(_chart(sight, series, steps[drawn], first, selected))
    elif not shares:
        text.append("x pins the token in question, :pin rompus another one.", "dim")
    missing = [pin for pin in shares if pin not in complete]
    if missing and isinstance(courses, Courses):
        text.append(f"\nno single token of this model: {', '.join(missing)}", "dim")
    elif missing:
        text.append(f"\n{', '.join(missing)}: ").append_text(in_place_of(sight, courses))
    text.append("\n\n")
    lines = _lines_of_bars(sight, text.plain.count("\n"), drawn=bool(series))
    for name, values in (
        ("entropy", [step.entropy for step in steps]),
        ("norm", [step.norm for step in steps]),
        ("cosine", [step.cosine for step in steps]),
    ):
        text.append_text(_bars(name, values[drawn], here, sight.width, lines))
    return text


def _drawn(count: int, selected: int | None, width: int) -> slice:
    """Which thoughts are drawn, as many as there are dots for: the last ones, or, where an earlier one is
    selected, the page of it, so that nothing moves while the cursor stays on a page."""
    most = max(1, _A_CELL * width)
    last = max(0, count - most)
    first = last if selected is None or selected >= last else min(selected // most * most, last)
    return slice(first, first + most)


def _series(sight: Sight, pin: str, name: str, course: Sequence[float], here: int | None) -> Series:
    """A line in the colour and with the sign that its token has everywhere, and its value at the cursor."""
    logs = sight.dials.scale == LN_P
    marks = sight.marks
    number = marks.pins.get(pin)
    style = marks.style(pin) if number is None else pin_style(number)
    sign = marks.sign(pin) if number is None else pin_sign(number)
    value = "" if here is None or not 0 <= here < len(course) else (ln_text if logs else p_text)(course[here])
    values = [log(share) if share > 0 else None for share in course] if logs else course
    return Series(values, sign, style or BAR_STYLE, f"{name}{value and ' '}{value.strip()}")


def _likeliest(sight: Sight, steps: Sequence[StepRecord], most: int, here: int | None) -> list[Series]:
    """What thoughts say most besides what is pinned, in the order in which it comes up. A letter each."""
    known, lines = {name.strip(SPACE) for name in pinned(sight)}, list[Series]()
    firsts = dict.fromkeys(step.top[0].name for step in steps if step.kind == "thought" and step.top)
    for name in firsts:
        bare = name.strip(SPACE)
        if bare not in known and len(lines) < most:
            course = [_recorded(step, name) for step in steps]
            lines.append(_series(sight, name, name, course, here))
    return [
        replace(line, sign=letter, style=PATH_STYLE)
        for letter, line in zip(ascii_lowercase, lines, strict=False)
    ]


def _recorded(step: StepRecord, name: str) -> float:
    """A token's probability as far as the record goes; what is not recorded is next to nothing."""
    if not step.readable:
        return nan
    share = next((item.probability for item in step.top if item.name == name), None)
    return step.watched.get(name.strip(SPACE), 0.0) if share is None else share


def _chart(
    sight: Sight, series: Sequence[Series], steps: Sequence[StepRecord], first: int, selected: int | None
) -> Text:
    """The lines over the thoughts, in all the room that the figures below leave."""
    logs = sight.dials.scale == LN_P
    known = [value for line in series for value in line.values if value is not None and isfinite(value)]
    low, high = (min([*known, -1.0]), 0.0) if logs else (0.0, 1.0)
    labels = {place: step_name(step) for place, step in enumerate(steps, start=first + 1)}
    cursor = None if selected is None else selected + 1
    axes = Axes(labels, first + 1, first + len(steps), low, high, cursor=cursor)
    keys = legend(series, sight.width)
    below = _BELOW + (_FIGURES if sight.height >= _HIGH else 0)
    height = max(8, sight.height - below - 1 - keys.plain.count("\n"))
    text = Text(f"{'ln p' if logs else 'p'} at each thought\n", "dim")
    return text.append_text(draw_chart(series, axes, sight.width, height - 1)).append("\n").append_text(keys)


def _lines_of_bars(sight: Sight, used: int, *, drawn: bool) -> int:
    """How high the bars are: most of the height is the chart's where there is one."""
    if drawn:
        return 2 if sight.height >= _HIGH else 1
    return max(1, min(8, (sight.height - used) // _FIGURES - 1))


def _bars(name: str, values: Sequence[float | None], selected: int | None, width: int, lines: int) -> Text:
    """The selected number and the range, and a bar for each thought, from the least to the largest."""
    values = [value if value is not None and isfinite(value) else None for value in values]
    known = [value for value in values if value is not None]
    text = Text(padded(name, _LABEL))
    if not known:
        return text.append("–\n", "dim")
    low, high = min(known), max(known)
    here = values[selected] if selected is not None and 0 <= selected < len(values) else None
    text.append("" if here is None else f"{here:.2f}", "bold").append(f"  ({low:.2f} to {high:.2f})\n", "dim")
    scale = (8 * lines - 1) / (high - low) if high > low else 0.0
    each = max(1, width // len(values))
    gap = 1 if each >= 4 else 0
    for line in reversed(range(lines)):
        for number, value in list(enumerate(values))[-width:]:
            eighths = 0 if value is None else round((value - low) * scale) + 1
            bar = _LEVELS[max(0, min(8, eighths - 8 * line))]
            text.append(bar * (each - gap) + " " * gap, "bold" if number == selected else BAR_STYLE)
        text.append("\n")
    return text


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
    actions=("pin", "units"),
    guide=Guide(
        "Lines",
        "The probability of the candidates (✓ right, ✗ wrong) and of pinned tokens at each thought, the last "
        "place being ⟨eot⟩, each in the colour and with the sign that it has everywhere; with letters what "
        "thoughts say most. Below, their values at the cursor. x pins the token in question, :pin rompus "
        "another one; $ turns to ln p, which tells small ones apart. At the bottom entropy, norm and cosine "
        "to the thought before, from their least to their largest.",
        "A row of bars fills its height however little changes: read the numbers beside it. Only thoughts are "
        "measured; the lines between them guide the eye. Where lines meet the first sign hides the others.",
    ),
)
