"""The one shape in which every reasoning problem is held, read and written."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import read_record
from coconut_core.common.reprs import record_repr
from coconut_core.common.whole_files import written_aside
from coconut_core.problems.arithmetic import numbers_in, step_equation
from coconut_core.problems.experiments import START, official_record, read_entries
from coconut_core.problems.files import JsonReader, records_of


@dataclass(frozen=True)
class Graph:
    """The graph behind a graph problem: names of the nodes, directed edges, and the three special nodes."""

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    root: int
    target: int
    wrong: int

    __repr__ = record_repr


Shape = Graph | tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """One question with its reasoning steps and its answer, all as text."""

    question: str
    steps: tuple[str, ...]
    answer: str
    graph: Graph | None = None

    __repr__ = record_repr

    @property
    def shape(self) -> Shape:
        """What stays when a problem is told anew: its graph, and without one its steps, which are sums."""
        return self.steps if self.graph is None else self.graph

    def to_json(self) -> dict[str, Any]:
        """The official data layout: question, steps, answer, and for graph problems the graph's fields."""
        record: dict[str, Any] = {"question": self.question, "steps": list(self.steps), "answer": self.answer}
        if self.graph is not None:
            fields = asdict(self.graph)
            record |= {
                "idx_to_symbol": list(fields["names"]),
                "edges": [list(edge) for edge in fields["edges"]],
                "root": fields["root"],
                "target": fields["target"],
                "neg_target": fields["wrong"],
            }
        return record

    @classmethod
    def from_json(cls, record: Any) -> "Problem":
        """Read one record of the official layout. Raises CoconutError naming the field that is wrong."""
        if not isinstance(record, dict):
            raise CoconutError(f"a problem must be a JSON object, not {type(record).__name__}")
        return read_record(cls, {"answer": "", "steps": [], **record, "graph": _graph_from_json(record)})


@dataclass(frozen=True)
class _GraphRecord:
    """A graph as the official layout names its parts."""

    idx_to_symbol: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    root: int
    target: int
    neg_target: int


def _graph_from_json(record: dict[str, Any]) -> Graph | None:
    if "edges" not in record:
        return None
    parts = read_record(_GraphRecord, record)
    graph = Graph(parts.idx_to_symbol, parts.edges, parts.root, parts.target, parts.neg_target)
    used = {node for edge in graph.edges for node in edge} | {graph.root, graph.target, graph.wrong}
    if not all(0 <= node < len(graph.names) for node in used):
        raise CoconutError("a problem's graph names a node that 'idx_to_symbol' does not have")
    return graph


def hash_problems(problems: Iterable[Problem]) -> str:
    """SHA-256 of the questions and answers, in order."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(f"{problem.question}\0{problem.answer}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def names_in_steps(steps: Sequence[str]) -> list[str]:
    """What a chain of bare names says for some steps: where the first starts, then where each ends.

    Read off sentences ("Every lempus is a rompus."), symbolic edges ("3 7") or sums ("<<48/2=24>>").
    """
    if steps and all("=" in step for step in steps):
        sums = [step_equation(step) for step in steps]
        return [*numbers_in(sums[0][0])[:1], *(result for _, result in sums)]
    starts = [step.removeprefix("Every ").split(" ", 1)[0] for step in steps[:1]]
    return starts + [step.rstrip(".").rsplit(" ", 1)[-1] for step in steps]


def stream_file(path: str | Path) -> Iterator[Problem]:
    """Read a JSON list of problems, JSON lines of them, or the file of ProntoQA's own generator, one at a time;
    what comes first tells which it is.

    Holds one problem in memory, however long the file, and reads it once: it may be a pipe. Raises
    CoconutError, naming the line or the number of the problem, where the file cannot be read or is not in the
    official layout; the problems in front of the damage come first.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig") as file:
            reader = JsonReader(file)
            if not reader.peek_mark() and path.suffix != ".jsonl":
                raise CoconutError(
                    f"{path} is empty: it must hold a JSON list of problems, or one on each line"
                )
            of_experiments = reader.starts_with(START)
            records = read_entries(path, reader) if of_experiments else records_of(path, reader)
            for where, record in records:
                try:
                    problem = Problem.from_json(official_record(record) if of_experiments else record)
                except CoconutError as error:
                    raise CoconutError(f"{where}: {error}") from error
                yield problem
    except (OSError, UnicodeDecodeError) as error:
        raise CoconutError(f"cannot read problems from {path}: {error}") from error


def write_problems(path: str | Path, problems: Iterable[Problem]) -> int:
    """Write a JSON list in the official layout, one problem a line; returns how many there were.

    Holds one problem in memory. The list is written aside, synced and renamed, so that whenever this is
    stopped the path holds what it held before, or the whole list. Raises CoconutError where it cannot be
    written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as file:
            return write_list(file, problems)
    except (OSError, UnicodeEncodeError) as error:
        raise CoconutError(f"cannot write {path}: {error}") from error


def write_list(file: TextIO, problems: Iterable[Problem]) -> int:
    """The same into an open file."""
    count = 0
    file.write("[")
    for problem in problems:
        file.write(",\n" if count else "\n")
        file.write(json.dumps(problem.to_json(), ensure_ascii=False))
        count += 1
    file.write("\n]\n")
    return count
