"""The part of docs/RESULTS.md that `make results` writes, from what the runs left on disk."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coconut_core.markdown import markdown_table
from coconut_core.plots import Line, draw_lines
from coconut_core.significance import Pairs, Share, Spread, adjusted, paired
from results.runs import PROBLEMS, RECIPE, UNLABELLED, Part, evaluation

PAGE = Path("docs/RESULTS.md")
FIGURES = Path("docs/images")
REFERENCE_ROW = "coconut"
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
        f"Recipe `{RECIPE}`, {PROBLEMS} problems of the test split, the same for each seed. Mean and standard "
        "deviation are over seeds; intervals are Wilson's at 95 %, over problems within a seed. The paper's "
        "are ProsQA's, on GPT-2."
    )
    head = ["method", "paper (tokens)", "here", "seed by seed", "without its thoughts", "tokens", "verdicts"]
    table = markdown_table(head, [_row(row, seeds) for row in rows], left=head)
    return f"{about}\n\n{table}\n{_comparison(rows, seeds)}"


def _row(row: str, seeds: Sequence[int]) -> list[str]:
    paper, paper_tokens = PAPER[row]
    records = _records(row, seeds, "free")
    tokens = sum(each["mean_answer_tokens"] for each in records.values()) / max(1, len(records))
    verdicts = [each["verdict"]["usage"] for each in _records(row, seeds, "controls").values()]
    return [
        f"`{row}`",
        f"{paper} % ({paper_tokens})",
        _over_seeds(records) or "not run yet",
        _within_seeds(records) or "–",
        _over_seeds(_records(row, seeds, "no-thoughts")) or "–",
        f"{tokens:.1f}" if records else "–",
        ", ".join(f"{verdicts.count(usage)} × {usage}" for usage in dict.fromkeys(verdicts)) or "–",
    ]


def _records(row: str, seeds: Sequence[int], name: str) -> dict[int, dict[str, Any]]:
    """What was said of a row, by seed, as far as it has been run."""
    records = {seed: evaluation(Part(row, seed), name) for seed in seeds}
    return {seed: record for seed, record in records.items() if record is not None}


def _over_seeds(records: Mapping[int, dict[str, Any]]) -> str:
    if not records:
        return ""
    return describe_spread(Spread(tuple(100 * each["accuracy"] for each in records.values())))


def describe_spread(spread: Spread) -> str:
    """Per cent over seeds: mean, standard deviation, and from the worst to the best."""
    low, high = spread.range
    if spread.deviation is None:
        return f"**{spread.mean:.1f} %** (one seed)"
    count = len(spread.values)
    return f"**{spread.mean:.1f} %** ± {spread.deviation:.1f} ({low:.1f} to {high:.1f}, {count} seeds)"


def _within_seeds(records: Mapping[int, dict[str, Any]]) -> str:
    return "; ".join(describe_share(Share(each["right"], each["n"])) for each in records.values())


def describe_share(share: Share) -> str:
    """Per cent of one seed's answers, with the interval over its problems."""
    low, high = share.interval
    return f"{100 * share.accuracy:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _comparison(rows: Sequence[str], seeds: Sequence[int]) -> str:
    """Paired tests of each method against `coconut` on the same problems, seed by seed; no seeds are pooled."""
    reference = _records(REFERENCE_ROW, seeds, "free")
    pairs = [
        (row, seed, paired(reference[seed]["right_by_problem"], record["right_by_problem"]))
        for row in rows
        if row != REFERENCE_ROW
        for seed, record in _records(row, seeds, "free").items()
        if "right_by_problem" in record and "right_by_problem" in reference.get(seed, {})
    ]
    if not pairs:
        return ""
    p_values = adjusted([each.p_value for _, _, each in pairs])
    head = ["method", "seed", f"points behind `{REFERENCE_ROW}` of that seed (95 %)", "p"]
    cells = [
        [f"`{row}`", str(seed), _points(each), f"{p_value:.2g}"]
        for (row, seed, each), p_value in zip(pairs, p_values, strict=True)
    ]
    about = (
        f"Each method against `{REFERENCE_ROW}` with the same seed on the same problems: McNemar's exact test, "
        f"with Holm's correction over these {len(pairs)} rows."
    )
    return f"\n{about}\n\n{markdown_table(head, cells, left=head[:2])}\n"


def _points(pairs: Pairs) -> str:
    low, high = pairs.interval
    return f"{100 * pairs.drop:.1f} ({100 * low:.1f} to {100 * high:.1f})"


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
        records = list(_records(row, seeds, "free").values())
        if records:
            lines.append(line_over_seeds(row, [each["hops"] for each in records]))
    if lines:
        target = FIGURES / "results-hops.svg"
        title = "accuracy by number of hops: mean over seeds, from the worst to the best"
        draw_lines(lines, title, "hops", "per cent right", y_range=(0, 100)).save_svg(target)
        told += f"\n![accuracy against number of hops](images/{target.name})\n"
    return told


def line_over_seeds(label: str, hops_of_seeds: Sequence[Mapping[str, Mapping[str, Any]]]) -> Line:
    """Accuracy in per cent by number of hops: the mean over seeds, its band from the worst to the best."""
    spreads = {
        number: Spread(tuple(100 * each[number]["right"] / each[number]["n"] for each in hops_of_seeds))
        for number in hops_of_seeds[0]
    }
    return Line(
        label,
        x=[int(number) for number in spreads],
        y=[spread.mean for spread in spreads.values()],
        low=[spread.range[0] for spread in spreads.values()],
        high=[spread.range[1] for spread in spreads.values()],
    )
