"""The comparison: which runs there are, what is done again, and what the page says of them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.significance import Spread
from coconut_core.problems import generate_problems
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.training.encoding import Encoder
from coconut_core.training.methods.table import PAPER_METHODS as METHODS
from coconut_core.training.recipe import load_recipe
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model
from results import runs
from results.__main__ import results
from results.figures import frontier_shares, line_over_seeds
from results.report import BEGIN, END, PAPER, describe_spread, write_report
from results.runs import BASE_RECIPE, LABELS, SEEDS, Plan, Row, SeedRun, do_all, seed_runs, seeds_on_disk
from tests.abuse.warm import Warm

PLAN = Plan()
TINY = ("batch_size=4", "data.problems=50", "evaluation_problems=4", "precision=no", "optimizer.warmup_steps=2")
TINY_ROWS = (*TINY, "curriculum.first=2", "curriculum.per_stage=2", "curriculum.total=8", "evaluate_every=2")
TINY_BASE = (
    *(*TINY, "curriculum.lookup=2", "curriculum.total=4"),
    *("model.hidden_size=16", "model.intermediate_size=16"),
)


def asked(row: Row) -> list[list[Any]]:
    """All labels of a row's sequences at all of its stages, for a few problems of the recipe's size."""
    recipe, base = PLAN.recipe(row), build_model(load_recipe(BASE_RECIPE, list(TINY_BASE)))
    encoder = Encoder(base.tokenizer, base.config, recipe.step_style, recipe.label_thoughts)
    size = ProsqaSize(nodes=recipe.data.nodes, hops=recipe.data.hops)
    problems = [encoder.tokenize(problem) for problem in generate_problems("prosqa", 3, 1, size=size)]
    return [encoder.encode(problem, stage).labels for stage in recipe.stages for problem in problems]


def test_every_method_has_its_unlabelled_row_and_others_where_labels_change_something() -> None:
    assert set(METHODS) == set(PAPER)
    assert [row.method for row in PLAN.rows if row.labels == "last"] == list(METHODS)
    assert LABELS[0] == "last"
    other = {labels: {row.method for row in PLAN.rows if row.labels == labels} for labels in LABELS[1:]}
    assert other["no"] == {each for each in METHODS if asked(Row(each, "no")) != asked(Row(each, "last"))}
    assert other["frontier"] == {each for each in METHODS if PLAN.thinks(Row(each, "frontier"))}
    for method in other["frontier"]:
        assert asked(Row(method, "frontier")) not in (asked(Row(method, "last")), asked(Row(method, "no")))
    assert len(other["no"]) == 5


def test_whole_seeds_come_first_and_the_unlabelled_model_before_all() -> None:
    planned = seed_runs(PLAN, PLAN.rows, SEEDS)
    assert [part.seed for part in planned] == sorted(part.seed for part in planned)
    assert planned[0].row == Row("coconut", "last")
    assert len({part.folder for part in planned}) == len(planned) == 3 * len(PLAN.rows)


def test_all_rows_start_from_one_base_and_have_one_budget() -> None:
    recipes = [PLAN.recipe(row, 2) for row in PLAN.rows]
    assert {recipe.model.base for recipe in recipes} == {"runs/results/base/checkpoint"}
    assert {sum(stage.length for stage in recipe.stages) for recipe in recipes} == {3700}
    assert {recipe.seed for recipe in recipes} == {2}
    assert load_recipe("small").label_thoughts == load_recipe(BASE_RECIPE).label_thoughts == "last"


def test_seeds_are_no_more_problems() -> None:
    """Three seeds at 94.2, 66.4 and 96.4 per cent of the same 500 problems are no 1,500 answers."""
    spread = Spread((94.2, 66.4, 96.4))
    assert describe_spread(spread) == "**85.7 %** ± 16.7 (66.4 to 96.4, 3 seeds)"
    assert Spread((94.2,)).deviation is None
    line = line_over_seeds("coconut", [{2: 90.0, 3: 10.0}, {2: 50.0}])
    assert (line.x, line.y) == ([2, 3], [70.0, 10.0])
    assert (line.low, line.high) == ((50.0, 10.0), (90.0, 10.0))


def test_the_frontier_of_each_thought_is_read_off_the_log() -> None:
    def row(step: int, **frontier: dict[str, float]) -> dict[str, Any]:
        shares = {name.removeprefix("thought"): each for name, each in frontier.items()}
        return {"step": step, "evaluation": {"diagnosis": {"frontier": shares}}}

    first, second = {"share": 0.5, "chance": 0.2}, {"share": 0.9, "chance": 0.4}
    rows = [{"step": 5, "loss": 1.0}, row(10, thought1=first), row(20, thought1=first, thought2=second)]
    lines = frontier_shares(rows)
    assert lines["thought 1"] == {10: 0.5, 20: 0.5}
    assert lines["thought 2"] == {20: 0.9}
    assert lines["by chance"] == pytest.approx({10: 0.2, 20: 0.3})


def made(plan: Plan, row: Row, seed: int, right: list[bool]) -> Path:
    """A part as if it had been run, with these answers right."""
    folder = SeedRun(plan, row, seed).folder
    folder.mkdir(parents=True)
    record = {"n": 10, "right": sum(right), "accuracy": sum(right) / 10, "right_by_problem": right}
    record |= {"mean_answer_tokens": 5.0, "hops": {"3": {"n": 10, "right": sum(right)}}}
    for name in ("free", "by-hops"):
        (folder / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "made.json").write_text(json.dumps({"date": f"2027-01-{seed:02}", "machine": "an abacus"}))
    return folder


def plan_in(folder: Path) -> Plan:
    return Plan(folder / "runs", folder / "RESULTS.md", folder / "images", problems=10)


def test_rows_are_compared_on_the_same_problems_seed_by_seed(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    for row, seed, right in (
        (Row("coconut", "last"), 1, [True] * 10),
        (Row("coconut", "last"), 2, [True] * 10),
        (Row("no-cot", "last"), 1, [False] * 9 + [True]),
    ):
        made(plan, row, seed, right)
    plan.page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_report(plan, "make results")
    text = plan.page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n`make results`, written on ")
    assert text.endswith("after\n")
    assert "old" not in text.split("\n")
    assert "trained and measured 2027-01-01 to 2027-01-02 on an abacus.\n" in text
    assert "| `last` | `no-cot` | 76.7 % (8.2) | **10.0 %** (one seed) | 10.0 (1.8–40.4) |" in text
    assert "| `last` | `no-cot` | 1 | 90.0 (" in text
    assert "| 0.0039 |" in text, "McNemar's: 2 / 2 ** 9, the only row to correct for"
    assert "(images/results-hops.svg)" in text
    assert (tmp_path / "images" / "results-hops.svg").is_file()
    assert "results-thoughts" not in text  # nothing was swept
    rows = [line for line in text.splitlines() if line.startswith("| `") and "%" in line]
    assert [line.split("`")[1] for line in rows] == [row.labels for row in plan.rows]


def test_the_page_has_all_seeds_that_were_run_whatever_was_run_last(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    for seed in (1, 2, 3, 12, -5):
        made(plan, Row("coconut-pause", "last"), seed, [True] * 10)
    made(plan, Row("coconut", "last"), 2, [True] * 10)
    (plan.folder / "coconut-last-old").mkdir()
    (plan.folder / "coconut-last-old" / "free.json").write_text("{}")
    assert seeds_on_disk(plan) == [-5, 1, 2, 3, 12]
    write_report(plan, "make results")
    assert "(100.0 to 100.0, 5 seeds)" in plan.page.read_text(encoding="utf-8")


def test_a_page_without_runs_says_so(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    write_report(plan, "make results")
    text = plan.page.read_text(encoding="utf-8")
    assert "; no row has been trained yet.\n" in text
    assert "|" not in text


def test_verdicts_and_inner_products_stand_seed_by_seed_beside_the_published(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    for seed, usage, lead in ((1, "USED", 1.0), (2, "NOT USED", 2.0)):
        folder = made(plan, Row("coconut", "last"), seed, [True] * 10)
        (folder / "controls.json").write_text(json.dumps({"verdict": {"usage": usage}}))
        names = ("not reachable", "reachable", "frontier", "optimal", "optimal less frontier")
        thought = {"thought": "1", "hops": 1, "control": {name: {"mean": 0.0} for name in names}}
        thought["mean"] = {name: {"mean": lead} for name in names}
        (folder / "analysis").mkdir()
        record = {"readings": {"inner-products": {"thoughts": [thought]}}}
        (folder / "analysis" / "analysis.json").write_text(json.dumps(record))
    write_report(plan, "make results")
    text = plan.page.read_text(encoding="utf-8")
    assert "| USED; NOT USED |" in text
    mean = " | ".join(["1.50 (0.00)"] * 5)
    assert f"| `last` | 1 | 1 | 2 | {mean} |\n| *published* |  | *1* |  | *-0.3* |" in text


def test_a_run_of_another_recipe_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    RunFolder(plan.base).create()
    RunFolder(plan.base).write_recipe(load_recipe(BASE_RECIPE, ["label_thoughts=no"]).to_json())
    with pytest.raises(CoconutError, match="base is of another recipe than this: remove it"):
        do_all(plan, [], 1)


def test_what_would_change_the_figures_of_the_page_needs_a_folder_of_its_own() -> None:
    for options in ({"settings": ["seed=3"]}, {"base_settings": ["seed=3"]}, {"problems": 20}):
        with pytest.raises(CoconutError, match="name a folder for them"):
            results(report_only=True, **({"problems": 500} | options))
    with pytest.raises(CoconutError, match="unknown row 'coconut:path': known are coconut:last, cot:last"):
        results(rows=["coconut:path"], problems=500)


def test_a_command_that_fails_is_one_line() -> None:
    with pytest.raises(CoconutError, match=r"^coconut train no-such failed: error: no recipe 'no-such'.*$"):
        runs._coconut("train", "no-such")


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same commands, without the seconds of starting each."""
    process = Warm()

    def run(*arguments: object) -> str:
        done = process.run("coconut", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    monkeypatch.setattr(runs, "_coconut", run)
    yield
    process.close()


@pytest.mark.usefixtures("warm")
def test_from_nothing_to_the_page_and_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    plan = replace(plan_in(tmp_path), settings=TINY_ROWS, base_settings=TINY_BASE)
    part = SeedRun(plan, Row("coconut", "last"), 1)
    do_all(plan, [part], 1)
    assert part.output("free")["n"] == 10
    assert set(part.output("by-hops")["hops"]) == {"2", "3", "4"}
    assert [each["thoughts"] for each in part.output("sweep")["sweep"]] == [0, 1, 2, 3, 4]
    written = {path: path.stat().st_mtime_ns for path in plan.folder.rglob("*") if path.is_file()}
    do_all(plan, [part], 1)
    assert {path: path.stat().st_mtime_ns for path in plan.folder.rglob("*") if path.is_file()} == written
    write_report(plan, "make results")
    text = plan.page.read_text(encoding="utf-8")
    assert "`evaluate_every=2`, 10 problems" in text
    assert "| `last` | 3 | 3 | 1 |" in text, "the inner products of the third thought"
    for name in ("hops", "thoughts", "interpolation", "frontier"):
        assert f"(images/results-{name}.svg)" in text
        assert (plan.figures / f"results-{name}.svg").read_text().startswith("<?xml")
