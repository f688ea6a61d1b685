"""Findings in the explorer: noted where one is, listed, and reopened exactly there."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static, TextArea

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.export import TracedTree
from coconut_tui.findings import AtlasRow, Finding, Model, add_finding, load_finding
from coconut_tui.screens.atlas import AtlasScreen
from coconut_tui.screens.confirm import ConfirmScreen
from coconut_tui.screens.findings import FindingsScreen
from coconut_tui.screens.note import NoteScreen
from tests.tui.atlases import PROBLEMS, build_small
from tests.tui.conftest import WIDE, explorer, notes, press, ready, settled, shown, typed, until
from tests.tui.findings_by_hand import CONTROL, EVIL, finding
from tests.tui.screens import painted

TITLE, NOTE = "Thought 2 is zero", "It *leaves* the frontier."


def opened(checkpoint: Path, folder: Path, **options: object) -> Explorer:
    return explorer(checkpoint, config=Config(findings=str(folder)), **options)


def has_model(name: str, app: Explorer) -> bool:
    return ready(app) and app.facts is not None and app.facts.name == name


def has_written(name: str, app: Explorer) -> bool:
    return ready(app) and f"/{name}" in notes(app)


def has_atlas(app: Explorer) -> bool:
    screen = app.screen
    return isinstance(screen, AtlasScreen) and not screen.busy and screen.browsing.run is not None


async def note_down(
    pilot: Pilot[None], title: str = TITLE, tags: str = "wrong, #frontier", text: str = NOTE
) -> None:
    """Fill in the dialog."""
    await until(pilot, lambda app: isinstance(app.screen, NoteScreen))
    screen = shown(pilot).screen
    screen.query_one("#note-title", Input).value = title
    screen.query_one("#note-tags", Input).value = tags
    screen.query_one(TextArea).text = text
    await pilot.press("ctrl+s")


async def noted(pilot: Pilot[None], folder: Path) -> tuple[Finding, str]:
    """Take some steps, zero a thought, stand on it, and note it down; the finding, and what is on screen."""
    await settled(pilot)
    for key in ("t", "k", "z", "c"):  # each begins where the one before has ended
        await press(pilot, key)
    app = await press(pilot, "2")
    app.selected = app.looked_at = 1
    app.set_breakpoints(())
    await pilot.press("exclamation_mark")
    await note_down(pilot)
    await until(pilot, lambda app: not isinstance(app.screen, NoteScreen))
    path = next(folder.glob("*.md"))
    assert f"noted in {path}" in notes(app)
    return load_finding(path), where(app)


def where(app: Explorer) -> str:
    """The branch, the step, the view and all numbers."""
    assert app.view is not None
    return repr((app.view.tree, app.view.steps, app.selected, app.shown_view))


@pytest.mark.drives("note", "findings")
async def test_a_finding_is_reopened_where_it_was_noted_by_another_explorer(
    checkpoint: Path, tmp_path: Path
) -> None:
    async with opened(checkpoint, tmp_path, example=3).run_test(size=WIDE) as pilot:
        made, before = await noted(pilot, tmp_path)
        assert (made.title, made.tags, made.note) == (TITLE, ("wrong", "frontier"), NOTE)
        assert (made.run.here.done, made.at.step, made.at.view) == ("zero@4", 1, "graph")
        assert made.seen is not None
        assert [thought.edit for thought in made.seen.thoughts] == [None, None, None, "zero"]
        assert made.model.weights
    async with opened(checkpoint, tmp_path, example=1).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("backslash")
        await until(pilot, lambda app: isinstance(app.screen, FindingsScreen) and TITLE in painted(app))
        await pilot.press("enter")
        await until(pilot, lambda app: ready(app) and "its numbers come out as noted" in notes(app))
        assert where(shown(pilot)) == before
        app = await press(pilot, "u")  # the question that was open is not lost
        assert app.view is not None
        assert (app.view.tree.example, len(app.view.tree.branches)) == (1, 1)


async def test_the_app_begins_with_a_finding(checkpoint: Path, tmp_path: Path) -> None:
    async with opened(checkpoint, tmp_path, example=3).run_test(size=WIDE) as pilot:
        made, before = await noted(pilot, tmp_path)
    async with opened(checkpoint, tmp_path, finding=made).run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: ready(app) and "its numbers come out as noted" in notes(app))
        assert where(shown(pilot)) == before


async def test_another_model_is_opened_only_where_it_is_wanted(checkpoint: Path, tmp_path: Path) -> None:
    made = finding(model=Model("models/prosqa", "abc"), tags=(), at=finding().at)
    add_finding(tmp_path, made)
    async with opened(checkpoint, tmp_path, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        for answer, name in (("escape", str(checkpoint)), ("enter", "models/prosqa")):
            await pilot.press("backslash")
            await until(
                pilot, lambda app: isinstance(app.screen, FindingsScreen) and made.title[:9] in painted(app)
            )
            await pilot.press("enter")
            await until(pilot, lambda app: isinstance(app.screen, ConfirmScreen))
            assert "It was noted with another model: models/prosqa" in painted(app)
            await pilot.press(answer)
            await until(pilot, partial(has_model, name))
        await until(pilot, lambda app: "does not come out as noted" in notes(app))
        assert "the weights of models/prosqa are not those that it was noted with" in notes(app)
        assert app.view is not None
        assert app.view.tree.here.name == "zero@2"


async def test_where_the_model_is_not_there_the_open_one_is_offered(checkpoint: Path, tmp_path: Path) -> None:
    add_finding(tmp_path, finding(model=Model(str(tmp_path / "gone"))))
    async with opened(checkpoint, tmp_path, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("backslash", "enter")
        await until(pilot, lambda app: isinstance(app.screen, ConfirmScreen))
        question = app.screen.query_one(Static)
        assert "Reopen it with the model that is open" in str(question.render())
        await pilot.press("y")
        await until(pilot, lambda app: ready(app) and app.view.question == finding().run.question)


async def test_what_was_typed_stays_until_it_is_written(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("no folder", encoding="utf-8")
    async with opened(checkpoint, folder, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await typed(pilot, "note")
        await note_down(pilot, title="  ")
        await until(pilot, lambda app: "a finding needs a title" in painted(app))
        await note_down(pilot)
        await until(pilot, lambda app: "the finding cannot be written into" in painted(app))
        assert app.screen.query_one(TextArea).text == NOTE
        folder.unlink()
        await pilot.press("ctrl+s")
        await until(pilot, lambda app: not isinstance(app.screen, NoteScreen))
        assert len(list(folder.glob("*.md"))) == 1


async def test_letters_typed_just_before_are_kept(checkpoint: Path, tmp_path: Path) -> None:
    async with opened(checkpoint, tmp_path, example=1).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("exclamation_mark")
        await until(pilot, lambda app: isinstance(app.screen, NoteScreen))
        app.screen.query_one("#note-title", Input).value = TITLE
        app.screen.query_one("#note-tags", Input).focus()
        await pilot.pause()
        for key in (*"real", "ctrl+s"):  # as they come in while the app is busy
            app.simulate_key(key)
        await until(pilot, lambda app: not isinstance(app.screen, NoteScreen))
        assert load_finding(next(tmp_path.glob("*.md"))).tags == ("real",)


async def test_the_list_is_filtered_and_names_what_is_damaged(checkpoint: Path, tmp_path: Path) -> None:
    add_finding(tmp_path, finding(title="One", tags=("a",)))
    add_finding(tmp_path, finding(title="Two", tags=("b",), date="2027-01-01"))
    (tmp_path / "three.md").write_text("---\nformat: coconut-finding\nversion: 7\n---\n", encoding="utf-8")
    async with opened(checkpoint, tmp_path, example=1).run_test(size=(120, 40)) as pilot:
        app = await settled(pilot)
        await pilot.press("backslash")
        await until(pilot, lambda app: isinstance(app.screen, FindingsScreen) and "Two" in painted(app))
        assert painted(app).index("Two") < painted(app).index("One")
        assert "three.md: it has version 7" in painted(app)
        await pilot.press(*"#a")
        await until(pilot, lambda app: "Two" not in painted(app))
        assert app.screen.query_one(OptionList).option_count == 1
        await pilot.press(*"nothing")
        await until(pilot, lambda app: "none fits" in painted(app))
        await pilot.press("enter")
        assert isinstance(app.screen, FindingsScreen)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
async def test_hostile_notes_are_shown_and_not_obeyed(
    checkpoint: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    text = f"{EVIL}{CONTROL}\n\n[link](javascript:alert(1)) [b]red[/b] ![i](http://x/y.png)\n\n" + "w" * 5000
    run = replace(finding().run, question=EVIL + CONTROL)
    add_finding(tmp_path, finding(title=EVIL[:100] + CONTROL, tags=(EVIL, CONTROL), note=text, run=run))
    async with opened(checkpoint, tmp_path, example=1).run_test(size=size) as pilot:
        app = await settled(pilot)
        await pilot.press("backslash")
        await until(
            pilot, lambda app: isinstance(app.screen, FindingsScreen) and "</p><script>" in painted(app)
        )
        picture = painted(app)
        assert not [char for char in picture if not char.isprintable() and char != "\n"]
        card = app.screen.query_one("#finding-text", Static)
        lines = "\n".join(strip.text for strip in card.render_lines(card.size.region))
        assert "<script>document.title='owned'</script>" in "".join(line.strip() for line in lines.split("\n"))
        assert r"\x1b[31m" in lines
        assert "[b]red[/b]" in lines


async def test_a_run_of_an_atlas_carries_its_row(tmp_path: Path) -> None:
    atlas = build_small(tmp_path / "atlas")
    app = explorer(Path("models/prosqa"), atlas=atlas, config=Config(findings=str(tmp_path / "notes")))
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, has_atlas)
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda app: ready(app) and not isinstance(app.screen, AtlasScreen))
        await pilot.press("exclamation_mark")
        await note_down(pilot)
        await until(pilot, lambda app: not isinstance(app.screen, NoteScreen))
        row = load_finding(next((tmp_path / "notes").glob("*.md")))
        assert row.atlas == AtlasRow(str(atlas), 2)
        assert row.run.question == PROBLEMS[2].question
        await press(pilot, "n")  # another question is no run of the atlas
        await pilot.press("exclamation_mark")
        await note_down(pilot, title="Other")
        await until(pilot, lambda app: not isinstance(app.screen, NoteScreen))
        assert load_finding(tmp_path / "notes" / "other.md").atlas is None


@pytest.mark.drives("export")
async def test_all_branches_are_exported_or_one(checkpoint: Path, tmp_path: Path) -> None:
    async with opened(checkpoint, tmp_path / "f", example=1).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "t", "k", "z", "c")
        for name, more in (("all.json", ""), ("one.json", " branch"), ("all.csv", ""), ("all.html", "")):
            await typed(pilot, f"export {tmp_path}/{name}{more}")
            await until(pilot, partial(has_written, name))
    tree = TracedTree.load(tmp_path / "all.json")
    assert [run.parent for run in tree.runs] == [None, "main"]
    assert tree.current == 1
    assert all("verdict" in run.trace.settings for run in tree.runs)
    assert len(TracedTree.load(tmp_path / "one.json").runs) == 1
    assert Trace.load(tmp_path / "one.json") == tree.here.trace
    assert (tmp_path / "all.html").read_text("utf-8").count("data-run=") == 2


async def test_a_saved_run_has_no_decisions_to_note(trace: Trace) -> None:
    app = Explorer(trace=trace)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: app.view is not None)
        await pilot.press("exclamation_mark")
        await until(pilot, lambda app: "this is a saved run" in notes(app))
        assert not isinstance(app.screen, NoteScreen)
