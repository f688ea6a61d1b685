"""The views of the inspect pane, a module each: what is known of a run in, a text out. No model code. Plugins
add views."""

import re
from dataclasses import replace
from functools import cache

from rich.text import Text

from coconut_core.common.errors import one_line
from coconut_core.common.plugins import Table
from coconut_tui.run.lookups import Ask
from coconut_tui.views import answer, attention, graph, lens, lines, nearest, numbers, top, trajectory
from coconut_tui.views.guides import GUIDES, Guide
from coconut_tui.views.view import Sight, View

VIEWS = tuple(
    module.VIEW for module in (top, graph, answer, lens, attention, lines, nearest, trajectory, numbers)
)
TABLE = Table("view", "coconut_tui.views", View, {view.name: view for view in VIEWS})


@cache
def all_views() -> dict[str, View]:
    """Every view by its name, those of plugins last; that of a plugin is plugin-NAME, so that it gets in the
    way of nothing else on screen. A plugin that does not work is left out."""
    plugged = [_plugged(name, view) for name, view in TABLE.values().items() if name not in TABLE.built_in]
    return {view.name: view for view in (*VIEWS, *plugged)}


def names_of_views() -> dict[str, str]:
    """The name of each view by what it is called where one types it."""
    return {view.typed or view.name: view.name for view in all_views().values()}


def guide_of(name: str) -> Guide:
    """How to read a view, or something else that has a guide."""
    view = all_views().get(name)
    return GUIDES[name] if view is None or view.guide is None else view.guide


def _plugged(name: str, view: View) -> View:
    """A plugin's view; what it raises is shown in its place."""
    safe = re.sub(r"[^\w-]", "-", name, flags=re.ASCII)
    guide = view.guide or Guide(view.title, "The plugin that brings this view says nothing.", "Likewise.")

    def draw(sight: Sight) -> Text:
        try:
            if view.draw is None:
                raise TypeError("it has no function that draws")
            return Text().append_text(view.draw(sight))
        except Exception as error:
            return Text(f"this view of a plugin failed: {type(error).__name__}: {one_line(error)}")

    def ask(sight: Sight) -> Ask | None:
        try:
            return view.ask(sight)
        except Exception:  # draw has the same sight, and says so
            return None

    return replace(view, name=f"plugin-{safe}", draw=draw, ask=ask, guide=guide, key="", typed="")
