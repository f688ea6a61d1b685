"""The checkpoints of a run as columns: the loss above, whether the answer is right, each thought as a shade."""

from collections.abc import Callable, Sequence

from rich.text import Text

from coconut_core.across.course import Measurement, Point, ThoughtReading
from coconut_core.common.errors import visible
from coconut_tui.run.across import Across
from coconut_tui.widgets.matrix import heat
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    FRONTIER_BOLD,
    column_bar,
    error_line,
    share_text,
    shortened,
    token_bar,
    with_marks,
)

_NAMES = 11  # cells of a row's name
_LEAST, _MOST = 4, 12  # cells of a column, the gap included
_CHART = 2, 24  # lines of the chart of losses
_AROUND = 12  # lines that are neither of the chart nor of a thought
_TOKENS_OF_ALL = 8  # cells of a column in which there is room for a token
_TOKENS = 5
_ROOMY = 38  # cells of a thought from which there is room for words


def draw_strip(across: Across, cursor: int, width: int, height: int) -> Text:
    """The strip, what the checkpoint under the cursor says, and from when on what holds. The cursor is the
    number of a point."""
    if across.error:
        return error_line(across.error)
    points = across.course.points
    if not points:
        return Text("asking the first checkpoint …", "dim")
    strip = _Strip(across, cursor, width, height)
    lines = [*strip.chart(), strip.steps(), *strip.rows(), Text()]
    lines += _told(points[cursor], width)
    lines += [Text(), *(Text(sentence) for sentence in across.course.sentences())]
    lines += [Text(visible(note), "dim") for note in across.notes]
    lines.append(Text(_LEGEND, "dim"))
    return Text("\n").join(lines)


_LEGEND = (
    "A thought's cell: its mass on the nodes that it stands for; without a graph, p of its likeliest token. "
    "Shaded: above chance, names dealt anew. The chart: loss of the training log; ─ held out."
)


