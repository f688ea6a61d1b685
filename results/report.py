"""The part of docs/RESULTS.md that `make results` writes, from what the runs left on disk."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from coconut_core.analysis.graphs import CLASSES
from coconut_core.analysis.inner_products import LEAD, PUBLISHED, PUBLISHED_STEP
from coconut_core.common.markdown import markdown_table
from coconut_core.evaluation.significance import Pairs, Share, Spread, adjusted, paired
from results.figures import write_figures
from results.runs import LABELS, RECIPE, Plan, Row, SeedRun, seeds_on_disk

REFERENCE = Row("coconut", "last")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
COCONUTS = [Row("coconut", labels) for labels in LABELS]

ABOUT_LABELS = (
    "Labels: `last`, no thought is labelled, and the state in front of `<eot>` is asked for the next step; "
    "`no`, the paper's own objective, only what is said is asked; `frontier`, each thought is asked for the "
    "frontier that it stands for. There is no row where labels change nothing, and `frontier` only where there "
    "are thoughts."
)

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
}


def write_report(plan: Plan, command: str) -> None:
    """Put tables and figures of all runs between the marks of the page, which is made where there is none."""
    seeds = seeds_on_disk(plan)
    page = plan.page.read_text(encoding="utf-8") if plan.page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    sections = [
        _about(plan, seeds, command),
        _table(plan, seeds) if any(_records(plan, row, seeds, "free") for row in plan.rows) else "",
        _comparison(plan, seeds),
        _inner_products(plan, seeds),
        *write_figures(plan, seeds),
    ]
    text = "\n\n".join(filter(None, sections))
    plan.page.parent.mkdir(parents=True, exist_ok=True)
    plan.page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _about(plan: Plan, seeds: Sequence[int], command: str) -> str:
    runs = [SeedRun(plan, row, seed) for row in plan.rows for seed in seeds]
    origins = [origin for run in runs if (origin := run.output("made"))]
    days = sorted({origin["date"] for origin in origins})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else ""
    machines = "; ".join(dict.fromkeys(origin["machine"] for origin in origins))
    training = f"trained and measured {when} on {machines}" if origins else "no row has been trained yet"
    changes = "".join(f", `{setting}`" for setting in plan.settings)
    return (
        f"`{command}`, written on {date.today().isoformat()}; {training}.\n\n"
        f"Recipe `{RECIPE}`{changes}, {plan.problems} problems of the test split, the same for each seed. "
        f"{ABOUT_LABELS} Mean and standard deviation are over seeds; intervals are Wilson's at 95 %, over "
        "problems within a seed. The paper's are ProsQA's, on GPT-2."
    )


def _table(plan: Plan, seeds: Sequence[int]) -> str:
    head = [
        *("labels", "method", "paper (tokens)", "here", "seed by seed", "without its thoughts", "tokens"),
        "verdict by seed",
    ]
    return markdown_table(head, [_row(plan, row, seeds) for row in plan.rows], left=head)


def _row(plan: Plan, row: Row, seeds: Sequence[int]) -> list[str]:
    paper, paper_tokens = PAPER[row.method]
    records = _records(plan, row, seeds, "free")
    tokens = sum(record["mean_answer_tokens"] for record in records.values()) / max(1, len(records))
    verdicts = [record["verdict"]["usage"] for record in _records(plan, row, seeds, "controls").values()]
    return [
        f"`{row.labels}`",
        f"`{row.method}`",
        f"{paper} % ({paper_tokens})",
        _over_seeds(records) or "not run yet",
        _within_seeds(records) or "–",
        _over_seeds(_records(plan, row, seeds, "no-thoughts")) or "–",
        f"{tokens:.1f}" if records else "–",
        "; ".join(verdicts) or "–",
    ]


def _records(plan: Plan, row: Row, seeds: Sequence[int], name: str) -> dict[int, dict[str, Any]]:
    """What a command printed of a row, by seed, as far as it has been run."""
    records = {seed: SeedRun(plan, row, seed).output(name) for seed in seeds}
    return {seed: record for seed, record in records.items() if record is not None}


def _over_seeds(records: Mapping[int, dict[str, Any]]) -> str:
    if not records:
        return ""
    return describe_spread(Spread(tuple(100 * record["accuracy"] for record in records.values())))


def describe_spread(spread: Spread) -> str:
    """Per cent over seeds: mean, standard deviation, and from the worst to the best."""
    low, high = spread.range
    if spread.deviation is None:
        return f"**{spread.mean:.1f} %** (one seed)"
    count = len(spread.values)
    return f"**{spread.mean:.1f} %** ± {spread.deviation:.1f} ({low:.1f} to {high:.1f}, {count} seeds)"


def _within_seeds(records: Mapping[int, dict[str, Any]]) -> str:
    return "; ".join(describe_share(Share(record["right"], record["n"])) for record in records.values())


def describe_share(share: Share) -> str:
    """Per cent of one seed's answers, with the interval over its problems."""
    low, high = share.interval
    return f"{100 * share.accuracy:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _comparison(plan: Plan, seeds: Sequence[int]) -> str:
    """Paired tests of each row against REFERENCE on the same problems, seed by seed; no seeds are pooled."""
    reference = _records(plan, REFERENCE, seeds, "free")
    pairs = [
        (row, seed, paired(reference[seed]["right_by_problem"], record["right_by_problem"]))
        for row in plan.rows
        if row != REFERENCE
        for seed, record in _records(plan, row, seeds, "free").items()
        if seed in reference
    ]
    if not pairs:
        return ""
    p_values = adjusted([pair.p_value for _, _, pair in pairs])
    name = f"`{REFERENCE.method}` with labels `{REFERENCE.labels}`"
    head = ["labels", "method", "seed", "points behind (95 %)", "p"]
    cells = [
        [f"`{row.labels}`", f"`{row.method}`", str(seed), _points(pair), f"{p_value:.2g}"]
        for (row, seed, pair), p_value in zip(pairs, p_values, strict=True)
    ]
    return (
        f"Each row against {name} of the same seed on the same problems: McNemar's exact test, with Holm's "
        f"correction over these {len(pairs)} rows.\n\n{markdown_table(head, cells, left=head[:3])}"
    )


