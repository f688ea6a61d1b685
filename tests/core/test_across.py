"""A run over its checkpoints: what is measured is what each checkpoint says by itself; when things begin."""

import csv
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from coconut_core.across.course import Measurement, Onset, Point, Swapped, ThoughtReading, onset
from coconut_core.across.over_run import Asked, OverRun
from coconut_core.across.questions import problem_asked, problems_of_run
from coconut_core.across.tables import csv_text, draw_course
from coconut_core.analysis.estimates import Estimate
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError, Interrupted
from coconut_core.evaluation.controls import run_controls
from coconut_core.evaluation.evaluate import evaluate
from coconut_core.evaluation.verdict import ControlResult
from coconut_core.runs.recording import trace_session
from coconut_core.training.run_folder import RunFolder
from tests.core.tiny_recipes import LITTLE_ROOM, go_on, run_logged, tiny_recipe, train

WORDS = 12
RECIPE = tiny_recipe(keep_every=3, evaluation_problems=6, model=LITTLE_ROOM)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of nine steps with what was kept at 0, 3, 6 and 9; its stages begin to think at 4."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    run_logged(RECIPE, folder)
    measured(OverRun(folder, asked(folder)))  # once; but for what a test damages, it is read
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def asked(run: Path, **options: object) -> Asked:
    return Asked(tuple(problems_of_run(run, 6)), max_new_tokens=WORDS, **options)  # type: ignore[arg-type]


def measured(over: OverRun) -> list[Point]:
    return list(over.points())


def test_each_point_is_what_the_checkpoint_says_by_itself(run: Path) -> None:
    what = asked(run)
    points = measured(OverRun(run, what))
    assert [point.step for point in points] == [0, 3, 6, 9]
    for point in points:
        model = CoconutModel.from_pretrained(RunFolder(run).kept_folder_of(point.step), device="cpu")
        assert point.measurement is not None
        alone = evaluate(model, what.problems, answer_only=False, max_new_tokens=WORDS)
        assert (point.measurement.right, point.measurement.count) == (alone.share.right, 6)
        assert len(point.measurement.thoughts) == model.config.thoughts
        if not model.config.thoughts:
            assert (point.measurement.controls, point.measurement.needs_thoughts) == ((), False)
            continue
        names = [result.name for result in point.measurement.controls]
        controls = run_controls(model, what.problems, names=names, answer_only=False, max_new_tokens=WORDS)
        assert point.measurement.controls == controls.results
        assert point.measurement.verdict == controls.verdict


def test_each_thought_is_what_a_session_shows(run: Path) -> None:
    what = asked(run)
    problem = what.problems[0]
    point = measured(OverRun(run, replace(what, question=problem)))[-1]
    model = CoconutModel.from_pretrained(point.folder, device="cpu")
    session = model.start(problem.question, max_new_tokens=WORDS)
    session.finish()
    trace = trace_session(session, problem=problem)
    found = point.measurement
    assert found is not None
    assert found.said == trace.answer
    assert found.right == int(bool(trace.right))
    for reading, step in zip(found.thoughts, trace.thoughts(), strict=True):
        name, probability = reading.tokens[0]
        assert name == step.top[0].name
        assert probability == pytest.approx(step.top[0].probability, rel=1e-4)
        assert reading.entropy == pytest.approx(step.entropy, rel=1e-4)
        mass = trace.mass(step)
        assert mass is not None
        assert reading.frontier is not None
        assert reading.frontier.mean == pytest.approx(mass.frontier, rel=1e-4, abs=1e-9)
    assert found.swapped is not None
    assert found.swapped.count == 5, "the other problems' thoughts"


