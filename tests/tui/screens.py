"""Screens with a run by hand on them."""

from array import array
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from coconut_core.records.trace import TokenRecord, Trace
from coconut_tui.app import Explorer
from coconut_tui.engine.messages import RunChanged
from coconut_tui.run.branches import Branch, Decisions, Edit, Said, Tree
from coconut_tui.run.lookups import (
    Attention,
    Courses,
    Dials,
    Found,
    Heated,
    LensColumn,
    LensGrid,
    Neighbours,
    Point,
    Trajectory,
)
from coconut_tui.run.state import (
    CacheUse,
    DecidingPlace,
    FormFacts,
    ModelFacts,
    RunView,
)
from coconut_tui.views import VIEWS
from tests.tui.conftest import PROBLEM, shown, steps_taken, until


def painted(app: Explorer) -> str:
    """The lines of the screen."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


SMALL, MIDDLE, LARGE = (80, 24), (120, 40), (200, 60)
SIZES = pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=lambda size: f"{size[0]}x{size[1]}")
PLACE = DecidingPlace("### Alex is a", ("gorpus", "bompus"), judged=True)
RIGHT, WRONG = "### Alex is a gorpus.", "### Alex is a bompus."
FORMS = (
    FormFacts("zero", "zero@THOUGHTS", (), True, "the zero vector", "zero@2"),
    FormFacts(
        "replace",
        "replace VECTOR@THOUGHTS",
        ("VECTOR",),
        True,
        "another vector, such as a donor's",
        "replace twin@all",
    ),
    FormFacts(
        "steer",
        "steer TOKEN FACTOR@THOUGHTS",
        ("TOKEN", "FACTOR"),
        True,
        "the thought plus a token's embedding times a factor",
        "steer rompus 4@1",
    ),
    FormFacts("shuffle", "shuffle [SEED]", ("[SEED]",), False, "the thoughts in another order", "shuffle 1"),
)
FACTS = ModelFacts(
    name="models/by-hand",
    trained=True,
    family="prosqa",
    answer_prefix="###",
    layers=2,
    heads=4,
    forms=FORMS,
    donors=(("own", "this run's own"), ("twin", "of the minimal twin")),
    verdict="USED: 96 % right with them, 19 % without them, 24 % with another question's (n=200, 2026-01-01)",
)


def preview(screen: Screen[Any]) -> str:
    """What the dialog of an edit shows of what it would lead to."""
    return str(screen.query_one("#preview-text").render())


def previewed(screen: Screen[Any]) -> bool:
    """The preview is there."""
    return "looking ahead" not in preview(screen)


def said(text: str) -> Said:
    return Said(text, text.removeprefix("### "), "end", text == RIGHT)


def tree() -> Tree:
    zero = (Edit(0, 2, "zero@2", None),)
    steer = (*zero, Edit(0, 3, "steer bompus 4@3", None))
    return Tree(
        PROBLEM.question,
        PROBLEM,
        7,
        (
            Branch(1, "main", Decisions(None, (), "tttmwwwwww"), said=said(RIGHT)),
            Branch(2, "zero@2", Decisions(None, zero, "tttmwwwwww"), 1, 1, "zero@2", said(WRONG)),
            Branch(3, "fork@2", Decisions(None, (), "tt"), 1, 2),
            Branch(4, "steer bompus 4@3", Decisions(None, steer, "ttt"), 2, 2, "steer bompus 4@3"),
        ),
        2,
    )


def view(trace: Trace) -> RunView:
    """The run of the trace as the branch zero@2 of a tree."""
    steps = [replace(step, edit="zero" if step.index == 2 else None) for step in trace.steps[:3]]
    return RunView(
        tree=tree(),
        steps=(*steps, *trace.steps[3:]),
        thoughts=3,
        mode="finished",
        said=said(WRONG),
        peeks={1: Said(RIGHT, "Alex is a gorpus.", "end", True)},
        cache=CacheUse(frozenset({1, 2, 3}), 3_400_000, 512 * 2**20),
    )


def opened(trace: Trace, theme: str = "textual-dark") -> Explorer:
    app = Explorer(trace=trace)
    app.animation_level = "none"
    app.theme = theme
    return app


async def with_branches(pilot: Pilot[None], trace: Trace) -> Explorer:
    """Show the run in its tree, the second thought selected."""
    await until(pilot, steps_taken(0))
    app, now = shown(pilot), view(trace)
    app.facts, app.selected = FACTS, 1
    app.post_message(RunChanged(lambda: now, replayed=True))
    await until(pilot, steps_taken(10))
    app.selected = 1
    app._draw()
    return app


def _tokens(*shares: tuple[str, float]) -> tuple[TokenRecord, ...]:
    return tuple(TokenRecord(token, share) for token, share in shares)


_WORDS = tuple(PROBLEM.question.replace(".", " .").replace("?", " ?").split())
ANSWERS: dict[str, Found] = {
    "top": Heated(_tokens(("lempus", 0.31), ("rompus", 0.28), ("sterpus", 0.11), ("Tom", 0.05)), 2.4),
    "lens": LensGrid(
        tuple(
            LensColumn(
                number,
                name,
                (
                    _tokens((reads, 0.9), (low, 0.02)),
                    _tokens(("Every", 0.2), (low, 0.1)),
                    _tokens((high, share), (low, 0.05)),
                ),
                reads,
            )
            for number, (reads, name, low, high, share) in enumerate(
                [
                    ("⟨bot⟩", "1", "Tom", "Alex", 0.97),
                    ("1", "2", "rompus", "lempus", 0.52),
                    ("2", "3", "bompus", "gorpus", 0.88),
                    ("3", "⟨eot⟩", ".", "###", 0.9),
                ]
            )
        ),
        ((1.13, 0.83),),
    ),
    "attention": Attention(
        "thought 1",
        "thought 2",
        (*_WORDS, "<bot>", "thought 1"),
        len(_WORDS) + 1,
        1,
        1,
        array("f", [2 * n / len(_WORDS) / (len(_WORDS) + 3) for n in range(len(_WORDS) + 2)] * 4),
        spaced=frozenset(
            place for place, word in enumerate((*_WORDS, "<bot>")) if place and word[0] not in "?.\n"
        ),
        template=frozenset({len(_WORDS)}),
    ),
    "lines": Courses({"Every": (0.1, 0.25, 0.05, 0.3)}),
    "nearest": Neighbours(_tokens(("lempus", 0.44), ("rompus", 0.41), ("Tom", 0.02), ("bompus", -0.1))),
    "trajectory": Trajectory(
        (
            Point(1, "1", -2, -1),
            Point(1, "2", 0, 2),
            Point(1, "3", 2, 0),
            Point(2, "2", 0, -2),
            Point(2, "3", 3, 1),
        ),
        {1: (0, 1, 2), 2: (0, 3, 4), 3: (0, 1), 4: (0, 3, 4)},
        (0.61, 0.22),
    ),
}
LOOKED_AT = ("top", "lens", "attention", "lines", "nearest", "trajectory", "numbers")


async def look_at(pilot: Pilot[None], trace: Trace, name: str) -> None:
    """Bring a view to the front that has been answered already."""
    app = await with_branches(pilot, trace)
    app.dials = Dials(temperature=2.0 if name == "top" else 1.0, lens_layer=1, pins={"Every": 1})
    app.draw_views()
    ask = next(view for view in VIEWS if view.name == name).ask(app.sight)
    if ask is not None:
        app.take_answer(ask, ANSWERS[name])
    app.show_view(name)
    await pilot.pause()
