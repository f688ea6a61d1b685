"""Long JSON lists and lines, read piece by piece."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from coconut_core.common.errors import CoconutError, one_line

_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def not_json(error: Exception) -> str:
    """What is wrong with a text that is no JSON, by its column: it may be one line of many."""
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at column {error.colno}"
    return f"not valid JSON: {one_line(error)}"


class JsonReader:
    """A JSON text read by its parts: the next punctuation mark, or the next whole value.

    Keeps one piece of the file in memory, more only while a single value is longer.
    """

    def __init__(self, file: TextIO, piece: int = 1 << 16) -> None:
        self.file = file
        self.piece = piece  # characters read at a time
        self.text = ""
        self.at = 0
        self.lines_behind = 0  # in what is no longer kept

    @property
    def line(self) -> int:
        """Number, from 1, of the line that is read next."""
        return 1 + self.lines_behind + self.text.count("\n", 0, self.at)

    def take_value_at(self, where: str) -> Any:
        """take_value, for a file that is named. Raises CoconutError, with the place, for what is no JSON."""
        try:
            return self.take_value()
        except UnicodeDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise CoconutError(f"{where}, line {self.line}: {not_json(error)}") from error

    def take_lines(self) -> Iterator[tuple[int, str]]:
        """All lines from here on that are not empty, and their numbers."""
        number = self.line
        *whole, rest = self.text[self.at :].split("\n")
        for line in itertools.chain(whole, (rest + self.file.readline(),), self.file):
            if line and not line.isspace():
                yield number, line
            number += 1

    def starts_with(self, pattern: re.Pattern[str]) -> bool:
        """Whether what is read next, as far as one piece goes, begins with a pattern."""
        self.peek_mark()
        return pattern.match(self.text, self.at) is not None

    def peek_mark(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            match = _WHITE_SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text) or not self._read(self.piece):
                return self.text[self.at : self.at + 1]

    def take_mark(self) -> str:
        """The same, and step over it."""
        mark = self.peek_mark()
        self.at += len(mark)
        return mark

    def take_value(self) -> Any:
        """The next value. Raises json.JSONDecodeError where no value follows."""
        self.peek_mark()
        size = self.piece
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if not self._may_go_on(error) or not self._read(size):
                    raise
            else:
                # A value that ends with the piece may be a number whose last digits are yet to be read.
                if end < len(self.text) or not self._read(size):
                    self.at = end
                    return value
            size *= 2

    def _read(self, size: int) -> bool:
        more = self.file.read(size)
        if more:
            self.lines_behind += self.text.count("\n", 0, self.at)
            self.text, self.at = self.text[self.at :] + more, 0
        return bool(more)

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether the value is cut off by the end of the piece, not damaged: then reading on is of use."""
        longest_mark = len(r"\ud83d\ude00")  # the longest part of a value that is refused as a whole if cut
        return error.msg.startswith("Unterminated string") or error.pos > len(self.text) - longest_mark


def read_records(path: Path) -> Iterator[tuple[str, Any]]:
    """The values of a JSON list, or of each line, one at a time, and where they are.

    Raises CoconutError, with the place, where the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from records_of(path, JsonReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise CoconutError(f"cannot read {path}: {error}") from error


def records_of(path: Path, reader: JsonReader) -> Iterator[tuple[str, Any]]:
    """The same from a file that is open."""
    return _list_items(path, reader) if reader.peek_mark() == "[" else _lines(path, reader)


def _lines(path: Path, reader: JsonReader) -> Iterator[tuple[str, Any]]:
    """The value of each line that is not empty, and where it is."""
    for number, line in reader.take_lines():
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CoconutError(f"{where}: {not_json(error)}") from error
        yield where, record


def _list_items(path: Path, reader: JsonReader) -> Iterator[tuple[str, Any]]:
    """The values of a list, and where they are."""
    reader.take_mark()
    mark, number = reader.take_mark() if reader.peek_mark() == "]" else ",", 0
    while mark == ",":
        number += 1
        where = f"{path}, problem {number}"
        yield where, reader.take_value_at(where)
        mark = reader.take_mark()
    if mark != "]" or reader.take_mark():
        raise CoconutError(
            f"{path}, line {reader.line}: after a problem comes neither a comma nor the list's end"
        )
