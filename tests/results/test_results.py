"""The comparison's plan: which runs there are."""

import json
from pathlib import Path

import pytest

from coconut_core.significance import Spread
from coconut_core.training.curriculum import METHODS
from coconut_core.training.recipe import Recipe, load_recipe
from results import report, runs
from results.report import PAPER, describe_spread, line_over_seeds
from results.runs import RECIPE, ROWS, SEEDS, Part, parts


def recipe_of(part: Part) -> Recipe:
    return load_recipe(RECIPE, part.settings)


def test_every_method_has_its_row_its_three_runs_and_the_papers_figure() -> None:
    assert set(METHODS) < set(ROWS) == set(PAPER)
    planned = {part.folder for part in parts(ROWS, SEEDS)}
    assert planned == {Part(row, seed).folder for row in ROWS for seed in SEEDS}
    assert len(planned) == 3 * len(ROWS)


def test_only_thoughts_are_labelled_and_the_papers_own_way_is_a_row_too() -> None:
    labelled = {row for row in ROWS if recipe_of(Part(row, 1)).label_thoughts == "frontier"}
    assert labelled == {"coconut", "coconut-no-curriculum", "coconut-pause", "pause"}


def test_seeds_are_no_more_problems() -> None:
    """Three seeds at 94.2, 66.4 and 96.4 per cent of the same 500 problems are no 1,500 answers."""
    spread = Spread((94.2, 66.4, 96.4))
    assert describe_spread(spread) == "**85.7 %** ± 16.7 (66.4 to 96.4, 3 seeds)"
    assert Spread((94.2,)).deviation is None
    line = line_over_seeds("coconut", [{"2": {"right": 9, "n": 10}}, {"2": {"right": 5, "n": 10}}])
    assert (line.y, line.low, line.high) == ([70.0], [50.0], [90.0])


def test_methods_are_compared_on_the_same_problems_seed_by_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    monkeypatch.setattr(report, "FIGURES", tmp_path)
    right = {("coconut", 1): [True] * 10, ("coconut", 2): [True] * 10, ("no-cot", 1): [False] * 9 + [True]}
    for (row, seed), each in right.items():
        folder = Part(row, seed).folder
        folder.mkdir()
        record = {"n": 10, "right": sum(each), "accuracy": sum(each) / 10, "right_by_problem": each}
        record |= {"mean_answer_tokens": 5.0, "hops": {"2": {"n": 10, "right": sum(each)}}}
        (folder / "free.json").write_text(json.dumps(record), encoding="utf-8")
    page = tmp_path / "RESULTS.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(report, "PAGE", page)
    report.write_report(ROWS, SEEDS)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| `no-cot` | 76.7 % (8.2) | **10.0 %** (one seed) | 10.0 (1.8–40.4) |" in text
    assert "| `no-cot` | 1 | 90.0 (" in text
    assert "| 0.0039 |" in text, "McNemar's: 2 / 2 ** 9, the only row to correct for"
    assert "n=20" not in text
