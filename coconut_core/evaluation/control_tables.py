"""What controls found, as tables. Needs no torch."""

from coconut_core.common.markdown import markdown_table
from coconut_core.evaluation.significance import Share
from coconut_core.evaluation.verdict import ControlResult, Controls


def as_markdown(controls: Controls) -> str:
    """The tables in Markdown, the verdict in front."""
    lines = [f"**{controls.verdict.usage}**: {controls.verdict.reason}.", ""]
    for results in filter(None, (controls.results, controls.per_thought)):
        head, *rows = control_rows(controls, results)
        lines += [markdown_table(head, rows, left=head), ""]
    return "\n".join(lines).rstrip()


def control_rows(controls: Controls, results: tuple[ControlResult, ...]) -> list[list[str]]:
    """Results as a table, its head first and the model's own thoughts next; empty without any results."""
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
    rows = [head, ["own thoughts", _right(controls.share), "", "", "", "", "", str(controls.count)]]
    for result in results:
        least, most = result.pairs.interval
        rows.append(
            [
                result.name,
                _right(result.share),
                f"{100 * result.pairs.drop:.1f} ({100 * least:.1f} to {100 * most:.1f})",
                f"{result.p_adjusted:.2g}",
                _share(result.changed, result.count),
                _share(result.counterfactual, result.counterfactual_count),
                "" if result.donor is None else _share(result.donor, result.count),
                str(result.count),
            ]
        )
    return rows


def _right(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.accuracy:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""
