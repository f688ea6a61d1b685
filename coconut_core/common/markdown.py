"""Tables in Markdown, for whatever is reported."""

from collections.abc import Collection, Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: Collection[str] = ()) -> str:
    """A table in Markdown, its cells as they are. Columns named in left are aligned to the left, the others, of
    numbers, to the right."""
    rule = ["---" if name in left else "---:" for name in head]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
