"""Records of files and requests, as JSON or TOML decodes them, made into dataclasses or refused in one line.

A dataclass is the schema: its types are taken strictly (true is no number, "3" is none), and what else a value
has to be stands beside its type, as in `layers: Annotated[int, Range(1, 1000)]`.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar, get_args, get_type_hints

from coconut_core.common.errors import CoconutError, one_line

T = TypeVar("T")
MANY = 1_000_000_000  # more steps, or epochs, than any run takes

_LACKING = "Object missing required field `(.*)`"
_WRONG = "Expected (.*), got (.*)"
WORDS = {  # for msgspec's names of types
    **{"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"},
    **{"array": "a list", "object": "an object"},
}


class Limit(Protocol):
    """What a value has to be besides its type; str() says it, to stand behind "must be"."""

    def allows(self, value: Any) -> bool:
        """Whether the value is so."""


@dataclass(frozen=True)
class Range:
    """The numbers from one to another; NaN is none of them."""

    least: float
    most: float = MANY
    below: bool = False  # whether `most` itself is too much

    def allows(self, value: float) -> bool:
        return self.least <= value <= self.most and not (self.below and value == self.most)

    def __str__(self) -> str:
        if self.most == MANY:
            return f"{self.least} or more"
        return f"from {self.least} to {'below ' if self.below else ''}{self.most}"


AtLeast0 = Annotated[int, Range(0)]
AtLeast1 = Annotated[int, Range(1)]


class OneOf:
    """Some texts; the empty one stands for none of them, and is not named."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def allows(self, value: str) -> bool:
        return value in self.texts

    def __str__(self) -> str:
        return f"one of {', '.join(filter(None, self.texts))}"


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises CoconutError where it holds none, and FileNotFoundError."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise CoconutError(f"{path} cannot be read: {one_line(error)}") from error
    if not isinstance(record, dict):
        raise CoconutError(f"{path} cannot be read: it must hold a JSON object")
    return record


def read_record(kind: type[T], record: Any, where: object = "", *, closed: bool = False) -> T:
    """A decoded record as a dataclass of this kind, those inside it included.

    where: the file or address that it came from, with which each error begins. closed: whether entries that the
    kind does not have are refused, and not left out. Raises CoconutError, which names the entry, for what does
    not fit, and for what the kind itself refuses.
    """
    import msgspec

    place = f"{where}: " if where else ""
    try:
        result = msgspec.convert(record, kind)
        _check(result, record, "", closed)
    except msgspec.ValidationError as error:
        raise CoconutError(place + _in_words(str(error))) from error
    except CoconutError as error:
        raise CoconutError(f"{place}{error}") from error
    return result


def reshaped(value: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """A decoded object, or each one in a list, changed; all else, which read_record refuses, as it is."""
    if isinstance(value, list):
        return [reshaped(item, change) for item in value]
    return change(value) if isinstance(value, dict) else value


def check_limits(entry: str, value: Any, *limits: Limit) -> None:
    """Raise CoconutError, naming the entry, for a value that one of the limits does not allow."""
    for limit in limits:
        if not limit.allows(value):
            raise CoconutError(f"the entry '{entry}' must be {limit}, not {value!r:.60}")


def _check(result: Any, record: Any, path: str, closed: bool) -> None:
    """Raise CoconutError for an entry too many, or outside its limits, in a dataclass or in those inside it."""
    if not isinstance(record, dict):  # it was made before
        return
    limits = _limits(result.__class__)
    if closed and (unknown := [name for name in record if name not in limits]):
        name, known = path + unknown[0], ", ".join(limits)
        raise CoconutError(f"unknown entry {name!r:.60}: remove it, or upgrade coconut; known are {known}")
    for name in (name for name in limits if name in record):
        content, source = getattr(result, name), record[name]
        several = isinstance(content, tuple)
        inside = is_dataclass(content[0] if several and content else content)
        if not inside and not limits[name]:
            continue
        for number, (value, inner) in enumerate(
            zip(content, source, strict=True) if several else [(content, source)]
        ):
            entry = f"{path}{name}[{number}]" if several else path + name
            if value is not None:
                check_limits(entry, value, *limits[name])
            if inside:
                _check(value, inner, f"{entry}.", closed)


@functools.cache
def _limits(kind: Any) -> dict[str, tuple[Limit, ...]]:
    """The entries of a kind, and what each has to be besides its type."""
    hints = get_type_hints(kind, include_extras=True)
    return {item.name: tuple(_metadata(hints[item.name])) for item in fields(kind)}


def _metadata(hint: Any) -> Iterator[Limit]:
    """The limits beside a type, and beside the parts of a union or of a tuple."""
    for part in (hint, *get_args(hint)):
        yield from getattr(part, "__metadata__", ())


def _in_words(error: str) -> str:
    """What msgspec says of a record, in ours."""
    what, _, place = error.partition(" - at ")
    entry = place.rpartition(" ")[2].strip("`").removeprefix("$").removeprefix(".")
    lacking, wrong = re.fullmatch(_LACKING, what), re.fullmatch(_WRONG, what)
    if lacking is not None:
        return f"the entry '{entry}{'.' if entry else ''}{lacking[1]}' is missing"
    subject = f"the entry '{entry}'" if entry else "it"
    if wrong is None:
        return f"{subject} cannot be read: {what[0].lower()}{what[1:]}"
    expected, actual = wrong.groups()
    for name, word in WORDS.items():
        expected = expected.replace(name, word)
        actual = actual.replace(name, "a boolean" if name == "bool" else word)
    return f"{subject} must be {expected.replace(' | ', ' or ')}, not {actual}".replace("`", "")
