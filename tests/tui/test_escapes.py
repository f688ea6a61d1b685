"""What a run, a model, a problem or a person says is shown escaped; the terminal obeys none of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.text import Text

from coconut_core.problems.base import Problem
from coconut_core.records.trace import StepRecord, Trace
from coconut_tui.app import Explorer
from coconut_tui.screens.compare import CompareScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.views import VIEWS
from coconut_tui.widgets.text import escaped
from tests.tui.conftest import GRAPH, WIDE, explorer, press, settled, typed, until

BAD = "\x1b]0;title\x07\x9b2J\x00\u202e[/x]"
SHOWN = r"\x1b]0;title"


def bad(text: str) -> str:
    """The text with what a terminal obeys in it, and with what would end a style that was never begun."""
    return text[:1] + BAD + text[1:]


def spoilt_step(step: StepRecord) -> StepRecord:
    return replace(
        step,
        token=bad(step.token),
        edit=None if step.edit is None else bad(step.edit),
        top=tuple(replace(item, token=bad(item.token)) for item in step.top),
        watched={bad(name): share for name, share in step.watched.items()},
    )


def spoilt(trace: Trace) -> Trace:
    """A run of which every text is bad."""
    names = tuple(map(bad, GRAPH.names))
    problem = Problem(bad(trace.question), (bad("Alex is a lempus."),), bad("yes"), replace(GRAPH, names=names))
    return replace(
        trace,
        model=bad(trace.model),
        question=bad(trace.question),
        prompt=tuple(map(bad, trace.prompt)),
        steps=tuple(map(spoilt_step, trace.steps)),
        text=bad(trace.text),
        settings={**trace.settings, "verdict": bad("UNKNOWN")},
        problem=problem,
    )


def drawn(app: Explorer) -> list[str]:
    """The lines on screen, as they go to the terminal."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip if not segment.control) for strip in strips]


def assert_harmless(app: Explorer) -> None:
    assert [line for line in drawn(app) if not line.isprintable()] == []


async def test_every_view_of_a_spoilt_run_is_harmless_and_shows_what_it_leaves_to_the_eye(trace: Trace) -> None:
    app = Explorer(None, trace=spoilt(trace))
    app.animation_level = "none"
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await until(pilot, lambda app: app.view is not None)
        await press(pilot, "c")
        for view in VIEWS:
            app.show_view(view.name)
            await pilot.pause()
            assert_harmless(app)
        shown = "\n".join(drawn(app))
        assert f"A{SHOWN}" in shown, "the question"
        assert f"m{SHOWN}" in shown, "the model"
        assert f"#{SHOWN}" in shown, "the answer"
        app.tell(BAD)
        app.tell_error(BAD)
        await until(pilot, lambda app: len(app.screen.query("Toast")) == 2)
        await pilot.pause(0.3)
        assert_harmless(app)
        toasts = "\n".join(str(toast.render()) for toast in app.screen.query("Toast"))
        assert toasts.count(SHOWN) == 2


@pytest.mark.drives("compare")
async def test_names_of_branches_and_problems_are_harmless(checkpoint: Path) -> None:
    from coconut_core.problems import generate_problems

    problems = [replace(each, answer=bad(each.answer)) for each in generate_problems("prosqa", 3, seed=0)]
    async with explorer(checkpoint, problems=problems).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await press(pilot, "s", "z")
        app.engine.rename(app.view.tree.current, bad("name"))
        await settled(pilot)
        assert_harmless(app)
        await typed(pilot, "compare")
        await until(pilot, lambda app: isinstance(app.screen, CompareScreen))
        assert_harmless(app)
        assert f"n{SHOWN}" in "\n".join(drawn(app))
        await pilot.press("escape")
        await typed(pilot, "problems")
        await until(pilot, lambda app: isinstance(app.screen, ProblemsScreen))
        assert_harmless(app)


def test_a_text_keeps_its_styles_where_its_characters_are_escaped() -> None:
    text = Text("a\x1bb\nc").append("d\x00", "bold").append("e", "red")
    text.highlight_words(["b"], "green")
    shown = escaped(text)
    assert shown.plain == "a\\x1bb\ncd\\x00e"
    styled = {(shown.plain[span.start : span.end], str(span.style)) for span in shown.spans}
    assert styled == {("d\\x00", "bold"), ("e", "red"), ("b", "green")}
