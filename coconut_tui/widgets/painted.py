"""A question with words on coloured grounds, in lines that stay where they are whatever is painted."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

RANKS = "¹²³⁴⁵⁶⁷⁸⁹"
_GAP = 2  # cells
_STOPS = (".", ",", ";", ":", "?", "!")

Span = tuple[int, int]  # from a character of the question up to another


@dataclass(frozen=True)
class Painting:
    """What is painted on a question."""

    styles: Mapping[Span, str]  # of its words
    ranks: Mapping[Span, str]  # of the words that got most, the first one most
    behind: tuple[Text, ...]  # the rest, which is no word of the question
    caption: str  # what it is


def line_spans(text: str, width: int) -> Iterator[Span]:
    """Where each line of a text begins and ends, in lines of at most so many cells, broken between words."""
    start = end = cells = 0
    for match in re.finditer(r"\n|\S+[^\S\n]*|[^\S\n]+", text):
        piece = match[0]
        if piece == "\n":
            yield start, match.start()
            start = end = match.end()
            cells = 0
            continue
        if cells and cells + cell_len(piece.rstrip()) > width:
            yield start, end
            start, cells = match.start(), 0
        while cell_len(piece.rstrip()) > width > 0 and not cells:  # a word longer than a line
            fitting = next(n for n in range(len(piece), 0, -1) if cell_len(piece[:n]) <= width or n == 1)
            yield start, start + fitting
            start, piece = start + fitting, piece[fitting:]
        cells += cell_len(piece)
        end = match.end()
    if start < len(text) or not text or text.endswith("\n"):
        yield start, len(text)


def paint(question: Text, painting: Painting | None, width: int) -> tuple[Text, list[int]]:
    """The question in lines of so many cells, and the lines of the words that got most, the first one most.
    Their ranks stand in place of the space behind or in front of a word, so that nothing moves."""
    spans = list(line_spans(question.plain, width))
    if painting is None:
        return _joined(question.copy(), spans, {}), []
    painted = question.copy()
    for (start, end), style in painting.styles.items():
        painted.stylize(style, start, end)
    lines = [_line_of(span, spans) for span in painting.ranks]
    ranks: dict[int, str] = {}
    for ((start, end), rank), line in zip(painting.ranks.items(), lines, strict=True):
        behind = end + (question.plain[end : end + 1] in _STOPS)
        free = (
            place for place in (end, start - 1, behind) if _is_free(question.plain, place, spans[line], width)
        )
        ranks[next((place for place in free if place not in ranks), -1)] = rank
    return _joined(painted, spans, ranks), lines


def lines_of(parts: Sequence[Text], width: int) -> list[Text]:
    """Texts beside each other, in lines of at most so many cells where each of them fits."""
    lines: list[Text] = []
    for part in parts:
        if not lines or lines[-1].cell_len + _GAP + part.cell_len > width:
            lines.append(Text().append_text(part))
        else:
            lines[-1].append(" " * _GAP).append_text(part)
    return lines


def _is_free(text: str, place: int, line: Span, width: int) -> bool:
    """Whether there is a space, or the end of a line that is not full."""
    if place == len(text) or not line[0] <= place < line[1]:
        return place == line[1] and cell_len(text[line[0] : line[1]]) < width
    return text[place] == " " and cell_len(text[line[0] : place]) < width


def _joined(text: Text, spans: list[Span], ranks: Mapping[int, str]) -> Text:
    """The lines, below each other; cut at once, as each cut looks at all styles."""
    letters, ends = list(text.plain), {}
    for place, rank in ranks.items():
        if text.plain[place : place + 1] in ("", "\n"):
            ends[place] = rank
        elif place >= 0:
            letters[place] = rank
            text.stylize("bold", place, place + 1)
    text.plain = "".join(letters)
    lines = text.divide([start for start, _ in spans[1:]])
    for line, (_, end) in zip(lines, spans, strict=True):
        line.rstrip()
        if end in ends:
            line.append(ends[end], "bold")
    return Text("\n").join(lines)


def _line_of(span: Span, lines: list[Span]) -> int:
    return next((number for number, line in enumerate(lines) if span[0] < line[1]), len(lines) - 1)