class _Strip:
    """How the columns of a width are drawn; those around the cursor, where not all have room."""

    def __init__(self, across: Across, cursor: int, width: int, height: int) -> None:
        self._course, self._cursor = across.course, cursor
        every = max(across.total, len(across.course.points))
        room = max(1, (width - _NAMES) // _LEAST)
        shown = min(every, room)
        self._cell = max(_LEAST, min(_MOST, (width - _NAMES) // shown))
        first = max(0, min(cursor - shown // 2, every - shown))
        self._points = list(enumerate(across.course.points))[first : first + shown]
        self._before, self._behind = first, every - first - shown
        self._height = height

    def chart(self) -> list[Text]:
        """Losses as columns, of as many lines as there is room for; nothing where there is no log."""
        losses = [loss for _, point in self._points for loss in (point.logged.loss, point.logged.held_out_loss)]
        highest = max((loss for loss in losses if loss is not None), default=0.0)
        if not highest:
            return []
        least, most = _CHART
        of_thought = 3 if self._cell >= _TOKENS_OF_ALL else 2  # with the sentence that there is on each
        lines = self._height - _AROUND - _TOKENS - of_thought * self._course.thoughts
        lines = max(least, min(most, lines))
        return [self._chart_line(line, lines, highest) for line in range(lines, 0, -1)]

    def _chart_line(self, line: int, lines: int, highest: float) -> Text:
        """The line-th from below: of a loss what falls into it."""
        text = Text(f"{f'{highest:.2f} nats' if line == lines else '':<{_NAMES}}", "dim")
        for _, point in self._points:
            loss, held_out = point.logged.loss, point.logged.held_out_loss
            full = 0.0 if loss is None else loss / highest * lines - (line - 1)
            cell = "█" * (self._cell - 1) if full >= 1 else column_bar(full) * (self._cell - 1)
            cell = cell if full > 0 else " " * (self._cell - 1)
            if held_out is not None and line - 1 <= held_out / highest * lines - 1e-9 < line:
                cell = cell[:-1] + "─"
            text.append(cell, BAR_STYLE).append(" ")
        return text

    def steps(self) -> Text:
        """Where each checkpoint is, that of the cursor as chosen. A number without room is left out."""
        labels: list[tuple[int, str, str]] = []  # where each begins, what it is and its style
        order = sorted(range(len(self._points)), key=lambda column: self._points[column][0] != self._cursor)
        for column in order:
            number, point = self._points[column]
            label = str(point.step)
            begin = column * self._cell + max(0, (self._cell - 1 - len(label)) // 2)
            free = all(begin + len(label) < other or begin > other + len(text) for other, text, _ in labels)
            if free:
                labels.append((begin, label, "reverse" if number == self._cursor else "bold"))
        text = Text(f"{'step' + (f' ◂{self._before}' if self._before else ''):<{_NAMES}}", "bold")
        for begin, label, style in sorted(labels):
            text.append(" " * (_NAMES + begin - len(text.plain))).append(label, style)
        return text.append(f" ▸{self._behind}" if self._behind else "", "bold")

    def rows(self) -> list[Text]:
        """Whether each answer is right, how many swaps change it, and each thought."""
        rows = [self._row("right", _right), self._row("swaps", _swaps)]
        for thought in range(1, self._course.thoughts + 1):
            rows.append(self._row(f"thought {thought}", self._thought(thought)))
            if self._cell >= _TOKENS_OF_ALL:
                rows.append(self._row("", self._token(thought)))
        return rows

    def _row(self, name: str, draw: "Callable[[Point, int], Text]") -> Text:
        text = Text(f"{name:<{_NAMES}}")
        for number, point in self._points:
            cell = draw(point, self._cell - 1)
            cell.truncate(self._cell - 1, pad=True)
            if number == self._cursor:
                cell.stylize("underline")
            text.append_text(cell).append(" ")
        return text

    def _thought(self, thought: int) -> "Callable[[Point, int], Text]":
        def draw(point: Point, width: int) -> Text:
            reading = _reading(point, thought)
            if reading is None:
                return Text("·".center(width), "dim")
            share = _share(reading)
            bright = reading.on_frontier or reading.frontier is None
            return Text(share_text(share).center(width), heat(share) if bright else "dim")

        return draw

    def _token(self, thought: int) -> "Callable[[Point, int], Text]":
        def draw(point: Point, width: int) -> Text:
            reading = _reading(point, thought)
            return Text("" if reading is None else shortened(reading.tokens[0][0], width))

        return draw


def _reading(point: Point, thought: int) -> ThoughtReading | None:
    found = point.measurement
    return None if found is None or thought > len(found.thoughts) else found.thoughts[thought - 1]


def _share(reading: ThoughtReading) -> float:
    """What the shade shows: the mass on the frontier, or where there is no graph p of the likeliest token."""
    return reading.tokens[0][1] if reading.frontier is None else reading.frontier.mean


def _right(point: Point, width: int) -> Text:
    if point.measurement is None:
        return Text("?".center(width), "bold")
    right = point.measurement.right
    return with_marks(("–" if right is None else "✓" if right else "✗").center(width))


def _swaps(point: Point, width: int) -> Text:
    found = point.measurement
    if found is None or found.swapped is None:
        return Text("·".center(width), "dim")
    text = f"{found.swapped.changed}/{found.swapped.count}".center(width)
    return Text(text, "bold" if found.needs_thoughts else "dim")


# -- the checkpoint under the cursor -------------------------------------------------------------------------


def _told(point: Point, width: int) -> list[Text]:
    """What is known of one checkpoint, and what each of its thoughts would say."""
    logged, found = point.logged, point.measurement
    head = Text().append(f"step {point.step}", "bold").append(f"  {visible(logged.stage or '')}")
    losses = (("loss", logged.loss), ("held out", logged.held_out_loss))
    for name, loss in losses:
        head.append("" if loss is None else f"  {name} {loss:.2f}")
    if logged.held_out_accuracy is not None:
        head.append(f"  {100 * logged.held_out_accuracy:.0f} % of the held-out problems right")
    if found is None:
        return [head, error_line(point.error)]
    said = Text("says ").append(visible(found.said) or "nothing", "bold")
    said.append_text(with_marks({None: "", 0: " ✗", 1: " ✓"}[found.right]))
    if found.logit_difference is not None:
        said.append(f"  right – wrong {found.logit_difference:+.1f} nats, asked to answer at once")
    return [head, said, *_thoughts(found, width)]


def _thoughts(found: Measurement, width: int) -> list[Text]:
    """The likeliest tokens of each thought, thoughts beside each other as far as there is room."""
    if not found.thoughts:
        return [Text("it takes no thought", "dim")]
    size = max(24, min(40, width // len(found.thoughts)))
    beside = max(1, width // size)
    lines: list[Text] = []
    for start in range(0, len(found.thoughts), beside):
        blocks = [_block(reading, size - 2) for reading in found.thoughts[start : start + beside]]
        lines += _laid(blocks, size)
    return lines


def _block(reading: ThoughtReading, width: int) -> list[Text]:
    head = Text(f"thought {reading.number}", "bold")
    if reading.frontier is not None and reading.control is not None:
        mass = f" {'frontier ' if width >= _ROOMY else ''}{share_text(reading.frontier.mean)}"
        head.append(mass, FRONTIER_BOLD if reading.on_frontier else "dim")
        head.append(f" ({share_text(reading.control.mean)})", "dim")
    if width >= _ROOMY or reading.frontier is None:
        head.append(f" {reading.entropy:.1f} nats", "dim")
    name = min(14, width // 2)
    return [
        head,
        *(token_bar(token, share, name, width - name - 6) for token, share in reading.tokens[:_TOKENS]),
    ]


def _laid(blocks: Sequence[Sequence[Text]], size: int) -> list[Text]:
    lines = []
    for number in range(max(map(len, blocks))):
        line = Text()
        for block in blocks:
            cell = block[number].copy() if number < len(block) else Text()
            cell.truncate(size - 2, pad=True)
            line.append_text(cell).append("  ")
        line.rstrip()
        lines.append(line)
    return lines
