"""The part of docs/RESULTS.md that `make results` writes, from what the runs left on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coconut_core.evaluate import accuracy_line
from coconut_core.markdown import markdown_table
from coconut_core.plots import draw_lines
from coconut_core.significance import Share
from results.runs import PROBLEMS, RECIPE, UNLABELLED, Part, evaluation

PAGE = Path("docs/RESULTS.md")
FIGURES = Path("docs/images")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

# arXiv 2412.06769, table 1, ProsQA on GPT-2: accuracy in per cent, tokens an answer.
PAPER = {
    "cot": (77.5, 49.4),
    "no-cot": (76.7, 8.2),
    "icot": (98.2, 8.2),
    "pause": (75.9, 8.2),
    "coconut": (97.0, 14.2),
    "coconut-no-curriculum": (76.1, 14.2),
    "coconut-no-thoughts": (95.5, 8.2),
    "coconut-pause": (96.6, 8.2),
    UNLABELLED: (97.0, 14.2),
}


def write_report(rows: Sequence[str], seeds: Sequence[int]) -> None:
    """Put table and figures between the marks of docs/RESULTS.md."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    told = _table(rows, seeds) + _figures(seeds)
    PAGE.write_text(f"{before}{BEGIN}\n{told}{END}{after}", encoding="utf-8")


def _table(rows: Sequence[str], seeds: Sequence[int]) -> str:
    about = (
        f"Recipe `{RECIPE}`, {PROBLEMS} problems of the test split for each seed; the interval is Wilson's at "
        "95 %, over all seeds' answers together. The paper's are ProsQA's, on GPT-2."
    )
    head = ["method", "paper (tokens)", "here", "seed by seed", "without its thoughts", "tokens", "verdicts"]
    table = markdown_table(head, [_row(row, seeds) for row in rows], left=head)
    return f"{about}\n\n{table}\n"


def _row(row: str, seeds: Sequence[int]) -> list[str]:
    paper, paper_tokens = PAPER[row]
    found = _found(row, seeds, "free")
    control = _found(row, seeds, "no-thoughts")
    tokens = sum(each["mean_answer_tokens"] for each in found) / len(found) if found else 0.0
    verdicts = [each["verdict"]["usage"] for each in _found(row, seeds, "controls")]
    return [
        f"`{row}`",
        f"{paper} % ({paper_tokens})",
        _with_interval(found),
        _each(found),
        _with_interval(control) if control else "–",
        f"{tokens:.1f}" if found else "–",
        ", ".join(f"{verdicts.count(usage)} × {usage}" for usage in dict.fromkeys(verdicts)) or "–",
    ]


def _found(row: str, seeds: Sequence[int], name: str) -> list[dict[str, Any]]:
    records = [evaluation(Part(row, seed), name) for seed in seeds]
    return [record for record in records if record is not None]


def _with_interval(records: list[dict[str, Any]]) -> str:
    if not records:
        return "not run yet"
    share = Share(sum(each["right"] for each in records), sum(each["n"] for each in records))
    low, high = share.interval
    return f"**{100 * share.accuracy:.1f} %** ({100 * low:.1f}–{100 * high:.1f}, n={share.count})"


def _each(records: list[dict[str, Any]]) -> str:
    return ", ".join(f"{100 * each['accuracy']:.1f}" for each in records) or "–"


def _figures(seeds: Sequence[int]) -> str:
    told = ""
    sweep = Part("coconut", seeds[0]).folder / "sweep.svg"
    if sweep.exists():
        target = FIGURES / "results-interpolation.svg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(sweep.read_bytes())
        told += f"\n![k thoughts, then words: accuracy and the six outcome classes](images/{target.name})\n"
    lines = []
    for row in ("coconut", "cot", "no-cot"):
        records = _found(row, seeds, "free")
        if not records:
            continue
        shares: dict[int, Share] = {}
        for number in records[0]["hops"]:
            cells = [each["hops"][number] for each in records if number in each["hops"]]
            shares[int(number)] = Share(sum(cell["right"] for cell in cells), sum(cell["n"] for cell in cells))
        lines.append(accuracy_line(row, shares))
    if lines:
        target = FIGURES / "results-hops.svg"
        draw_lines(lines, "accuracy by number of hops", "hops", "per cent right", y_range=(0, 100)).save_svg(
            target
        )
        told += f"\n![accuracy against number of hops](images/{target.name})\n"
    return told