def test_what_was_measured_is_read_and_only_what_is_new_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(RECIPE, folder, 6)
    begun: list[int] = []

    def points() -> list[Point]:
        begun.clear()
        over = OverRun(folder, asked(folder))
        return list(over.points(begins=lambda checkpoint: begun.append(checkpoint.step)))

    first = points()
    assert begun == [0, 3, 6]
    assert points() == first
    assert begun == []
    go_on(RECIPE, folder)
    assert [point.step for point in points()] == [0, 3, 6, 9]
    assert begun == [9]
    own = next((folder / "across").glob("*.json"))
    list(OverRun(folder, asked(folder, seed=1)).points(begins=lambda checkpoint: begun.append(checkpoint.step)))
    assert begun == [9, 0, 3, 6, 9], "another question is another measurement"
    own.write_text("{")
    points()
    assert len(begun) == 1, "a file that is damaged is measured again"


def test_a_measurement_that_is_stopped_goes_on_where_it_was(run: Path) -> None:
    done: list[Point] = []

    def stop() -> None:
        if len(done) == 2:
            raise Interrupted("enough")

    with pytest.raises(Interrupted):
        done.extend(OverRun(run, asked(run, seed=1)).points(stop))
    begun: list[int] = []
    over = OverRun(run, asked(run, seed=1))
    points = list(over.points(begins=lambda checkpoint: begun.append(checkpoint.step)))
    assert begun == [6, 9]
    assert points[:2] == done


def test_a_damaged_checkpoint_is_left_out_and_the_rest_goes_on(run: Path) -> None:
    weights = RunFolder(run).kept_folder_of(6) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    over = OverRun(run, asked(run))
    points = measured(over)
    assert [point.measurement is not None for point in points] == [True, True, False, True]
    (note,) = over.notes
    assert note.startswith("step 6 is left out: ")
    assert "\n" not in note
    course = over.course(points)
    assert course.to_json()["checkpoints"][2]["error"]
    assert csv_text(course).count("\n") == 5


def test_a_folder_without_checkpoints_is_refused_in_a_line(tmp_path: Path, run: Path) -> None:
    for folder, why in ((tmp_path / "nowhere", "there is no folder"), (tmp_path, "holds no checkpoint")):
        with pytest.raises(CoconutError, match=why):
            OverRun(folder, Asked(()))
    (tmp_path / "seeds.json").write_text("{}")
    with pytest.raises(CoconutError, match="a run for each seed"):
        OverRun(tmp_path, Asked(()))
    for step in (0, 3, 6, 9):
        (RunFolder(run).kept_folder_of(step) / "model.safetensors").unlink()
    over = OverRun(run, asked(run))
    with pytest.raises(CoconutError, match="none of the checkpoints"):
        over.course(measured(over))


def test_a_log_that_cannot_be_read_takes_away_the_curves_only(run: Path) -> None:
    points = measured(OverRun(run, asked(run)))
    assert [point.logged.held_out_accuracy is not None for point in points] == [False, False, True, True]
    assert points[-1].logged.stage == "2 steps gone, 2 thoughts"
    (run / "metrics.jsonl").write_text("no row\n")
    over = OverRun(run, asked(run))
    assert [point.logged.loss for point in measured(over)] == [None] * 4
    assert over.notes[0].startswith("no loss curves: ")


def test_a_course_is_plain_data_and_a_figure(run: Path) -> None:
    over = OverRun(run, asked(run))
    course = over.course(measured(over))
    record = json.loads(json.dumps(course.to_json(), allow_nan=False))
    assert [entry["step"] for entry in record["checkpoints"]] == [0, 3, 6, 9]
    assert record["n"] == 6
    head, *rows = csv.reader(csv_text(course).splitlines())
    assert {len(row) for row in rows} == {len(head)}
    assert "thought_2_frontier" in head
    assert [panel.title for panel in draw_course(course).panels] == [  # type: ignore[attr-defined]
        "loss of the log",
        "answers",
        "search: thoughts on the frontier",
    ]
    assert draw_course(course).svg().startswith("<?xml")


