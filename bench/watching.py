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
from coconut_tui.widgets.thoughts import ThoughtsPane

VIEWS = {"1": "top", "2": "graph"}  # what a key brings to the front
PANES = {"l": "inspect", "h": "thoughts"}  # what it gives the focus


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
        self._views = {name: explorer.query_one(f"#view-{name}") for name in VIEWS.values()}
        self._key, self._acted, self._drawn = "", False, True
        self._shown: asyncio.Future[Moment | None] = asyncio.get_running_loop().create_future()
        self._display, self._act = explorer._display, explorer.action_act

    def __enter__(self) -> "Watched":
        self._explorer._display = self._painted  # type: ignore[method-assign]
        self._explorer.action_act = self._acting  # type: ignore[method-assign]
        self._thoughts.render_line = self._line_noted()  # type: ignore[method-assign,assignment]
        for name, view in self._views.items():
            view.render_lines = self._view_noted(name, view)  # type: ignore[method-assign,assignment]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        del self._explorer._display, self._explorer.action_act
        del self._thoughts.render_line
        for view in self._views.values():
            del view.render_lines

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
        if self._key not in PANES and self._state() == before and not self._shown.done():
            self._shown.set_result(None)

    def _line_noted(self) -> Callable[[int], Strip]:
        draw = self._thoughts.render_line

        def render_line(y: int) -> Strip:
            if self._key in PANES:  # a pane's frame and cursor tell whether it has the focus
                self._drawn |= self._acted and self._explorer.focused_pane == PANES[self._key]
            elif self._key not in VIEWS:
                self._drawn |= self._acted and self._thoughts._cursor == y + self._thoughts.scroll_offset.y
            return draw(y)

        return render_line

    def _view_noted(self, name: str, view: Widget) -> Callable[[Region], list[Strip]]:
        draw = view.render_lines

        def render_lines(crop: Region) -> list[Strip]:  # lines drawn before are not drawn again
            mine = self._acted and VIEWS.get(self._key) == name
            self._drawn |= mine and self._explorer.shown_view == name
            return draw(crop)

        return render_lines

    def _painted(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        self._display(screen, renderable)
        if isinstance(renderable, CompositorUpdate):
            renderable.render_segments(self._explorer.console)  # without a terminal Textual leaves that out
        if self._drawn and not self._shown.done():
            self._shown.set_result(Moment.now())
