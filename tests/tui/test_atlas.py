"""The explorer's screen for an atlas, on real runs of models/prosqa."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from coconut_core.atlas import Atlas
from coconut_core.common.errors import CoconutError
from coconut_tui.app import Explorer
from coconut_tui.beginning import Begin
from coconut_tui.engine import Engine, ModelChoice, finding
from coconut_tui.run.atlas import (
    AtlasMap,
    AtlasPlan,
    Browsing,
    MapPoint,
    both,
    completed,
    suggestion,
    written_names,
)
from coconut_tui.screens.atlas import AtlasScreen
from coconut_tui.screens.atlas_columns import ColumnsScreen
from coconut_tui.screens.atlas_map import MapScreen
from coconut_tui.screens.atlas_nearest import NearestScreen
from coconut_tui.screens.welcome import WelcomeScreen
from coconut_tui.widgets.atlas_heat import AtlasHeat
from coconut_tui.widgets.atlas_map import draw_map, outcome_of
from coconut_tui.widgets.filter_line import FilterLine
from coconut_tui.widgets.windowed import Row, WindowedTable
from tests.tui.atlases import MODEL, PROBLEMS, WRONG, build_large, build_small
from tests.tui.conftest import explorer, notes, press, settled, shown, typed, until
from tests.tui.screens import LARGE, MIDDLE, SMALL, painted

COUNT = len(PROBLEMS)


@pytest.fixture(scope="session")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_small(tmp_path_factory.mktemp("atlas") / "small")


def looked_at(app: Explorer) -> AtlasScreen:
    assert isinstance(app.screen, AtlasScreen)
    return app.screen


def table_of(app: Explorer) -> WindowedTable:
    return looked_at(app).query_one(WindowedTable)


def calm(app: Explorer) -> bool:
    return isinstance(app.screen, AtlasScreen) and not app.screen.busy and app.screen.browsing.atlas is not None


def state(app: Explorer) -> str:
    return str(looked_at(app).query_one("#atlas-state", Static).render())


async def opened(pilot: Pilot[None], atlas: Path) -> Explorer:
    await settled(pilot)
    await typed(pilot, f"atlas {atlas}")
    await until(pilot, calm)
    return shown(pilot)


async def filtered(pilot: Pilot[None], text: str) -> Explorer:
    looked_at(shown(pilot)).query_one(FilterLine).value = text
    await pilot.pause()
    await until(pilot, calm)
    return shown(pilot)


async def keyed(pilot: Pilot[None], *keys: str) -> Explorer:
    await pilot.press(*keys)
    await until(pilot, calm)
    return shown(pilot)


def row_here(app: Explorer) -> Row:
    row = table_of(app).row_here
    assert row is not None
    return row


def runs(app: Explorer) -> list[int]:
    return list(looked_at(app)._runs)


@pytest.mark.drives("atlas")
async def test_an_atlas_is_filtered_sorted_and_summarised(atlas: Path) -> None:
    async with explorer(Path(MODEL)).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, atlas)
        assert (table_of(app).count, state(app)) == (COUNT, f"{COUNT} of {COUNT} runs · by run · thought 1")
        app = await filtered(pilot, "wrong")
        assert runs(app) == WRONG
        assert f"{len(WRONG)} of {COUNT} runs" in painted(app)
        await until(pilot, lambda app: "0/2" in painted(app))  # the summary is of these runs
        await keyed(pilot, "x")
        assert table_of(app).count == COUNT
        await keyed(pilot, "right", "right", "greater_than_sign", "greater_than_sign", "r")
        ordered = Atlas.open(atlas).rows(order="hops desc", columns=("run", "hops"))
        assert runs(app) == [row["run"] for row in ordered]
        assert "hops desc · thought 3" in state(app)
        assert "token(3)" in painted(app)


async def test_a_wrong_filter_is_told_in_a_line_and_the_table_stays(atlas: Path) -> None:
    async with explorer(Path(MODEL)).run_test(size=SMALL) as pilot:
        app = await opened(pilot, atlas)
        await filtered(pilot, "wrong")
        await filtered(pilot, "wrong and frontir(4) < .5")
        assert "frontir" in state(app)
        assert "frontier" in state(app), "the nearest name"
        assert state(app).startswith("✗")
        assert (table_of(app).count, runs(app)) == (len(WRONG), WRONG)
        await filtered(pilot, "wrong and frontier(4) < .5")
        assert "runs" in state(app)


async def test_enter_opens_a_run_live_and_the_action_comes_back_to_it(atlas: Path) -> None:
    async with explorer(Path(MODEL)).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, atlas)
        await filtered(pilot, "hops >= 4")
        await keyed(pilot, "right", "greater_than_sign", "down", "down", "down")
        before = runs(app), looked_at(app).browsing.run, state(app)
        row = row_here(app)
        await pilot.press("enter")
        await until(pilot, lambda app: not isinstance(app.screen, AtlasScreen))
        await settled(pilot)
        assert app.view.question == row["question"] == PROBLEMS[row["run"]].question
        problem = app.view.tree.problem
        assert problem.steps == PROBLEMS[row["run"]].steps
        assert set(problem.graph.names) == set(PROBLEMS[row["run"]].graph.names), "it is known with its graph"
        assert app.view.over
        assert app.view.said.answer == row["said"]
        thoughts = [step for step in app.view.steps if step.kind == "thought"]
        assert [step.top[0].name for step in thoughts] == row["token"]
        await keyed(pilot, "f2")
        assert (runs(app), looked_at(app).browsing.run, state(app)) == before
        assert row_here(app)["run"] == row["run"]


async def test_a_cell_of_the_heat_map_filters(atlas: Path) -> None:
    async with explorer(Path(MODEL)).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, atlas)
        looked_at(app).query_one(AtlasHeat).focus()
        await keyed(pilot, "down", "right", "enter")
        rows = Atlas.open(atlas).rows("hops = 4", "frontier(2)", columns=("run",))
        assert runs(app) == [row["run"] for row in rows]
        assert looked_at(app).browsing.where == "hops = 4"
        assert looked_at(app).browsing.thought == 2


async def test_columns_are_chosen_and_the_course_is_of_another_measure(atlas: Path) -> None:
    async with explorer(Path(MODEL)).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, atlas)
        assert "entropy" not in painted(app)
        await keyed(pilot, "v", "v", "v", "v", "v")
        assert looked_at(app).browsing.measure == "entropy"
        assert "entropy" in painted(app)
        await pilot.press("c")
        assert isinstance(app.screen, ColumnsScreen)
        await pilot.press("down", "space", "enter")
        await until(pilot, calm)
        assert "right" not in looked_at(app)._shown
        assert "✓" not in "".join(painted(app).splitlines()[14:30])


async def test_another_models_runs_are_looked_at_and_not_opened(atlas: Path, checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, atlas)
        assert table_of(app).count == COUNT
        await until(pilot, lambda app: "not the model that is open" in painted(app))
        await pilot.press("enter")
        await until(pilot, lambda app: "another model" in state(app))
        assert isinstance(app.screen, AtlasScreen)
        assert ":model models/prosqa" in state(app)


@pytest.mark.parametrize("where", ["", "hops = 99"])
async def test_rows_do_not_wait_for_the_hash_of_the_models_weights(
    atlas: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    hashed = Event()

    def check_model(self: Atlas, source: str) -> None:
        assert hashed.wait(60)
        raise CoconutError("another model's")

    monkeypatch.setattr(Atlas, "check_model", check_model)
    async with explorer(checkpoint).run_test(size=MIDDLE) as pilot:
        app = await settled(pilot)
        app.browsing = Browsing(atlas, where)
        await typed(pilot, "atlas")

        def shows(app: Explorer) -> bool:
            there = isinstance(app.screen, AtlasScreen)
            return there and ("0 of" in state(app) if where else table_of(app).row_here is not None)

        try:
            await until(pilot, shows)
            assert "not the model that is open" not in painted(app)
        finally:
            hashed.set()
        await until(pilot, lambda app: "not the model that is open" in painted(app))


@pytest.mark.parametrize("harm", ["nothing", "manifest", "table"])
async def test_a_damaged_atlas_is_told_in_a_line(
    atlas: Path, checkpoint: Path, tmp_path: Path, harm: str
) -> None:
    folder = tmp_path / "atlas"
    if harm != "nothing":
        shutil.copytree(atlas, folder)
    if harm == "manifest":
        (folder / "atlas.json").write_text(json.dumps({"format": "other"}), encoding="utf-8")
    if harm == "table":
        next((folder / "runs").iterdir()).write_bytes(b"PAR1")
    async with explorer(checkpoint).run_test(size=SMALL) as pilot:
        await settled(pilot)
        await typed(pilot, f"atlas {folder}")
        await until(pilot, lambda app: isinstance(app.screen, AtlasScreen) and state(app).startswith("✗"))
        app = shown(pilot)
        said = "is damaged" if harm == "table" else "is no atlas"
        assert said in state(app)
        await pilot.press("escape")
        await until(pilot, lambda app: not isinstance(app.screen, AtlasScreen))
        assert not app._exception


async def test_ten_thousand_rows_are_gone_through_window_by_window(
    atlas: Path, checkpoint: Path, tmp_path: Path
) -> None:
    folder = build_large(atlas, tmp_path / "large", 10_000)
    async with explorer(checkpoint).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, folder)
        table = table_of(app)
        assert table.count == 10_000
        assert len(table._windows) == 1, "only what is in sight was read"
        await keyed(pilot, "G")
        assert (table.place, row_here(app)["run"]) == (9_999, 9_999)
        assert " 9999 " in painted(app)
        await keyed(pilot, *["pageup"] * 40)
        assert row_here(app)["run"] == table.place
        await keyed(pilot, "g")
        await filtered(pilot, f"run % {COUNT} = 5")
        assert runs(app)[:2] == [5, 5 + COUNT]


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_what_is_seen_at_every_size(atlas: Path, checkpoint: Path, size: tuple[int, int]) -> None:
    async with explorer(checkpoint).run_test(size=size) as pilot:
        app = await opened(pilot, atlas)
        await until(pilot, lambda app: "4 hops" in painted(app) and "run 0" in painted(app))
        text = painted(app)
        for words in ("26/28", "4 hops", "frontier", "token(1)", "question", "run 0", "used", "says", "open"):
            assert words in text, f"{words}\n{text}"


def test_filters_are_completed() -> None:
    names = written_names(["wrong", "wrong_candidate", "frontier", "run", "right"])
    assert names == ["wrong", "wrong_candidate(", "frontier(", "run", "right"]
    assert suggestion("wrong and fr", names) == "wrong and frontier("
    assert suggestion("wro", names) == "wrong"
    assert suggestion("wrong", names) is None, "it is a name"
    assert completed("wro", names) == completed("wrong", names) == "wrong"
    assert completed("hops = 3 and wrong_", names) == "hops = 3 and wrong_candidate("
    assert suggestion("said = 'fr", names) is None, "within quotes there are no names"
    assert suggestion("", names) is None
    assert both("", "hops = 4") == "hops = 4"
    assert both("wrong or hops = 3", "run > 4") == "(wrong or hops = 3) and run > 4"


async def test_tab_completes_in_the_filter_line(atlas: Path, checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=SMALL) as pilot:
        app = await opened(pilot, atlas)
        await keyed(pilot, "slash", *"wrong and opt", "tab", *"2", ")", *"<.5")
        assert looked_at(app).query_one(FilterLine).value == "wrong and optimal(2)<.5"
        await keyed(pilot, "enter")
        assert isinstance(app.focused, WindowedTable)


@pytest.mark.drives("build-atlas", "problems")
async def test_an_atlas_is_built_of_the_problems_listed(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "built"
    async with explorer(checkpoint, problems=PROBLEMS).run_test(size=MIDDLE, notifications=True) as pilot:
        app = await settled(pilot)
        await pilot.press("P")
        await pilot.pause()
        listed = [problem for problem in PROBLEMS if len(problem.steps) == 4]
        app.screen.query_one(Input).value = "4"
        await pilot.pause()
        await pilot.press("f4")
        await pilot.pause()
        line = app.screen.query_one(Input)
        assert line.value.startswith("build-atlas ")
        line.value = f"build-atlas {folder}"
        await pilot.press("enter")
        await until(pilot, lambda app: "f2 looks through them" in notes(app))
        assert [row["question"] for row in Atlas.open(folder).rows(columns=("question",))] == [
            problem.question for problem in listed
        ]
        await press(pilot, "escape")
        await pilot.press("f2")
        await until(pilot, calm)
        assert table_of(app).count == len(listed)


class Interrupting(list):
    """Problems that stop an engine once more than a part of them has been taken for an atlas."""

    engine: Engine
    folder: Path

    def __iter__(self):
        for number, problem in enumerate(super().__iter__()):
            if number == 5 and (self.folder / "atlas.json").exists():
                self.engine.stop()
            yield problem


async def test_building_is_stopped_and_goes_on(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "ATLAS_PART", 4)
    plan = AtlasPlan(tmp_path / "built", str(checkpoint), "", 2)
    told: list[tuple[int, bool]] = []
    async with explorer(checkpoint).run_test(size=SMALL) as pilot:
        app = await settled(pilot)
        problems = Interrupting(PROBLEMS)
        problems.engine, problems.folder = app.engine, plan.folder
        finding.build_atlas(app.engine, problems, plan, lambda *end: told.append(end))
        await until(pilot, lambda app: told == [(4, False)])
        assert len(Atlas.open(plan.folder)) == 4
        finding.build_atlas(app.engine, PROBLEMS, plan, lambda *end: told.append(end))
        await until(pilot, lambda app: len(told) == 2)
        assert told[1] == (COUNT, True)
        rows = Atlas.open(plan.folder).rows(columns=("question", "thoughts"))
        assert [row["question"] for row in rows] == [problem.question for problem in PROBLEMS]
        assert {row["thoughts"] for row in rows} == {2}


async def test_the_nearest_thoughts_are_listed_and_opened(atlas: Path) -> None:
    async with explorer(Path(MODEL)).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, atlas)
        await keyed(pilot, "right", "down", "down", "down")
        await pilot.press("n")
        await until(pilot, lambda app: getattr(app.screen, "found", None) is not None)
        screen = app.screen
        assert isinstance(screen, NearestScreen)
        expected = Atlas.open(atlas).nearest(3, 2, count=100)
        assert [(each.row["run"], each.thought) for each in screen.found] == [
            (each.run, each.thought) for each in expected
        ]
        assert expected[0].cosine > expected[-1].cosine
        await until(pilot, lambda app: f"+{expected[0].cosine:.3f}" in painted(app))
        assert PROBLEMS[expected[0].run].question[-20:] in painted(app)
        await pilot.press("j", "enter")
        await until(pilot, lambda app: not isinstance(app.screen, NearestScreen | AtlasScreen))
        await settled(pilot)
        assert app.view.question == PROBLEMS[expected[1].run].question
        await keyed(pilot, "f2")
        assert row_here(app)["run"] == 3, "back where one was"


async def test_the_map_has_a_sign_for_each_kind_and_tells_its_variance(atlas: Path) -> None:
    async with explorer(Path(MODEL)).run_test(size=MIDDLE) as pilot:
        app = await opened(pilot, atlas)
        await pilot.press("m")
        await until(pilot, lambda app: getattr(app.screen, "drawn", None) is not None)
        screen = app.screen
        assert isinstance(screen, MapScreen)
        first, second = Atlas.open(atlas).projection(thought=1).explained
        await until(pilot, lambda app: f"→ {first:.0%} of their variance, ↑ {second:.0%}" in painted(app))
        assert "hops: 3 4 5" in " ".join(painted(app).split())
        assert "◉" in painted(app)
        await pilot.press("c")
        await until(pilot, lambda app: "o right" in painted(app) and "x wrong" in painted(app))
        await pilot.press("a")
        await until(pilot, lambda app: f"{6 * COUNT} thoughts" in painted(app))
        assert "thought: 1 2 3 4 5 6" in " ".join(painted(app).split())
        await pilot.press("right")
        await until(pilot, lambda app: f"{COUNT} thoughts" in painted(app))
        assert "Map: thought 1" in painted(app)


def test_the_rarest_kind_is_seen_where_several_are_in_a_cell() -> None:
    points = [MapPoint(run, 1, 0.0, float(run % 2), 3, run != 4) for run in range(8)]
    drawn = draw_map(AtlasMap(points, (0.5, 0.25), 8), outcome_of, (None, 1), 10, 6).plain
    assert drawn.splitlines()[0] == "o"
    assert "x" in drawn.splitlines()[2], "one of four that lie there is wrong"
    assert "8 thoughts · → 50% of their variance, ↑ 25%" in drawn


def test_points_that_are_few_say_which_run_they_are_of() -> None:
    points = [MapPoint(run, 1, float(run % 4), float(run // 4), 3, True) for run in range(8)]
    drawn = draw_map(AtlasMap(points, (0.5, 0.25), 8), outcome_of, (6, 1), 40, 8).plain.splitlines()
    assert drawn[0] == f"{'o#4':13}{'o#5':13}{'◉#6':10}#7 o"
    assert drawn[5] == f"{'o#0':13}{'o#1':13}{'o#2':10}#3 o"
    several = [replace(point, thought=1 + point.run // 4) for point in points]
    assert "o#5.2" in draw_map(AtlasMap(several, (0.5, 0.25), 8), outcome_of, (6, 1), 60, 8).plain


async def test_the_explorer_begins_with_an_atlas(atlas: Path, checkpoint: Path) -> None:
    app = explorer(checkpoint, atlas=atlas)
    async with app.run_test(size=MIDDLE) as pilot:
        await until(pilot, calm)
        assert table_of(app).count == COUNT
        assert app.view is None, "no question was asked"
        await pilot.press("escape")
        await pilot.press("n")
        await until(pilot, lambda app: app.view is not None)


async def test_an_atlas_is_read_without_any_model(atlas: Path) -> None:
    app = Explorer(None, atlas=atlas)
    app.animation_level = "none"
    async with app.run_test(size=MIDDLE) as pilot:
        await until(pilot, calm)
        await filtered(pilot, "wrong")
        assert runs(app) == WRONG
        await keyed(pilot, "enter", "enter")
        await until(pilot, lambda app: "no model is open" in state(app))
        await pilot.press("escape")
        await until(pilot, lambda app: isinstance(app.screen, WelcomeScreen))


def test_the_command_line_takes_an_atlas(atlas: Path, tmp_path: Path) -> None:
    taken = Begin(atlas=atlas)
    with pytest.raises(CoconutError, match="leave out what else"):
        replace(taken, question="Is it?").check(None)
    choice = ModelChoice(MODEL)
    assert taken.choice(ModelChoice("elsewhere"), named=False).source == choice.resolved(print).source
    with pytest.raises(CoconutError, match="is no atlas"):
        Begin(atlas=tmp_path).choice(choice, named=False)
    moved = tmp_path / "moved"
    shutil.copytree(atlas, moved)
    text = (moved / "atlas.json").read_text(encoding="utf-8")
    (moved / "atlas.json").write_text(text.replace(f'"{MODEL}"', '"no/such/model"'), encoding="utf-8")
    assert Begin(atlas=moved).choice(choice, named=False) is None, "read without a model"
