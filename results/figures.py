"""The figures of the comparison, from what the runs left on disk: means over seeds, worst to best as bands."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from coconut_core.common.plots import Figure, Line, draw_lines, side_by_side
from coconut_core.evaluation.significance import Spread
from coconut_core.training.metrics import FILE_NAME, read_metrics
from results.runs import LABELS, Plan, Row, SeedRun

BAND = "mean over seeds, from the worst to the best"
CHANCE = "by chance"
BY_HOPS = (*(Row("coconut", labels) for labels in LABELS), Row("cot", "last"), Row("no-cot", "last"))


def write_figures(plan: Plan, seeds: Sequence[int]) -> list[str]:
    """Write all figures that there are runs for; what shows them on the page."""
    hops = plan.recipe(Row("coconut", "last")).data.hops
    trained = f"{hops[0]}" if hops[0] == hops[1] else f"{hops[0]} to {hops[1]}"
    return [
        _saved(plan, "results-hops", _by_hops(plan, seeds, trained), "accuracy against number of hops"),
        _saved(plan, "results-thoughts", _by_thoughts(plan, seeds), "accuracy against number of thoughts"),
        _interpolation(plan, seeds),
        _saved(plan, "results-frontier", _frontiers(plan, seeds), "share of the frontier in each thought"),
    ]


def _saved(plan: Plan, name: str, figure: Figure | None, text: str) -> str:
    if figure is None:
        return ""
    plan.figures.mkdir(parents=True, exist_ok=True)
    figure.save_svg(plan.figures / f"{name}.svg")
    return f"![{text}]({_link(plan, name)})"


def _link(plan: Plan, name: str) -> str:
    return f"{plan.figures.relative_to(plan.page.parent).as_posix()}/{name}.svg"


def line_over_seeds(label: str, seeds: Sequence[Mapping[int, float]]) -> Line:
    """The mean over seeds at each x, its band from the lowest to the highest."""
    places = sorted({x for points in seeds for x in points})
    spreads = [Spread(tuple(points[x] for points in seeds if x in points)) for x in places]
    low, high = zip(*(spread.range for spread in spreads), strict=True)
    return Line(label, places, [spread.mean for spread in spreads], low, high)


def _by_hops(plan: Plan, seeds: Sequence[int], trained: str) -> Figure | None:
    lines = []
    for row in BY_HOPS:
        records = _outputs(plan, row, seeds, "by-hops")
        points = [
            {int(hops): 100 * share["right"] / share["n"] for hops, share in record["hops"].items()}
            for record in records
        ]
        if points:
            lines.append(line_over_seeds(row.name, points))
    title = f"trained on {trained} hops: {BAND}"
    return draw_lines(lines, title, "hops", "per cent right", y_range=(0, 100)) if lines else None


def _by_thoughts(plan: Plan, seeds: Sequence[int]) -> Figure | None:
    lines = []
    for labels in LABELS:
        points = [
            {result["thoughts"]: 100 * result["accuracy"] for result in record["sweep"]}
            for record in _outputs(plan, Row("coconut", labels), seeds, "sweep")
        ]
        if points:
            lines.append(line_over_seeds(f"coconut:{labels}", points))
    return draw_lines(lines, BAND, "thoughts", "per cent right", y_range=(0, 100)) if lines else None


def _interpolation(plan: Plan, seeds: Sequence[int]) -> str:
    """k thoughts, then words, as coconut eval drew it of the first seed that there is."""
    for seed in seeds:
        plot = SeedRun(plan, Row("coconut", "last"), seed).folder / "sweep.svg"
        if plot.exists():
            plan.figures.mkdir(parents=True, exist_ok=True)
            (plan.figures / "results-interpolation.svg").write_bytes(plot.read_bytes())
            return f"![k thoughts, then words; seed {seed}]({_link(plan, 'results-interpolation')})"
    return ""


def _frontiers(plan: Plan, seeds: Sequence[int]) -> Figure | None:
    """A panel for each kind of labels: what each thought holds of its frontier as training goes on."""
    panels = []
    for labels in LABELS:
        row = Row("coconut", labels)
        logs = [SeedRun(plan, row, seed).folder / FILE_NAME for seed in seeds]
        runs = [frontier_shares(read_metrics(log)) for log in logs if log.exists()]
        names = sorted({name for run in runs for name in run}, key=lambda name: (name == CHANCE, name))
        lines = [line_over_seeds(name, [run[name] for run in runs if name in run]) for name in names]
        if lines:
            stages = plan.recipe(row).stages
            starts = accumulate((stage.length for stage in stages[:-1]), initial=0)
            marks = [(start, stage.name) for start, stage in zip(starts, stages, strict=True)]
            title = f"coconut:{labels}: {BAND}"
            panels.append(draw_lines(lines, title, "step", "probability on the frontier", marks, (0, 1)))
    return side_by_side(panels) if panels else None


def frontier_shares(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    """Of a run's log, by thought and step, the probability on the frontier; and by step what chance gives, the
    mean over thoughts."""
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        frontier = row.get("evaluation", {}).get("diagnosis", {}).get("frontier", {})
        for thought, numbers in frontier.items():
            if "share" in numbers:
                lines.setdefault(f"thought {thought}", {})[row["step"]] = numbers["share"]
        if chances := [numbers["chance"] for numbers in frontier.values() if "chance" in numbers]:
            lines.setdefault(CHANCE, {})[row["step"]] = sum(chances) / len(chances)
    return lines


def _outputs(plan: Plan, row: Row, seeds: Sequence[int], name: str) -> list[Any]:
    return [output for seed in seeds if (output := SeedRun(plan, row, seed).output(name)) is not None]
