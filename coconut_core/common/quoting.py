"""Words of a typed line, some of them in quotes: steer ' Paris' 4@2. Needs neither a model nor torch."""

import re

_QUOTED = re.compile(
    r"""(?:(?<=[\s:;-])|^)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?=[\s:;@-]|$)"""
)  # a quote within a word is a letter, and so is one that is not closed
ESCAPE = re.compile(r"\\(?:[\\nrt'\"]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_NAMED = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t", "'": "'", '"': '"'}


def masked(text: str) -> str:
    """The text with _ in place of all that stands in quotes, so that what separates its parts can be seen."""
    return _QUOTED.sub(lambda match: "_" * len(match[0]), text)


def words(text: str) -> list[str]:
    """The words of a text as they were written, a quoted one with its quotes."""
    return [text[match.start() : match.end()] for match in re.finditer(r"\S+", masked(text))]


def parts(text: str, mark: str) -> list[str]:
    """A text taken apart at a mark, wherever that does not stand in quotes."""
    pieces, start = [], 0
    for place, char in enumerate(masked(text)):
        if char == mark:
            pieces.append(text[start:place])
            start = place + 1
    return [*pieces, text[start:]]


def partition(text: str, mark: str) -> tuple[str, str, str]:
    """As str.partition, at the first mark that does not stand in quotes."""
    before, *behind = parts(text, mark)
    return (before, mark, mark.join(behind)) if behind else (before, "", "")


def quoted(text: str) -> str:
    """A text in quotes, on one line; unquoted gives it back."""
    mark = '"' if "'" in text and '"' not in text else "'"
    inner = "".join(
        f"\\{char}" if char in (mark, "\\") else char if char.isprintable() else repr(char)[1:-1]
        for char in text
    )
    return f"{mark}{inner}{mark}"


def unquoted(word: str) -> str | None:
    """What a quoted word says, escapes read as Python and JSON have them; None for a word without quotes."""
    return unescaped(word[1:-1]) if len(word) > 1 and _QUOTED.fullmatch(word) else None


def unescaped(text: str) -> str:
    """A text with what its escapes stand for."""
    return ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    kind, digits = match[0][1], match[0][2:]
    return _NAMED[kind] if not digits else chr(int(digits, 16)) if int(digits, 16) < 0x110000 else match[0]