def _points(pairs: Pairs) -> str:
    low, high = pairs.interval
    return f"{100 * pairs.drop:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _inner_products(plan: Plan, seeds: Sequence[int]) -> str:
    """Inner products by class and thought: mean over seeds, the control in brackets, beside the published."""
    cells = [
        [f"`{row.labels}`", *cell]
        for row in COCONUTS
        for cell in _products_of(list(_records(plan, row, seeds, "analysis/analysis").values()))
    ]
    if not cells:
        return ""
    lead = PUBLISHED["optimal"] - PUBLISHED["frontier"]
    published = [*(f"*{PUBLISHED[name]:.1f}*" for name in CLASSES), f"*{lead:.1f}*"]
    cells.append(["*published*", "", f"*{PUBLISHED_STEP}*", "", *published])
    head = ["labels", "thought", "hops", "seeds", *CLASSES, LEAD]
    about = (
        "Inner products of the thoughts of `coconut` with the embeddings of nodes, by class: mean over seeds; "
        "in brackets the same with the graph's names dealt out anew. Published: arXiv 2505.12514. Only "
        "differences within a row mean something."
    )
    return f"{about}\n\n{markdown_table(head, cells, left=head[:1])}"


def _products_of(records: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A line for each thought of which every seed says something."""
    of_seeds = [
        {reading["thought"]: reading for reading in record["readings"]["inner-products"]["thoughts"]}
        for record in records
    ]
    lines = []
    for thought in of_seeds[0] if of_seeds else ():
        readings = [of_seed[thought] for of_seed in of_seeds if thought in of_seed]
        values = [
            f"{_mean(readings, 'mean', name):.2f} ({_mean(readings, 'control', name):.2f})"
            for name in (*CLASSES, LEAD)
        ]
        lines.append([str(thought), str(readings[0]["hops"]), str(len(readings)), *values])
    return lines


def _mean(readings: Sequence[Mapping[str, Any]], kind: str, name: str) -> float:
    return Spread(tuple(reading[kind][name]["mean"] for reading in readings)).mean
