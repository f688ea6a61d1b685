"""A finding by hand."""

from coconut_tui.findings import AtlasRow, Finding, Model, Place, Seen, SeenThought
from coconut_tui.findings.finding import hash_of_problem
from tests.tui.screens import tree

CONTROL = "\x00\x1b[31m\x07\u202e\r\u2028end"
EVIL = "</p><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def finding(**more: object) -> Finding:
    """A finding in a tree of four branches."""
    run = tree()
    thoughts = (
        SeenThought("1", "Alex", 0.97, 0.25, 16.0),
        SeenThought("2", "·b", 0.5, None, 1.5e-9, "zero@2"),
    )
    values: dict[str, object] = {
        "title": "Thought 3: leaves the frontier, no?",
        "model": Model("models/prosqa", "abc", feedback="linear", chat=False),
        "run": run,
        "tags": ("frontier", "no", "1e5", "2026-01-01"),
        "date": "2026-11-30T08:00:00+00:00",
        "at": Place(2, "graph"),
        "seen": Seen(thoughts, "### Alex is a bompus.", False, "USED: by hand"),
        "note": "# Seen\n\n---\n\nIt *leaves* it.",
        "data": "problems.json",
        "problem_hash": hash_of_problem(run),
        "atlas": AtlasRow("A", 3),
    }
    return Finding(**{**values, **more})  # type: ignore[arg-type]
