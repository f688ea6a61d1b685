"""A finding as text: YAML between two lines of dashes, then the note in Markdown."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.records import read_record, reshaped
from coconut_tui.findings.finding import Finding
from coconut_tui.saved.format import check_tree, tree_entries, tree_record

FORMAT, VERSION = "coconut-finding", 1
FENCE = "---"
_OFTEN_EMPTY = ("tags", "weights", "view", "done", "edits", "verdict")  # left out where they are
_DEEPEST = 50  # lists and objects inside each other; a finding has five


def finding_text(finding: Finding) -> str:
    """The whole file."""
    record = asdict(finding)
    run = tree_record(finding.run)
    if run["problem"] is not None and run["problem"]["question"] == run["question"]:
        run["problem"] = {name: value for name, value in run["problem"].items() if name != "question"}
    entries = {
        "format": FORMAT,
        "version": VERSION,
        **{name: record[name] for name in ("title", "tags", "date", "model", "at")},
        **{name: record[name] for name in ("data", "problem_hash", "atlas") if record[name]},
        "run": _without_nothing(run),
        "seen": record["seen"],
    }
    head = yaml.dump(
        _compact(_without_nothing(entries)),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=110,
    )
    note = finding.note.strip()
    return f"{FENCE}\n{head}{FENCE}\n" + (f"\n{note}\n" if note else "")


def read_finding(text: str, where: object) -> Finding:
    """What finding_text gave. where: what each error begins with, the file. Raises CoconutError."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    fences = [number for number, line in enumerate(lines) if line.rstrip() == FENCE]
    if len(fences) < 2 or fences[0] != 0:
        raise CoconutError(
            f"{where}: it is no finding: one begins with a line {FENCE}, entries, and {FENCE} again"
        )
    record = _decoded("".join(lines[1 : fences[1]]), where)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise CoconutError(f"{where}: it is no finding: its entry 'format' must be {FORMAT}")
    if record.get("version") != VERSION:
        raise CoconutError(
            f"{where}: it has version {record.get('version')!r}, this coconut-tui reads {VERSION}"
        )
    note = "".join(lines[fences[1] + 1 :]).strip()
    for name in ("title", "model", "run"):
        record.setdefault(name, None)  # what is missing is named as missing, where a default would hide it
    try:
        entries = {**record, "run": reshaped(record["run"], _run_entries), "note": note}
        finding = read_record(Finding, {name: value for name, value in entries.items() if value is not None})
        check_tree(finding.run)
    except CoconutError as error:
        raise CoconutError(f"{where}: {error}") from error
    return finding


def _run_entries(record: dict[str, Any]) -> dict[str, Any]:
    """A run as tree_record has it: entries that say nothing are left out in a file."""

    def with_question(problem: dict[str, Any]) -> dict[str, Any]:
        return {"question": record.get("question"), **problem}

    def branch(entries: dict[str, Any]) -> dict[str, Any]:
        edits = reshaped(entries.get("edits", []), lambda edit: {"thoughts": None, **edit})
        return {"moves": "", "done": "", "forked_at": 0, **entries, "edits": edits}

    return tree_entries(
        {
            "example": None,
            **record,
            "problem": reshaped(record.get("problem"), with_question),
            "branches": reshaped(record.get("branches"), branch),
        }
    )


# -- YAML --------------------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # without libyaml in Python
    """Reads texts, numbers, true, false and null; a date is a text, and so is `no`."""

    yaml_implicit_resolvers: dict[str, Any] = {}


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes what this or another reader would take for something else than a text."""


for _kind, _pattern in (
    ("null", r"null|~|"),
    ("bool", r"true|false"),
    ("int", r"[-+]?\d{1,18}"),
    ("float", r"[-+]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][-+]?\d+)?"),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_pattern})$"), None)


class _Line(list[Any]):
    """A list that is written in one line."""


_Dumper.add_representer(
    _Line, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _compact(value: Any) -> Any:
    """The same with lists of short things in one line, however deep they lie."""
    if isinstance(value, Mapping):
        return {name: _compact(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        plain = all(not isinstance(item, Mapping) for item in value)
        return _Line(value) if plain and len(str(value)) < 2000 else [_compact(item) for item in value]
    return value


def _without_nothing(value: Any) -> Any:
    """The same without entries that say nothing."""
    if isinstance(value, Mapping):
        kept = {name: _without_nothing(item) for name, item in value.items() if item is not None}
        return {name: item for name, item in kept.items() if item or name not in _OFTEN_EMPTY}
    return [_without_nothing(item) for item in value] if isinstance(value, list | tuple) else value


def _decoded(text: str, where: object) -> Any:
    try:
        _check_plain(text)
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CoconutError(
            f"{where}: what stands between the lines {FENCE} is no YAML: {one_line(error)}"
        ) from error


def _check_plain(text: str) -> None:
    """Raise ValueError for YAML that refers to its own parts, which could unfold without end, or that is
    as deep as none has to be: libyaml's own stack ends at some ten thousand."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("a finding uses no aliases (&, *)")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError("its lists lie too deep in each other")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
