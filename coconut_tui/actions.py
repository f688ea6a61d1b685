"""Every action of the explorer in one table: keys, footer, command line, palette, help and docs use it."""

from coconut_tui.verbs import asking, branching, editing, filing, helping, looking, measuring, moving, running

ACTIONS = (
    *running.ACTIONS,
    *editing.ACTIONS,
    *branching.ACTIONS,
    *asking.ACTIONS,
    *measuring.ACTIONS,
    *looking.ACTIONS,
    *moving.ACTIONS,
    *filing.ACTIONS,
    *helping.ACTIONS,
)


def keys_table() -> str:
    """The table of actions in docs/EXPLORER.md, in Markdown."""
    rows = ["| key | typed | what it does |", "| --- | --- | --- |"]
    rows += [f"| `{action.shown_keys}` | `:{action.usage}` | {action.description} |" for action in ACTIONS]
    return "\n".join(rows)
