"""The one shape in which every reasoning problem is held, read and written."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coconut_core.errors import CoconutError


@dataclass(frozen=True)
class Graph:
    """The graph behind a graph problem: names of the nodes, directed edges, and the three special nodes."""

    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    root: int
    target: int
    wrong: int


@dataclass(frozen=True)
class Problem:
    """One question with its reasoning steps and its answer, all as text."""

    question: str
    steps: tuple[str, ...]
    answer: str
    graph: Graph | None = None

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
        question, answer, steps = record.get("question"), record.get("answer", ""), record.get("steps", [])
        if not isinstance(question, str):
            raise CoconutError("a problem needs a 'question' that is text")
        if not isinstance(answer, str):
            raise CoconutError("a problem's 'answer' must be text")
        if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
            raise CoconutError("a problem's 'steps' must be a list of texts")
        return cls(question, tuple(steps), answer, _graph_from_json(record))


def _graph_from_json(record: dict[str, Any]) -> Graph | None:
    if "edges" not in record:
        return None
    try:
        names = tuple(str(name) for name in record["idx_to_symbol"])
        edges = tuple((int(source), int(target)) for source, target in record["edges"])
        graph = Graph(names, edges, int(record["root"]), int(record["target"]), int(record["neg_target"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CoconutError(f"a problem's graph fields cannot be read ({error!r})") from error
    used = {node for edge in edges for node in edge} | {graph.root, graph.target, graph.wrong}
    if not all(0 <= node < len(names) for node in used):
        raise CoconutError("a problem's graph names a node that 'idx_to_symbol' does not have")
    return graph


def read_problems(path: str | Path) -> list[Problem]:
    """Read a JSON list of problems, or JSON lines of them (a name ending in .jsonl)."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CoconutError(f"cannot read problems from {path}: {error}") from error
    return [Problem.from_json(record) for record in _records(path, text)]


def _records(path: Path, text: str) -> Iterator[Any]:
    try:
        if path.suffix == ".jsonl":
            yield from (json.loads(line) for line in text.splitlines() if line.strip())
        else:
            records = json.loads(text)
            if not isinstance(records, list):
                raise CoconutError(f"{path} must hold a JSON list of problems")
            yield from records
    except (json.JSONDecodeError, RecursionError) as error:
        raise CoconutError(f"{path} is not valid JSON: {error}") from error


def write_problems(path: str | Path, problems: Iterable[Problem]) -> None:
    """Write a JSON list in the official layout, one problem a line."""
    lines = [json.dumps(problem.to_json(), ensure_ascii=False) for problem in problems]
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    except OSError as error:
        raise CoconutError(f"cannot write {path}: {error}") from error
