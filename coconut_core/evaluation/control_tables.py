"""What controls found, as tables. Needs no torch."""

from coconut_core.common.markdown import markdown_table
from coconut_core.evaluation.significance import Share
from coconut_core.evaluation.verdict import ControlResult, Controls


def as_markdown(found: Controls) -> str:
    """The tables in Markdown, the verdict in front."""
    lines = [f"**{found.verdict.usage}**: {found.verdict.reason}.", ""]
    for table in filter(None, (control_rows(found, found.results), control_rows(found, found.per_thought))):
        head, *rows = table
        lines += [markdown_table(head, rows, left=head), ""]
    return "\n".join(lines).rstrip()


def control_rows(found: Controls, results: tuple[ControlResult, ...]) -> list[list[str]]:
    """Results as a table, its head first and the model's own thoughts next; empty where there are none."""
    if not results:
        return []
    head = [
        "control",
        "right (95 %)",
        "points lost (95 %)",
        "p",
        "changed",
        "became the twin's",
        "the donor's",
        "n",
    ]
    rows = [head, ["own thoughts", _right(found.share), "", "", "", "", "", str(found.count)]]
    for each in results:
        least, most = each.pairs.interval
        rows.append(
            [
                each.name,
                _right(each.share),
                f"{100 * each.pairs.drop:.1f} ({100 * least:.1f} to {100 * most:.1f})",
                f"{each.p_adjusted:.2g}",
                _share(each.changed, each.count),
                _share(each.counterfactual, each.counterfactual_count),
                "" if each.donor is None else _share(each.donor, each.count),
                str(each.count),
            ]
        )
    return rows


def _right(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.accuracy:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""
