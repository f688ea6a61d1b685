"""Many runs in a few figures: right by hops, what each thought holds by hops, how many use their thoughts."""

from dataclasses import asdict, dataclass
from typing import Any

from coconut_core.atlas.query import Table
from coconut_core.evaluation.significance import Share

MOST_TOKENS = 5  # of each thought


@dataclass(frozen=True)
class Heat:
    """The mean of one column at each thought, by a number of hops."""

    column: str
    rows: tuple[int | None, ...]  # hops
    means: tuple[tuple[float | None, ...], ...]  # (hops, thoughts); None where there is no run
    counts: tuple[tuple[int, ...], ...]  # runs behind each mean


@dataclass(frozen=True)
class Summary:
    """What is told of the runs that fit a filter. Shares are None where nothing is known of any run."""

    count: int
    right: Share | None
    by_hops: dict[int | None, Share]
    used: Share | None
    heat: Heat  # by the problem's hops: the mean share on the frontier, without graphs the mean entropy
    search: Heat | None  # by hops from the root: the mean share on the nodes there; None without graphs
    tokens: tuple[tuple[tuple[str, int], ...], ...]  # of each thought the commonest likeliest tokens, with runs

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, with 95 % intervals."""
        return {
            "n": self.count,
            "right": _share(self.right),
            "by_hops": {str(hops): _share(share) for hops, share in self.by_hops.items()},
            "used": _share(self.used),
            "heat": asdict(self.heat),
            "search": None if self.search is None else asdict(self.search),
            "tokens": [[{"token": token, "runs": runs} for token, runs in row] for row in self.tokens],
        }


def summarise(table: Table, where: str = "") -> Summary:
    """Figures over the runs that fit a filter. Raises FilterError."""
    count, right, judged, used, tested = table.ask(
        'SELECT count(*), count(*) FILTER ("right"), count("right"), count(*) FILTER (used), count(used)', where
    )[0]
    by_hops = table.ask(
        'SELECT hops, count(*) FILTER ("right"), count("right")', where, "GROUP BY hops ORDER BY hops"
    )
    return Summary(
        count,
        Share(right, judged) if judged else None,
        {hops: Share(some, known) for hops, some, known in by_hops if known},
        Share(used, tested) if tested else None,
        _heat(table, where, "frontier" if table.manifest.graphs else "entropy"),
        _search(table, where) if table.manifest.graphs else None,
        _tokens(table, where),
    )


def _heat(table: Table, where: str, column: str) -> Heat:
    places = table.manifest.most_thoughts
    means = "".join(f", avg({column}[{place}]), count({column}[{place}])" for place in range(1, places + 1))
    found = table.ask(f"SELECT hops{means}", where, "GROUP BY hops ORDER BY hops")
    return Heat(
        column,
        tuple(row[0] for row in found),
        tuple(tuple(row[1::2]) for row in found),
        tuple(tuple(row[2::2]) for row in found),
    )


def _search(table: Table, where: str) -> Heat:
    thoughts = table.manifest.most_thoughts
    depth = table.ask("SELECT coalesce(max(len(distances[1])), 0)", where)[0][0]
    cells = [f"distances[{place}][{hops + 1}]" for hops in range(depth) for place in range(1, thoughts + 1)]
    if not cells:
        return Heat("distances", (), (), ())
    figures = table.ask(f"SELECT {', '.join(f'avg({cell}), count({cell})' for cell in cells)}", where)[0]
    by_hops = [figures[2 * thoughts * hops : 2 * thoughts * (hops + 1)] for hops in range(depth)]
    return Heat(
        "distances",
        tuple(range(depth)),
        tuple(tuple(row[::2]) for row in by_hops),
        tuple(tuple(row[1::2]) for row in by_hops),
    )


def _tokens(table: Table, where: str) -> tuple[tuple[tuple[str, int], ...], ...]:
    return tuple(
        tuple(
            (token, runs)
            for token, runs in table.ask(
                f"SELECT token[{place}] AS likeliest, count(*) AS runs",
                where,
                "GROUP BY likeliest HAVING likeliest IS NOT NULL "
                f"ORDER BY runs DESC, likeliest LIMIT {MOST_TOKENS}",
            )
        )
        for place in range(1, table.manifest.most_thoughts + 1)
    )


def _share(share: Share | None) -> dict[str, Any] | None:
    if share is None:
        return None
    return {"n": share.count, "yes": share.right, "share": share.accuracy, "interval_95": list(share.interval)}
