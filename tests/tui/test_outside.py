"""A question written in an editor of one's own, and dialogs that hold still and confirm alike."""

import shlex
import sys
from pathlib import Path

import pytest
from textual.widget import Widget
from textual.widgets import Input, TextArea

from coconut_core.common.errors import CoconutError
from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.screens.command import CommandScreen
from coconut_tui.screens.question import QuestionScreen
from coconut_tui.screens.recent import RecentScreen
from coconut_tui.widgets.outside import editor_command, written_outside
from tests.tui.conftest import settled, until


def editor(script: str) -> list[str]:
    """A command that does something to a file named behind it."""
    return [sys.executable, "-c", f"import sys, pathlib\nfile = pathlib.Path(sys.argv[-1])\n{script}"]


def test_the_editor_is_that_of_the_environment() -> None:
    assert editor_command({"VISUAL": "code --wait", "EDITOR": "nano"}) == ["code", "--wait"]
    assert editor_command({"VISUAL": " ", "EDITOR": "'my editor' -n"}) == ["my editor", "-n"]
    with pytest.raises(CoconutError, match="set VISUAL or EDITOR"):
        editor_command({})
    with pytest.raises(CoconutError, match="cannot read the editor's command"):
        editor_command({"EDITOR": "'"})


@pytest.mark.parametrize("text", ["one line", "two\nlines\n", " äöü \n\n", "", "Is x\r\na y?"])
def test_a_text_comes_back_as_it_was_written(text: str) -> None:
    assert written_outside(text, editor("")) == text.replace("\r\n", "\n")
    assert written_outside(text, editor("file.write_text('other', encoding='utf-8')")) == "other"


def test_an_editor_adds_no_line_break() -> None:
    assert written_outside("a", editor("file.write_text(file.read_text() + 'b\\n')")) == "ab"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-editor"], "cannot start the editor"),
        (editor("sys.exit(3)"), "ended with code 3, the question is as it was"),
        (editor("file.write_bytes(b'\\xff')"), "cannot read what the editor wrote"),
        (editor("file.unlink()"), "cannot read what the editor wrote"),
    ],
)
def test_an_editor_that_fails_is_told(command: list[str], said: str) -> None:
    with pytest.raises(CoconutError, match=said):
        written_outside("text", command)


def test_what_a_failing_editor_wrote_is_kept() -> None:
    with pytest.raises(CoconutError, match="what it wrote is in") as raised:
        written_outside("text", editor("file.write_text('much work'); sys.exit(1)"))
    path = Path(str(raised.value).split(" is in ")[1])
    assert path.read_text(encoding="utf-8") == "much work"
    path.unlink()


async def test_without_an_editor_the_question_stays(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    app = Explorer(trace=trace)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        screen = QuestionScreen("Is it so?", (), lambda text: None)
        await app.push_screen(screen)
        await pilot.press("ctrl+g")
        assert "set VISUAL or EDITOR" in str(screen.query_one("#refused").render())
        monkeypatch.setenv("EDITOR", shlex.join(editor("")))
        await pilot.press("ctrl+g")
        assert "no terminal here" in str(screen.query_one("#refused").render())
        assert screen.query_one(TextArea).text == "Is it so?"


async def test_sheets_keep_their_height_while_one_types(trace: Trace) -> None:
    app = Explorer(trace=trace)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)

        async def heights(sheet: Widget, *texts: str) -> set[tuple[int, int]]:
            seen = set()
            for text in texts:
                app.screen.query_one(Input).value = text
                await pilot.pause()
                line = app.screen.query_one(Input).region
                seen.add((sheet.region.height, line.y))
            return seen

        await pilot.press("colon")
        assert isinstance(app.screen, CommandScreen)
        assert len(await heights(app.screen.query_one("#command"), "", "b", "break", "break zzz", "zzz")) == 1
        await pilot.press("escape")
        screen = RecentScreen("Questions", [f"question {number}" for number in range(9)])
        await app.push_screen(screen)
        assert len(await heights(screen.query_one(".dialog"), "", "question", "3", "zzz")) == 1


async def test_ctrl_s_confirms_wherever_something_can_be_confirmed(trace: Trace) -> None:
    app = Explorer(trace=trace)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        await pilot.press("colon", *"step", "ctrl+s")
        await until(pilot, lambda app: len(app.view.steps) == 1)
        taken: list[str | None] = []
        await app.push_screen(RecentScreen("Questions", ["one", "two"]), taken.append)
        await pilot.press("down", "ctrl+s")
        await until(pilot, lambda app: taken == ["two"])
        await pilot.press("slash", *"alex", "ctrl+s")
        await until(pilot, lambda app: len(app.screen_stack) == 1)
        assert app.searched == "alex"
        await pilot.press("ctrl+s")
        assert len(app.screen_stack) == 1, "there is nothing to confirm here"
