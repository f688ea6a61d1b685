"""Going through the app as a person does: keys by what they do, and waiting until all is drawn."""

from collections.abc import Callable
from dataclasses import dataclass

from textual.pilot import Pilot
from textual.widgets import Input

from coconut_tui.app import Explorer
from coconut_tui.tour.bar import TourBar

_CALM = 3  # times in a row that nothing was under way
_PATIENCE = 60_000  # times that is looked
_UNDER_WAY = ("looking ahead", "trying …", "asking …", "reading …")  # what screens say that wait


@dataclass(frozen=True)
class Walker:
    """Somebody at the keys."""

    pilot: Pilot[None]
    app: Explorer

    async def press(self, *names: str) -> None:
        """Press the keys of actions, by their names, or other keys, and wait for what comes of each."""
        keys = {action.name: action.keys.split(",")[0] for action in self.app.actions}
        for name in names:
            await self.pilot.press(keys.get(name, name))
            await self.calm()

    async def type(self, line: str, *, enter: bool = True) -> None:
        """Write a line behind ":"."""
        await self.pilot.press("colon")
        await self.pilot.pause()
        self.app.screen.query_one(Input).value = line
        await self.pilot.pause()
        if enter:
            await self.pilot.press("enter")
            await self.calm()

    async def close(self) -> None:
        """Leave every dialog, and give a pane that is zoomed its place again."""
        if self.app.screen.has_class("-zoomed"):
            await self.press("zoom")
        while len(self.app.screen_stack) > 1:
            await self.pilot.press("escape")
            await self.calm()
        self.app.clear_notifications()
        await self.calm()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the app run until something holds. Raises TimeoutError where it never does."""
        for _ in range(_PATIENCE):
            await self.pilot.pause(0.01)
            if condition():
                return
        raise TimeoutError(f"waited in vain; on screen is\n{self.text}")

    async def calm(self) -> None:
        """Wait until nothing is under way and all of it is drawn."""
        calm = 0

        def over() -> bool:
            nonlocal calm
            calm = 0 if self._busy else calm + 1
            return calm >= _CALM

        await self.until(over)
        for line in self.app.screen.query(Input):
            line.cursor_blink = False  # or it is on one picture and not on the next
        await self.pilot.wait_for_scheduled_animations()

    @property
    def text(self) -> str:
        """The lines of the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    @property
    def _busy(self) -> bool:
        app, screen = self.app, self.app.screen
        if (
            app.player.busy
            or app.activity
            or not app.up_to_date
            or app._questions.open
            or app._questions._waiting
        ):
            return True
        if getattr(screen, "busy", False) or not getattr(screen, "drawn", True):
            return True
        return any(words in self.text for words in _UNDER_WAY)

    async def opened(self) -> None:
        """Wait for a run, or for a dialog in its place."""
        await self.until(lambda: self.app.view is not None or len(self.app.screen_stack) > 1)
        await self.calm()

    async def toured(self, stops: int) -> None:
        """Wait until the tour has seen that so many of its stops are done."""
        bar = self.app.query_one(TourBar)
        await self.until(lambda: bar.stop is not None and bar.stop >= stops)
        await self.calm()

    def select(self, number: int) -> None:
        """Select a thought, as a click on its row does."""
        view = self.app.require_view()
        place = next(at for at, step in enumerate(view.steps) if (step.kind, step.index) == ("thought", number))
        self.app.selected = self.app.looked_at = place
        self.app._draw()
