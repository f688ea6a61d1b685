"""Whether a paint shows what a key did: other things are painted all the time while the model is busy."""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from coconut_tui.app import Explorer
from coconut_tui.widgets.text import TextView
from coconut_tui.widgets.thoughts import ThoughtsPane

VIEWS = {"1": "top", "2": "graph"}  # what a key brings to the front
PANES = ("l", "h")  # give another pane the focus


class Moment(NamedTuple):
    """Seconds of the clock, and of the processor in the thread that paints: what others do does not count."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> "Moment":
        """This moment."""
        return cls(time.perf_counter(), time.thread_time())


class Watched:
    """Notes when the pane that a key changes has been drawn with the change in it, and is then painted."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self._thoughts = explorer.query_one(ThoughtsPane)
        self._widgets = [*explorer.query(".pane"), *explorer.query(TextView)]
        self._key, self._acted, self._drawn = "", False, True
        self._shown: asyncio.Future[Moment | None] = asyncio.get_running_loop().create_future()
        self._display, self._act = explorer._display, explorer.action_act

    def __enter__(self) -> "Watched":
        self._explorer._display = self._painted  # type: ignore[method-assign]
        self._explorer.action_act = self._acting  # type: ignore[method-assign]
        for widget in self._widgets:
            widget.render_lines = self._noted(widget)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        del self._explorer._display, self._explorer.action_act
        for widget in self._widgets:
            del widget.render_lines

    def expect(self, key: str) -> None:
        """A key is about to be pressed."""
        self._key, self._acted, self._drawn = key, False, False
        self._shown = asyncio.get_running_loop().create_future()

    async def shown(self) -> Moment | None:
        """When what it did was on screen; None where it did nothing."""
        return await self._shown

    # -- inside --------------------------------------------------------------------------------------------

    def _state(self) -> tuple[object, ...]:
        return self._thoughts.key, self._explorer.shown_view, self._explorer.focused_pane

    def _acting(self, name: str) -> None:
        before = self._state()
        self._act(name)
        self._acted = True
        if self._state() == before and not self._shown.done():
            self._shown.set_result(None)

    @property
    def _changed(self) -> Widget:
        """The pane that is drawn anew when the key has done its work: the one that has the focus, that of the
        view which is shown, or the thoughts."""
        if self._key in PANES:
            return self._explorer.pane(self._explorer.focused_pane)
        return self._explorer.pane(VIEWS.get(self._key, "thoughts"))

    def _noted(self, widget: Widget) -> Callable[[Region], list[Strip]]:
        draw = widget.render_lines

        def render_lines(crop: Region) -> list[Strip]:
            self._drawn |= self._acted and self._changed in widget.ancestors_with_self
            return draw(crop)

        return render_lines

    def _painted(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        self._display(screen, renderable)
        if isinstance(renderable, CompositorUpdate):
            renderable.render_segments(self._explorer.console)  # without a terminal Textual leaves that out
        if self._drawn and not self._shown.done():
            self._shown.set_result(Moment.now())
