"""Trace: everything seen in a run as plain data, kept as versioned JSON. Needs no model and no torch."""

import json
from dataclasses import asdict, dataclass, field, replace
from html import escape
from math import isfinite, nan
from pathlib import Path
from typing import Any

from coconut_core.common.cells import shortened
from coconut_core.common.errors import CoconutError, visible
from coconut_core.common.notebook import bar, paragraph, table
from coconut_core.common.quoting import unquoted
from coconut_core.common.records import read_record, reshaped
from coconut_core.common.reprs import brief
from coconut_core.common.token_names import SPACE, content_of, plain_name
from coconut_core.common.whole_files import written_aside
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.records.graph_reading import GraphMass, graph_mass
from coconut_core.records.stopping import CONTEXT, END, WORDS, cut_off_by
from coconut_core.records.untrained import untrained_label

FORMAT = "coconut-trace"
VERSION = 1
UNREADABLE = "says nothing: it holds NaN or infinity"  # of a step that is not readable


@dataclass(frozen=True)
class TokenRecord:
    """A token and its probability."""

    token: str  # its text, decoded alone; several tokens may have the same
    probability: float
    id: int | None = None  # None in traces of before ids were kept
    name: str = ""  # visible, another one for each token; from the text, where it was not kept

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", visible(self.name) or plain_name(self.token))

    @property
    def key(self) -> int | str:
        """What tells it from other tokens of its trace."""
        return self.name if self.id is None else self.id

    def means(self, typed: str) -> bool:
        """Whether a typed word may mean it: its name, its text with or without the spaces around it; in quotes
        its text alone."""
        literal = unquoted(typed)
        if literal is None:
            return typed in (self.name, self.name.strip(SPACE), self.token.strip(" "))
        return literal == self.token or literal.encode("utf-8", "replace") == content_of(self.name)


