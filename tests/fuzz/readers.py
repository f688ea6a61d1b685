"""Every reader of the code base: what it reads when all is well, and how it is asked to read."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.verdict import read_controls
from coconut_core.interventions.text import read_commands
from coconut_core.latent.config import CoconutConfig
from coconut_core.problems import FAMILIES, example_problem, read_problems
from coconut_core.problems.gsm8k import convert_line
from coconut_core.records.trace import Trace
from coconut_core.server.asks import Ask
from coconut_core.training.metrics import read_metrics
from coconut_core.training.recipe import load_recipe
from coconut_tui.actions.table import check_keys
from coconut_tui.config import load_config
from coconut_tui.findings import finding_of, link_of, load_finding
from coconut_tui.findings.text import finding_text
from coconut_tui.run.breakpoints import read_breakpoint
from coconut_tui.saved.format import SavedSession
from coconut_tui.saved.store import SessionStore
from tests.tui.findings_by_hand import finding

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Reader:
    """A reader of files or of texts. `good` is what it reads; JSON data where `is_json`, else text."""

    name: str
    good: Any = field(repr=False)
    read: Callable[[Path], object]
    file_name: str = "file"
    is_json: bool = False
    only_values: bool = False  # others see to it that it is JSON

    def good_bytes(self) -> bytes:
        """The content of a good file."""
        return (json.dumps(self.good) if self.is_json else str(self.good)).encode()


def _text_of(read: Callable[[str], object]) -> Callable[[Path], object]:
    """A reader of texts as a reader of files; what is no UTF-8 comes as replacement characters."""
    return lambda path: read(path.read_bytes().decode(errors="replace"))


def _problem() -> dict[str, Any]:
    return example_problem("prosqa", 1).to_json()


def _trace() -> dict[str, Any]:
    step = {
        "kind": "thought", "index": 1, "segment": 0, "token": "", "entropy": 1.0, "norm": 2.0, "cosine": None,
        "top": [{"token": "a", "probability": 0.5}], "watched": {"a": 0.5}, "edit": None, "ended": None,
    }  # fmt: skip
    trace = Trace("m", "q?", ("q",), (), "a", "end", {"thoughts": 1}, example_problem("prosqa", 1)).to_json()
    return {**trace, "steps": [step]}


def _parses(name: str) -> Callable[[str], object]:
    return lambda text: FAMILIES[name].parse_question(text)


def _controls() -> dict[str, Any]:
    record: dict[str, Any] = json.loads((ROOT / "models" / "prosqa" / "controls.json").read_text("utf-8"))
    return {**record, "results": record["results"][:2], "per_thought": record["per_thought"][:1]}


def _session(path: Path) -> object:
    """A damaged one is set aside, with a message."""
    said: list[str] = []
    found = SessionStore(path.parent, said.append).load()
    for other in path.parent.iterdir():
        other.unlink()
    if said:
        raise CoconutError(said[0])
    return found


def _asked(path: Path) -> object:
    return Ask.from_json(json.loads(path.read_text("utf-8")))


READERS = (
    Reader(
        "coconut.json",
        json.loads((ROOT / "models" / "prosqa" / "coconut.json").read_text("utf-8")),
        lambda path: CoconutConfig.load(path.parent),
        "coconut.json",
        is_json=True,
    ),
    Reader(
        "controls.json",
        _controls(),
        lambda path: read_controls(path.parent),
        "controls.json",
        is_json=True,
    ),
    Reader("trace", _trace(), Trace.load, is_json=True),
    Reader(
        "session",
        SavedSession().remember(["models/prosqa"], ["Is Alex a lempus?"]).to_json(),
        _session,
        "1-a.json",
        is_json=True,
    ),
    Reader("problems.json", [_problem(), _problem()], read_problems, "problems.json", is_json=True),
    Reader("problems.jsonl", f"{json.dumps(_problem())}\n" * 2, read_problems, "problems.jsonl"),
    Reader("metrics", '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.5}\n', read_metrics),
    Reader(
        "recipe",
        (ROOT / "coconut_core" / "recipes" / "small.toml").read_text("utf-8"),
        lambda path: load_recipe(str(path)),
        "recipe.toml",
    ),
    Reader(
        "settings",
        'model = "models/prosqa"\nthoughts = 3\ntheme = "nord"\n[keys]\nstep = "s,space"\n',
        lambda path: load_config(path, environment={}, check_keys=check_keys),
    ),
    Reader(
        "interventions",
        "zero@2; steer rompus 4@1-3; replace twin@all; scale 0.5@1; shuffle 3; noise 7@1,2",
        _text_of(read_commands),
    ),
    Reader("finding", finding_text(finding()), load_finding, "finding.md"),
    Reader("link of a finding", link_of(finding()), _text_of(lambda text: finding_of(f"coconut:{text[8:]}"))),
    Reader("breakpoint", "token rompus in top 3", _text_of(lambda text: read_breakpoint(text, 50))),
    Reader("gsm8k line", "Two and two?||<<2+2=4>> #### 4", _text_of(convert_line)),
    Reader(
        "ask to a server", {"question": "q?", "thoughts": 2, "top": 3}, _asked, is_json=True, only_values=True
    ),
    *(
        Reader(f"{family} question", example_problem(family, 1).question, _text_of(_parses(family)))
        for family in FAMILIES
    ),
)
