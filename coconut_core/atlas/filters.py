"""Filters, orders and columns as a person types them, made into DuckDB's SQL.

Only names are rewritten, on DuckDB's own tokens: a name of the table is quoted, `frontier(4)` becomes the
fourth entry of that list, `wrong` and `top(3)` what they stand for. All else is DuckDB's to understand, and to
refuse.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from coconut_core.atlas.columns import ALIASES, TOP, is_per_thought
from coconut_core.common.errors import CoconutError, one_line

KEYWORDS = ("and", "or", "not", "in", "is", "null", "like", "between", "true", "false")


class FilterError(CoconutError):
    """What is wrong with something typed; place is where, from 0, where that is known."""

    def __init__(self, message: str, place: int | None = None) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Token:
    """A piece of what was typed, as DuckDB cuts it."""

    text: str
    kind: str
    place: int

    @property
    def name(self) -> str | None:
        """What it names, in small letters; None where it is no name."""
        return self.text.lower() if self.kind in ("identifier", "keyword") and self.text[:1] != '"' else None


@dataclass(frozen=True)
class Language:
    """The names of one atlas's table, and what is made of them. names: columns and aliases that it knows."""

    names: Sequence[str]

    def condition(self, text: str) -> str:
        """A filter as SQL; "true" for an empty one. Raises FilterError."""
        return self._expression(text, "a filter") if text.strip() else "true"

    def orders(self, text: str) -> str:
        """An order as SQL, such as "entropy(2) desc, run". Raises FilterError."""
        return f"{self._expression(text, 'an order')}, run" if text.strip() else "run"

    def columns(self, texts: Sequence[str]) -> list[tuple[str, str]]:
        """Columns as SQL, each with the name that it was asked for by. Raises FilterError."""
        return [(text.strip(), self._expression(text, "a column")) for text in texts]

    def split(self, text: str) -> list[str]:
        """What stands between the commas of a list, those in brackets aside."""
        parts, depth, begin = [], 0, 0
        for token in tokens(text):
            depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
            if token.text == "," and not depth:
                parts.append(text[begin : token.place])
                begin = token.place + 1
        return [*parts, text[begin:]]

    def explain(self, text: str, error: Exception) -> FilterError:
        """What DuckDB says of a text, in one line and in the names that were typed."""
        said = str(error)
        if match := re.search(r'column "([^"]+)" not found|name ([^\s"]+) does not exist', said):
            return self._unknown(match[1] or match[2], text)
        first = one_line(Exception(re.split(r"\n\s*\n|\n\s*Candidate|\s*LINE \d", said)[0]))
        first = re.sub(r"^(?:\w+ )?Error: ", "", re.sub(r"^[A-Z]\w*(?: [A-Z]\w*)* Error: ", "", first))
        lists = [token for token in tokens(text) if token.name and is_per_thought(token.name)]
        bare = next((token for token in lists if not _opens(text, token)), None)
        if bare is not None and "[]" in said:
            hint = f"{bare.text} has a value for each thought: write {bare.text}(1), {bare.text}(2), …"
            return FilterError(f"{hint} ({first})", bare.place)
        cut = tokens(text)
        if cut and cut[-1].text != ")" and first.endswith('at or near ")"'):  # the bracket around it all
            first = "syntax error at its end"
        return FilterError(f"'{text.strip()}' cannot be read: {first}")

    # -- inside ----------------------------------------------------------------------------------------------

    def _expression(self, text: str, what: str) -> str:
        cut = tokens(text)
        _check_brackets(cut, what)
        replaced: dict[int, str] = {}  # by number of the token
        for number, token in enumerate(cut):
            name = token.name
            if name is None or name not in self.names or _is_part(cut, number):
                continue
            replaced[number] = ALIASES.get(name, f'"{name}"') if name != TOP else f'"{ALIASES[TOP]}"'
            if number + 1 < len(cut) and cut[number + 1].text == "(":
                self._check_call(token, cut, number)
                replaced[number + 1], replaced[_closing(cut, number + 1)] = "[", "]"
            elif name == TOP:
                raise FilterError("top needs the number of a thought: write top(3)", token.place)
        return "".join(_joined(text, cut, replaced))

    def _check_call(self, token: Token, cut: Sequence[Token], number: int) -> None:
        name = token.name or ""
        if not is_per_thought(name):
            raise FilterError(
                f"{name} has one value for the whole run: write {name}, without brackets", token.place
            )
        if cut[number + 2].text == ")" or cut[number + 2].kind == "string_const":
            raise FilterError(f"{name} needs the number of a thought: write {name}(3)", token.place)

    def _unknown(self, name: str, text: str) -> FilterError:
        if (quoted := text.find(f'"{name}"')) >= 0:
            return FilterError(f"a text stands in single quotes: write '{name}', not \"{name}\"", quoted)
        place = next((token.place for token in tokens(text) if token.text.lower() == name.lower()), None)
        near = get_close_matches(name.lower(), self.names, 1, 0.5)
        known = f"the nearest is {self._written(near[0])}" if near else f"there are {', '.join(self.names)}"
        return FilterError(f"there is no '{name}' in this atlas: {known}", place)

    def _written(self, name: str) -> str:
        return f"{name}(1)" if is_per_thought(name) else name


def tokens(text: str) -> list[Token]:
    """What was typed, cut by DuckDB; comments are left out."""
    import duckdb

    encoded = text.encode("utf-8", "replace")
    starts = [(place, str(kind).rpartition(".")[2]) for place, kind in duckdb.tokenize(encoded.decode())]
    ends = [*(place for place, _ in starts[1:]), len(encoded)][: len(starts)]
    pieces = (
        (encoded[start:end].decode("utf-8", "replace").rstrip(), kind, start)
        for (start, kind), end in zip(starts, ends, strict=True)
    )
    return [
        Token(piece, kind, len(encoded[:start].decode("utf-8", "replace")))
        for piece, kind, start in pieces
        if kind != "comment"
    ]


def _check_brackets(cut: Sequence[Token], what: str) -> None:
    depth = 0
    for token in cut:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == ";":
            raise FilterError(f"{what} is one expression: leave out ;", token.place)
        if depth < 0:
            raise FilterError("there is a ) without its (", token.place)
    if depth:
        raise FilterError("there is a ( without its )", next(token.place for token in cut if token.text == "("))


def _closing(cut: Sequence[Token], opening: int) -> int:
    depth = 0
    for number in range(opening, len(cut)):
        depth += (cut[number].text == "(") - (cut[number].text == ")")
        if not depth:
            return number
    raise AssertionError("brackets are checked before")


def _is_part(cut: Sequence[Token], number: int) -> bool:
    """Whether a name belongs to another: a field behind a point, a type behind ::."""
    return number > 0 and cut[number - 1].text in (".", "::")


def _opens(text: str, token: Token) -> bool:
    return text[token.place + len(token.text) :].lstrip()[:1] in ("(", "[")


def _joined(text: str, cut: Sequence[Token], replaced: dict[int, str]) -> Iterator[str]:
    """The tokens with a space between any two that had one."""
    end = 0
    for number, token in enumerate(cut):
        yield " " if text[end : token.place] and number else ""
        yield replaced.get(number, token.text)
        end = token.place + len(token.text)