@dataclass(frozen=True)
class StepRecord:
    """One step as it is shown: what the state would say, and what was fed."""

    kind: str  # "thought", "marker" or "token"
    index: int
    segment: int
    token: str  # the text of what was fed, empty for a thought
    top: tuple[TokenRecord, ...]  # empty where the state is not readable
    entropy: float  # nats
    norm: float
    cosine: float | None = None  # to the thought before; None for the first, and for what is not readable
    edit: str | None = None
    watched: dict[str, float] = field(default_factory=dict)  # probability of each name of the problem's graph
    ended: str | None = None  # why thinking ended, at the marker: see coconut_core.runs.halting
    token_id: int | None = None  # of what was fed; None for a thought, and in traces of before ids were kept
    name: str = ""  # visible, of what was fed; empty for a thought

    def __post_init__(self) -> None:
        name = visible(self.name) or (plain_name(self.token) if self.token else "")
        object.__setattr__(self, "name", name)

    @property
    def key(self) -> int | str:
        """What tells the token that was fed from others; as a TokenRecord's."""
        return self.name if self.token_id is None else self.token_id

    @property
    def readable(self) -> bool:
        """Whether the state says anything: false where it holds NaN or infinity, or its readout overflows."""
        return isfinite(self.entropy)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; null stands for what is no number, for which JSON has no word."""
        record = asdict(self)
        return record | {
            name: None for name in ("entropy", "norm", "cosine") if not isfinite(record[name] or 0.0)
        }


@dataclass(frozen=True)
class Trace:
    """A run. `problem` holds the graph and the expected answer where they are known."""

    model: str
    question: str
    prompt: tuple[str, ...]  # the prompt's tokens
    steps: tuple[StepRecord, ...]
    text: str  # what was said
    stopped_by: str | None  # "end", or what cut it off: "words" or "context"; None where it was going on
    settings: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None
    prompt_ids: tuple[int, ...] = ()  # empty in traces of before ids were kept

    def __repr__(self) -> str:
        readouts = " · ".join(
            f"{top[0].name} {top[0].probability:.2f}" for top in (step.top for step in self.thoughts()) if top
        )
        thoughts = f"{len(self.thoughts())} thoughts" + (f": {readouts}" if readouts else "")
        return f"Trace({self.model}, {brief(self.question)}, {thoughts}, says {brief(self.text)})"

    def _repr_html_(self) -> str:
        """What a notebook draws: a table of the thoughts with their likeliest tokens."""
        rows = []
        for step in self.thoughts():
            first = (
                bar(f"{step.top[0].name} {step.top[0].probability:.2f}", step.top[0].probability)
                if step.top
                else ""
            )
            others = " · ".join(f"{token.name} {token.probability:.2f}" for token in step.top[1:4])
            read = f"{step.entropy:.2f}", f"{step.norm:.1f}"
            mass = self.mass(step)
            frontier = "" if mass is None else bar(f"{mass.frontier:.2f}", mass.frontier)
            said = first or escape(UNREADABLE)
            rows.append([str(step.index), said, escape(others), *read, frontier, escape(step.edit or "")])
        head = ["thought", "likeliest token", "next", "entropy (nats)", "norm", "frontier", "edit"]
        kept = [number for number in range(len(head)) if number < 5 or any(row[number] for row in rows)]
        thoughts = table([head[number] for number in kept], ([row[number] for number in kept] for row in rows))
        says = f"says: {self.text} {self.judgement or ''}" if self.text else ""
        label = self.untrained_label or ""
        texts = (shortened(self.question, 160), label, thoughts, says)
        return "".join(text if text is thoughts else paragraph(text) for text in texts if text)

    def thoughts(self) -> list[StepRecord]:
        """The thoughts among the steps."""
        return [step for step in self.steps if step.kind == "thought"]

    @property
    def finished(self) -> bool:
        """Whether the end of text was said."""
        return self.stopped_by == END

    @property
    def cut_off(self) -> str | None:
        """What cut the answer off, in words; None where it came to its end, or was going on."""
        return cut_off_by(self.stopped_by, self.settings.get("max_new_tokens"))

    @property
    def right(self) -> bool | None:
        """Whether the answer is right; None where the expected one is not known, or the run is not over."""
        if self.stopped_by is None or self.problem is None or not self.problem.answer:
            return None
        return is_right(self.text, self.problem, self.answer_prefix)

    @property
    def judgement(self) -> str | None:
        """Whether the answer is right, in words and as the trace holds them; None where that is not known."""
        if self.right is None or self.problem is None:
            return None
        cut = "" if self.cut_off is None else f"{self.cut_off}; "
        return "✓ right" if self.right else f"✗ {cut}expected: {self.problem.answer}"

    def mass(self, step: StepRecord) -> GraphMass | None:
        """A thought on the problem's graph; None for another step, or where no graph is known."""
        graph = None if self.problem is None else self.problem.graph
        if graph is None or step.kind != "thought":
            return None
        return graph_mass(graph, step.index, step.watched, self.first_thought_hops)

    @property
    def ended(self) -> list[str]:
        """Why thinking ended, once for each latent segment that has ended."""
        return [step.ended for step in self.steps if step.ended is not None]

    @property
    def first_thought_hops(self) -> int:
        """See CoconutConfig; 1 where the trace does not say."""
        value = self.settings.get("first_thought_hops", 1)
        return value if isinstance(value, int) and value >= 0 else 1

    @property
    def untrained_label(self) -> str | None:
        """What is to be said of a model that was not trained to think in latents; None for one that was."""
        if self.settings.get("trained") is not False:
            return None
        thoughts = self.settings.get("thoughts")
        return untrained_label(
            str(self.settings.get("feedback")), thoughts if isinstance(thoughts, int) else None
        )

    @property
    def answer_prefix(self) -> str:
        """What stands in front of the answer in the text; "###" where the trace does not say."""
        return str(self.settings.get("answer_prefix", "###"))

    @property
    def answer(self) -> str:
        """The answer within what was said; all of it where no answer prefix was said."""
        return final_answer(self.text, self.answer_prefix)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        record = asdict(self) | {
            "steps": [step.to_json() for step in self.steps],
            "problem": None if self.problem is None else self.problem.to_json(),
        }
        return {"format": FORMAT, "version": VERSION, "finished": self.finished, **record}

    def json_text(self) -> str:
        """The text of a trace file."""
        return json.dumps(self.to_json(), ensure_ascii=False, indent=1) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON. Raises CoconutError where that is refused."""
        try:
            with written_aside(Path(path)) as file:
                file.write(self.json_text())
        except (OSError, UnicodeEncodeError) as error:
            raise CoconutError(f"cannot write the trace to {path}: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read a trace. Raises CoconutError in one line for a file that is none."""
        return cls.from_json(read_json(path), path)

    @classmethod
    def from_json(cls, record: Any, path: object) -> "Trace":
        """What to_json gave. Raises CoconutError, which names the path or address that it came from."""
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise CoconutError(f"{path} is not a coconut trace")
        version = record.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise CoconutError(f"{path} has trace version {version}, this coconut reads up to {VERSION}")
        where = f"the trace {path} is damaged"
        entries = {"stopped_by": None, **record} if "finished" in record else record
        trace = read_record(
            cls,
            entries
            | {"steps": reshaped(record.get("steps"), _step_entries)}
            | {"problem": reshaped(record.get("problem"), Problem.from_json)},
            where,
        )
        if wrong := [step for step in trace.steps if step.index < (step.kind == "thought")]:
            raise CoconutError(f"{where}: a {wrong[0].kind} cannot have the number {wrong[0].index}")
        if "stopped_by" not in record and record["finished"]:
            return replace(trace, stopped_by=_guessed_stop(trace))
        return trace


def read_json(path: str | Path) -> Any:
    """What a trace's file holds, of whatever form. Raises CoconutError where it is no JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CoconutError(f"cannot read a trace from {path}: {error}") from error


def _guessed_stop(trace: Trace) -> str:
    """Why a run was over, in a file of before this was written down.

    The end of text is a token that is no part of the text.
    """
    words = [step.token for step in trace.steps if step.kind == "token"]
    if not words:
        return CONTEXT
    last = words[-1].strip()
    if not last or not trace.text.endswith(last):
        return END
    most = trace.settings.get("max_new_tokens")
    return WORDS if isinstance(most, int) and len(words) >= most else CONTEXT


def _step_entries(step: dict[str, Any]) -> dict[str, Any]:
    """What a step's record says, with NaN in place of the null that stands for it."""
    return {"segment": 0, **step} | {name: nan for name in ("entropy", "norm") if step.get(name, 0) is None}
