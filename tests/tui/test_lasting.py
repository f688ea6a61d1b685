"""What the explorer has put off is done, whatever else goes on meanwhile."""

import asyncio
from pathlib import Path

import pytest
from textual.message import Message
from textual.messages import Prompt, Prune
from textual.screen import ModalScreen

from coconut_tui.explorer.pace import Pace
from coconut_tui.screens.edit import EditScreen
from tests.tui.conftest import WIDE, explorer, press, settled, steps_taken, until
from tests.tui.screens import previewed


class Unpainted(ModalScreen[None]):
    """A screen that goes before it is painted, and to which one more message comes as it goes."""

    def _on_timer_update(self) -> None:
        pass  # where a screen paints itself

    def post_message(self, message: Message) -> bool:
        taken = super().post_message(message)
        if isinstance(message, Prune):
            super().post_message(Prompt())
        return taken


async def test_views_beside_are_drawn_though_the_screen_on_top_goes(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        screen = Unpainted()
        await app.push_screen(screen)
        screen.refresh()
        app.draw_views()
        while not screen._callbacks:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert app.rest_waits
        app.pop_screen()
        await until(pilot, lambda app: True)  # which waits until all is drawn


async def test_a_run_is_drawn_though_its_moment_is_past_before_it_is_waited_for(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        await settled(pilot)
        waits = iter([1e-9])
        monkeypatch.setattr(Pace, "wait", property(lambda pace: next(waits, 0.0)))
        await press(pilot, "s")
        await until(pilot, steps_taken(1))
    assert next(waits, None) is None


async def test_a_preview_comes_though_its_moment_is_past_before_it_is_waited_for(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coconut_tui.screens.edit._PAUSE", 1e-9)
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "t")
        await pilot.press("e")
        await until(pilot, lambda app: isinstance(app.screen, EditScreen) and previewed(app.screen))


async def test_of_an_edit_that_was_closed_there_is_no_preview(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "t")
        await pilot.press("e")
        await until(pilot, lambda app: isinstance(app.screen, EditScreen))
        screen = app.screen
        assert isinstance(screen, EditScreen)
        await pilot.press("escape")
        await until(pilot, lambda app: app.screen is not screen)
        assert not screen.query("#preview-text")
        screen._preview()  # whose time may come only now
