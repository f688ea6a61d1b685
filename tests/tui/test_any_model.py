"""The explorer with a model that was never trained to think in latents: it opens, thinks, and is labelled."""

from pathlib import Path

import pytest
from textual.pilot import Pilot

from coconut_core.records.trace import Trace
from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from coconut_tui.export import EXPORTS
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.tui.conftest import WIDE, notes, press, settled, shown, steps_taken, until
from tests.tui.screens import painted

LABEL = "not trained to think in latents"
DOUBT = "feeding them back is expected to fail"


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2-shaped folder with a chat template and without coconut.json."""
    return ordinary_folder(tmp_path_factory.mktemp("ordinary"), "qwen2", template=CHATML)


def drawn(pilot: Pilot[None], name: str) -> str:
    """What a view shows."""
    return " ".join(str(shown(pilot).query_one(name).render()).split())


@pytest.mark.parametrize("feedback", ["hidden", "mixture:temperature=0.6", "linear"])
async def test_it_thinks_and_every_place_has_the_label(ordinary: Path, feedback: str) -> None:
    choice = ModelChoice(str(ordinary), "cpu", feedback=feedback, system="Think.")
    app = Explorer(choice, question="Is 7 a prime?", thoughts=2)
    traces: list[Trace] = []
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("s", "s")
        await until(pilot, steps_taken(2))
        for place in ("#verdict", "#model-facts"):
            assert LABEL in drawn(pilot, place)
            assert (DOUBT in drawn(pilot, place)) is (feedback == "hidden")
        assert "asked in its chat template" in drawn(pilot, "#model-facts")
        app.use_trace("reading", traces.append)
        await until(pilot, lambda app: bool(traces))
    (trace,) = traces
    kind = feedback.partition(":")[0]
    assert (trace.settings["trained"], trace.settings["feedback"]) == (False, kind)
    assert "".join(trace.prompt).startswith("<|im_start|>system\nThink.<|im_end|>\n<|im_start|>user\nIs 7")
    for export in EXPORTS:
        if export.name != "json":
            assert LABEL in export.render(trace)
    replay = Explorer(trace=trace)
    async with replay.run_test(size=WIDE) as pilot:
        await until(pilot, lambda app: app.view is not None)
        assert LABEL in drawn(pilot, "#verdict")
        assert "asked in its chat template" in drawn(pilot, "#model-facts")


async def test_where_no_thought_is_taken_it_says_how_to_ask_for_some(ordinary: Path) -> None:
    app = Explorer(ModelChoice(str(ordinary), "cpu"), question="Is 7 a prime?")
    async with app.run_test(size=(140, 45)) as pilot:
        await settled(pilot)
        assert "no thought is taken unless asked for (] plans one, :thoughts 6 six)" in drawn(pilot, "#verdict")
        assert "speaking" in drawn(pilot, "#status")
        assert "Take a step (s) to see the first word." in painted(app)
        assert "no thought is planned: s says the first word" in painted(app)
        keys = drawn(pilot, "KeysLine")
        assert "] more thoughts" in keys
        assert "zero" not in keys
        await press(pilot, "z")
        assert "this run takes no thoughts, so there is none to change: ] plans one" in notes(app)
        await press(pilot, "]")
        assert "unless asked for" not in drawn(pilot, "#verdict")
        await press(pilot, "s")
        await until(pilot, steps_taken(1))
        assert "zero" in drawn(pilot, "KeysLine")
        assert app.view is not None
        assert [step.kind for step in app.view.steps] == ["thought"]
