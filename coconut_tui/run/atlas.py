"""How an atlas is looked at: filter, sort, columns, the row and the thought in question. Plain data."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconut_core.atlas.columns import COLUMNS, Kind, is_per_thought

if TYPE_CHECKING:
    from coconut_core.atlas import Atlas

COURSE = "course"  # the column with the course of a measure over the thoughts
ROOMY = 100  # cells from which answers and more columns are shown at first
FEW = ("run", "right", "hops", "said", "course", "token", "question")
MORE = ("run", "right", "hops", "used", "said", "expected", "course", "token", "probability", "question")
_NAME = re.compile(r"[^\W\d]\w*\(?$")


@dataclass(frozen=True)
class ToOpen:
    """A run that is to be opened in the explorer."""

    row: Mapping[str, Any]
    thoughts: int | None  # that were asked for; None: as the model says


@dataclass
class Browsing:
    """What is on screen of an atlas, and comes back when one comes back to it."""

    path: Path
    where: str = ""  # the filter
    order: str = "run"  # the column that it is sorted by
    descending: bool = False
    columns: tuple[str, ...] = ()  # shown, in their order; none: as there is room
    measure: str = ""  # the course of which list is drawn in a row; none: the first that there is
    thought: int = 1  # in question, from 1
    run: int | None = None  # the run under the cursor
    atlas: "Atlas | None" = None  # once it is open

    def sort(self, name: str, *, turn: bool) -> None:
        """Sort by a column that is shown, or turn the order round."""
        self.order = self.measure if name == COURSE else name
        self.descending = turn and not self.descending

    def sorted_by(self, shown: Sequence[str]) -> str:
        """The column of the order, as it is shown."""
        return COURSE if self.order == self.measure and COURSE in shown else self.order


@dataclass(frozen=True)
class LiveModel:
    """The model that is open: what it was opened from, and the kind of its feedback."""

    source: str
    feedback: str


@dataclass(frozen=True)
class AtlasPlan:
    """An atlas that is to be built: where, of which model, of the problems of which file, with how many
    thoughts (None: as the model says)."""

    folder: Path
    source: str
    data: str
    thoughts: int | None


@dataclass(frozen=True)
class MapPoint:
    """A thought: its run, its number, from 1, where it is, and what is known of the run."""

    run: int
    thought: int
    x: float
    y: float
    hops: int | None
    right: bool | None


@dataclass(frozen=True)
class AtlasMap:
    """Points, the shares of the variance in their two directions, and of how many thoughts they are a part."""

    points: Sequence[MapPoint]
    explained: tuple[float, float]
    of: int


def unused_name(model: str, folder: Path) -> str:
    """A name for an atlas of a model's runs that nothing in a folder has."""
    name = f"{Path(model).name}-atlas"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(each for each in names if not (folder / each).exists())


def shown_columns(browsing: Browsing, width: int) -> tuple[str, ...]:
    """The columns that are shown in so many cells."""
    return browsing.columns or (MORE if width >= ROOMY else FEW)


def measures_of(*, graphs: bool) -> tuple[str, ...]:
    """The columns with a number for each thought, whose course can be drawn."""
    numbers = [
        each for each in COLUMNS.values() if each.per_thought and not each.several and each.kind is Kind.NUMBER
    ]
    of_graph = [each.name for each in numbers if each.of_graph]
    return (*(of_graph if graphs else ()), *(each.name for each in numbers if not each.of_graph))


def order_text(browsing: Browsing) -> str:
    """The order, as an atlas reads it."""
    column = COLUMNS.get(browsing.order)
    name = (
        f"{browsing.order}({browsing.thought})" if column is not None and column.per_thought else browsing.order
    )
    return f"{name} desc" if browsing.descending else name


def highest(atlas: "Atlas", measure: str) -> float:
    """The highest value of a column with a number for each thought."""
    return float(atlas.ask(f"SELECT max(list_max({measure}))")[0][0] or 1.0)


def written_names(names: Sequence[str]) -> list[str]:
    """Names as they begin in a filter: with a bracket where the number of a thought follows."""
    return [f"{name}(" if is_per_thought(name) else name for name in names]


def suggestion(text: str, names: Sequence[str]) -> str | None:
    """A filter whose last word is written out to the first name that it can become; None without one."""
    fitting, word = completions(text, names), _last_word(text)
    return None if not fitting or word in names else text[: len(text) - len(word)] + fitting[0]


def completed(text: str, names: Sequence[str]) -> str:
    """A filter whose last word is written out as far as all names that it can become agree."""
    fitting, word = completions(text, names), _last_word(text)
    if not fitting or word in names:
        return text
    first, last = min(fitting), max(fitting)
    agreed = "".join(
        one for one, other in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    return text[: len(text) - len(word)] + max(agreed, word, key=len)


def completions(text: str, names: Sequence[str]) -> list[str]:
    """The names that the last word of a filter can become; none within quotes, and for no word."""
    word = _last_word(text)
    if not word or text.count("'") % 2:
        return []
    return [name for name in names if name.startswith(word) and name != word]


def both(first: str, second: str) -> str:
    """A filter for what fits two."""
    if not first.strip():
        return second
    return f"({first}) and {second}" if re.search(r"\bor\b", first, re.IGNORECASE) else f"{first} and {second}"


def _last_word(text: str) -> str:
    match = _NAME.search(text)
    return match[0] if match else ""
