"""A finding as text: YAML between two lines of dashes, then the note in Markdown."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.common.records import read_record, reshaped
from coconut_tui.findings.finding import Finding
from coconut_tui.saved.format import check_tree, tree_entries, tree_record

FORMAT, VERSION = "coconut-finding", 1
FENCE = "---"
_OFTEN_EMPTY = ("tags", "weights", "view", "done", "edits", "verdict")  # left out where they are


def finding_text(finding: Finding) -> str:
    """The whole file."""
    from coconut_tui.findings.head import write_head  # here, so that the first paint reads no YAML

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
    head = write_head(_without_nothing(entries))
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
    from coconut_tui.findings.head import read_head

    try:
        record = read_head("".join(lines[1 : fences[1]]))
    except ValueError as error:
        raise CoconutError(f"{where}: what stands between the lines {FENCE} is no YAML: {error}") from error
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


def _without_nothing(value: Any) -> Any:
    """The same without entries that say nothing."""
    if isinstance(value, Mapping):
        kept = {name: _without_nothing(item) for name, item in value.items() if item is not None}
        return {name: item for name, item in kept.items() if item or name not in _OFTEN_EMPTY}
    return [_without_nothing(item) for item in value] if isinstance(value, list | tuple) else value
