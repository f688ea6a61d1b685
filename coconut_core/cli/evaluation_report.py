"""What `coconut eval` prints of its results: lines, tables, JSON and the figure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coconut_core.common.markdown import markdown_table
from coconut_core.terminal.guard import say
from coconut_core.terminal.options import Printing

if TYPE_CHECKING:
    from coconut_core.coconut import CoconutModel
    from coconut_core.common.plots import Figure
    from coconut_core.evaluation.evaluate import Evaluation
    from coconut_core.evaluation.significance import Share

Table = list[list[str]]  # the first row is the head


@dataclass(frozen=True)
class EvaluationReport:
    """The evaluations, by number of thoughts, and what was asked for."""

    results: "Mapping[int, Evaluation]"
    is_sweep: bool
    in_words: bool
    official: bool
    thinking: str

    def print(self, model: "CoconutModel", data: Path, printing: Printing) -> None:
        """Print the results on stdout."""
        from coconut_core.records.untrained import untrained_label

        trained = model.config.trained
        if printing.as_json:
            about = {"model": model.name, "data": str(data), "trained": trained}
            say(json.dumps(about | self._to_json()))
            return
        if printing.markdown:
            tables = _tables(self.results, self.in_words)
            say("\n\n".join(markdown_table(head, rows) for head, *rows in tables))
        elif self.is_sweep:
            say("\n\n".join(map(_as_columns, _tables(self.results, self.in_words))))
        else:
            self._print_one()
        if not trained:
            say(f"\n{model.name}: {untrained_label(model.config.feedback, max(self.results))}")

    def figure(self, title: str) -> "Figure":
        """Accuracy by thoughts for several numbers of them, else by hops."""
        from coconut_core.evaluation.evaluate import figure_by_hops, figure_by_thoughts

        if self.is_sweep:
            return figure_by_thoughts(self.results, title)
        (number, result), *_ = self.results.items()
        return figure_by_hops(result, f"{title}, {number} thoughts")

    def _to_json(self) -> dict[str, Any]:
        records = [
            {"thoughts": number, "words_allowed": self.in_words, **result.to_json()}
            for number, result in self.results.items()
        ]
        official = {"official": True} if self.official else {}
        if self.is_sweep:
            return official | {"sweep": records}
        return official | {"thinking": self.thinking} | records[0]

    def _print_one(self) -> None:
        (result,) = self.results.values()
        how = (
            "official evaluation" if self.official else "then free words" if self.in_words else "thoughts only"
        )
        thoughts = sum(answer.thoughts for answer in result.answers) / result.count
        low, high = result.interval
        say(
            f"accuracy {100 * result.accuracy:.1f} %  "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f}, n={result.count}, {self.thinking}, {how})"
        )
        say(f"thoughts taken {thoughts:.1f}")
        for steps, share in result.shares_by_hops.items():
            say(f"{steps:>3} reasoning steps {_percent(share)} %, n={share.count}")
        if self.in_words and result.outcome_counts:
            say(", ".join(f"{outcome} {count}" for outcome, count in result.outcome_counts.items()))
        say(
            f"answer tokens {result.mean_tokens:.1f}  cut off {result.cut_off}  seconds {result.seconds:.1f}  "
            f"forward passes {result.work.passes}  positions {result.work.positions}"
        )


def _tables(results: "Mapping[int, Evaluation]", in_words: bool) -> list[Table]:
    """One row for each number of thoughts: what is right, then what was said and what that cost.

    Without words in between only two of the six classes can come up, and both are in the accuracy.
    """
    evaluations, thoughts = list(results.values()), [str(number) for number in results]
    accuracies = {
        "thoughts": thoughts,
        f"accuracy % (95 % interval), n={evaluations[0].count}": [
            _percent(result.share) for result in evaluations
        ],
    }
    for steps, share in evaluations[0].shares_by_hops.items():
        accuracies[f"{steps} steps, n={share.count}"] = [
            _percent(result.shares_by_hops[steps]) for result in evaluations
        ]
    answers = {"thoughts": thoughts}
    for outcome in evaluations[0].outcome_counts if in_words else ():
        answers[outcome.value] = [str(result.outcome_counts[outcome]) for result in evaluations]
    answers |= {
        "tokens": [f"{result.mean_tokens:.1f}" for result in evaluations],
        "cut off": [str(result.cut_off) for result in evaluations],
        "passes": [str(result.work.passes) for result in evaluations],
        "positions": [str(result.work.positions) for result in evaluations],
        "seconds": [f"{result.seconds:.1f}" for result in evaluations],
    }
    return [
        [list(columns), *map(list, zip(*columns.values(), strict=True))] for columns in (accuracies, answers)
    ]


def _percent(share: "Share") -> str:
    low, high = share.interval
    return f"{100 * share.accuracy:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _as_columns(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table
    )
