"""Two runs' thoughts, mirrored: a line for each token, the left run's bar to the left of it, the right one's to
the right."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from coconut_core.common.cells import cells
from coconut_core.common.errors import visible
from coconut_core.records.trace import StepRecord, TokenRecord
from coconut_tui.run.state import ComparedStep, thought_name
from coconut_tui.widgets.tokens import (
    BAR_STYLE,
    EDIT_BOLD,
    EDIT_STYLE,
    FLAT,
    bar,
    fitted,
    flat,
    share_text,
    shortened,
)

FIGURES = 14  # cells of the figures on the left
_SAME = 1e-6  # nats; a divergence below is rounding
_MOVED = 0.05  # a probability that differs by as much is another one
_NAMES = 8, 16  # least and most cells of a token's name
_MARK, _SHORT_MARK = 9, 3  # cells of a change in rank: "▲ was 12", or where there is no room "▲"
_ROOMY = 100  # cells from which there is room
_SHARE = 4  # cells of a probability and a space
Words = Mapping[tuple[int, int], str]


def left_bar(share: float, width: int) -> str:
    """A bar that grows to the left, drawn to half a cell and padded to width."""
    full, half = divmod(round(max(0.0, min(1.0, share)) * width * 2), 2)
    return ("▐" * half + "█" * full).rjust(width)


def differs(step: ComparedStep) -> bool:
    """Whether the two thoughts are not the same, as far as their readouts tell."""
    if step.first is None or step.second is None:
        return True
    if step.divergence is None:
        return [item.key for item in step.first.top[:1]] != [item.key for item in step.second.top[:1]]
    return step.divergence > _SAME


@dataclass(frozen=True)
class Mirrored:
    """What is drawn; tokens: how many of the likeliest of each side. left and right: what a side said in words
    in place of a thought, by segment and number."""

    steps: Sequence[ComparedStep]
    tokens: int = 3
    left: Words = field(default_factory=dict)
    right: Words = field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As wide as there is room."""
        yield from self.lines(options.max_width)

    def lines(self, width: int) -> list[Text]:
        """All lines, each of at most so many cells; the first one of a thought begins with = or ≠."""
        names = [item.name for step in self.steps for item in self._tokens(step)]
        least, most = _NAMES
        name = min(most, max([least, *map(cells, names)]))
        mark = _MARK if width >= _ROOMY else _SHORT_MARK
        side = max(4, (width - FIGURES - name - mark - 2 * _SHARE - 2) // 2)
        lines: list[Text] = []
        for step in self.steps:
            rows = [*self._heads(step, name, side), *self._rows(step, name, side, mark)]
            figures = _figures(step)
            rows += [Text()] * (len(figures) - len(rows))
            figures += [Text()] * (len(rows) - len(figures))
            for figure, row in zip(figures, rows, strict=True):
                figure = figure.copy()
                figure.truncate(FIGURES, pad=True)
                line = figure.append_text(row)
                line.rstrip()
                lines.append(line)
            lines.append(Text())
        return lines[:-1]

    def _tokens(self, step: ComparedStep) -> list[TokenRecord]:
        """The likeliest tokens of both sides, the likeliest first."""
        sides = [record for record in (step.first, step.second) if record is not None and not flat(record.top)]
        best: dict[object, TokenRecord] = {}
        for record in sides:
            for item in record.top[: self.tokens]:
                known = best.get(item.key)
                if known is None or item.probability > known.probability:
                    best[item.key] = item
        return sorted(best.values(), key=lambda item: -item.probability)

    def _heads(self, step: ComparedStep, name: int, side: int) -> Iterator[Text]:
        """What was done to either side, what stands in its place, and whether it prefers nothing."""
        texts = [
            self._head(step.first, step.second, self.left.get((step.segment, step.thought), "")),
            self._head(step.second, step.first, self.right.get((step.segment, step.thought), "")),
        ]
        if any(texts):
            half = side + _SHARE
            first, second = (shortened(text, half) for text in texts)
            yield (
                Text(" " * (half - cells(first)))
                .append(first, EDIT_STYLE)
                .append(" " * (name + 2))
                .append(second, EDIT_STYLE)
            )

    @staticmethod
    def _head(step: StepRecord | None, other: StepRecord | None, words: str) -> str:
        if words:
            top = () if other is None else other.top
            there = next((item.probability for item in top if item.means(words)), None)
            return f"» {words}{'' if there is None else f'  (p {share_text(there)} there)'}"
        if step is None:
            return "—"
        edit = f"✎ {visible(step.edit)} " if step.edit else ""
        nothing = f"{FLAT} every token {share_text(step.top[0].probability)}" if flat(step.top) else ""
        return f"{edit}{nothing}".strip()

    def _rows(self, step: ComparedStep, name: int, side: int, mark: int) -> Iterator[Text]:
        for item in self._tokens(step):
            first, second = _share_of(step.first, item), _share_of(step.second, item)
            unequal = abs((first or 0.0) - (second or 0.0)) >= _MOVED
            line = Text()
            line.append(" " * side if first is None else left_bar(first, side), BAR_STYLE)
            line.append(f"{'' if first is None else share_text(first):>{_SHARE}}")
            centred = fitted(item.name, name).rstrip()
            line.append(f" {' ' * ((name - cells(centred)) // 2)}")
            line.append(centred, "bold" if unequal else "")
            line.append(" " * (name - cells(centred) - (name - cells(centred)) // 2))
            line.append(f" {'' if second is None else share_text(second):<{_SHARE}}")
            line.append(" " * side if second is None else bar(second, side), BAR_STYLE)
            line.append(_change(step, item, mark), EDIT_BOLD)
            yield line


def _figures(step: ComparedStep) -> list[Text]:
    """The number of a thought, how far the two lie apart, and whether they do."""
    number = thought_name(step.segment, step.thought)
    unequal = differs(step)
    lines = [Text().append(f"{'≠' if unequal else '='} thought {number}", "bold" if unequal else "")]
    if step.first is None or step.second is None:
        return [*lines, Text("  on one side", "dim")]
    lines += [] if step.divergence is None else [Text(f"  KL  {step.divergence:.2f}")]
    return lines + ([] if step.cosine is None else [Text(f"  cos {step.cosine:.2f}")])


def _share_of(step: StepRecord | None, token: TokenRecord) -> float | None:
    """The probability of a token; None where the side is not there, prefers nothing, or does not record it."""
    if step is None or flat(step.top):
        return None
    return next((item.probability for item in step.top if item.key == token.key), None)


def _change(step: ComparedStep, token: TokenRecord, room: int) -> str:
    """How the right side's rank of a token differs from the left one's."""
    second = () if step.second is None or flat(step.second.top) else step.second.top
    rank = next((rank for rank, item in enumerate(second, start=1) if item.key == token.key), None)
    if step.first is None or rank is None or flat(step.first.top):
        return ""
    before = step.rank_before(token)
    if before == rank:
        return ""
    sign = "✚" if before is None else "▲" if before > rank else "▼"
    return f" {sign}" if before is None or room < _MARK else f" {sign} was {before}"