def test_an_example_is_of_the_family_and_size_of_the_run(run: Path) -> None:
    problem = problem_asked(run, None, 2)
    model = CoconutModel.from_pretrained(RunFolder(run).kept_folder_of(9), device="cpu")
    assert problem.graph is not None
    assert model.encode_prompt(problem.question)
    assert problem_asked(run, "Is it so?", None).answer == ""


# -- when something begins to hold ---------------------------------------------------------------------------


def points_with(flags: Sequence[bool | None]) -> list[Point]:
    """Checkpoints of steps 0, 100, … at which swaps change the answer or do not; None: nothing was measured."""
    return [
        Point(
            100 * number,
            "",
            measurement=None
            if flag is None
            else Measurement("", 1, 1, (), swapped=Swapped(8 if flag else 0, 8)),
        )
        for number, flag in enumerate(flags)
    ]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([False, True, True], Onset(100, 0, 2, 3)),
        ([True, False, True], Onset(200, 100, 1, 3)),
        ([True, True], Onset(0, None, 2, 2)),
        ([False, True, False], Onset(None, 200, 0, 3)),
        ([False, None, True, None, True], Onset(200, 0, 2, 3)),
        ([None], Onset(None, None, 0, 0)),
    ],
)
def test_something_holds_from_where_it_holds_to_the_end(flags: list[bool | None], expected: Onset) -> None:
    found = onset(points_with(flags), lambda measurement: measurement.needs_thoughts)
    assert found == expected
    assert "\n" not in found.text()


def test_one_that_only_the_last_checkpoint_shows_is_said_to_be_unconfirmed() -> None:
    text = onset(points_with([False, False, True]), lambda measurement: measurement.needs_thoughts).text()
    assert text == "came between steps 100 and 200, only the last one shows it"


@pytest.mark.parametrize(("changed", "needs"), [(8, True), (7, True), (6, False), (0, False)])
def test_a_question_needs_its_thoughts_where_more_than_half_of_the_swaps_change_it_for_certain(
    changed: int, needs: bool
) -> None:
    assert Measurement("", 1, 1, (), swapped=Swapped(changed, 8)).needs_thoughts is needs


def swap(name: str, count: int, lost: int, won: int = 0) -> ControlResult:
    real = count
    return ControlResult(name, count, real - lost + won, real, lost, won, lost + won, 0, 0, p_adjusted=1.0)


@pytest.mark.parametrize(
    ("results", "needs"),
    [
        ([swap("random", 60, 20), swap("twin", 60, 15)], True),
        ([swap("random", 60, 20), swap("twin", 60, 2, 2)], False),
        ([swap("random", 60, 3)], False),  # 3 of 60: the interval begins below 0
        ([swap("random", 60, 20), swap("same-hop", 4, 0)], True),  # of too few problems to say anything
        ([swap("none", 60, 60)], None),  # no swap: what a thought holds was not tried
    ],
)
def test_answers_need_their_thoughts_where_every_swap_costs_some_for_certain(
    results: list[ControlResult], needs: bool | None
) -> None:
    thought = ThoughtReading(1, 60, (("word", 1.0),), 0.5)
    assert Measurement("", 60, 60, (thought,), tuple(results)).needs_thoughts is needs


@pytest.mark.parametrize(
    ("frontier", "control", "expected"),
    [
        (Estimate(0.6, 0.5, 0.7, 40), Estimate(0.3, 0.2, 0.4, 40), True),
        (Estimate(0.5, 0.4, 0.6, 40), Estimate(0.4, 0.3, 0.5, 40), False),  # above it, yet not for certain
        (Estimate(0.9, float("nan"), float("nan"), 1), Estimate(0.3, 0.2, 0.4, 40), None),
        (None, None, None),
    ],
)
def test_a_thought_is_on_the_frontier_where_its_interval_is_above_the_controls(
    frontier: Estimate | None, control: Estimate | None, expected: bool | None
) -> None:
    assert ThoughtReading(1, 40, (), 0.0, frontier, control).on_frontier is expected
