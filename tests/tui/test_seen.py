"""What a person has to see on each screen, whatever the size: in words, as pictures are kept of few."""

import re
from pathlib import Path

import pytest

from coconut_core.records.trace import Trace
from tests.tui.scenes import SCENES
from tests.tui.screens import LARGE, MIDDLE, SMALL, opened, painted

ASKED = "Is Alex a bompus or gorpus?"
RUN = (ASKED, "USED", "96 %", "19 %", "24 %")  # what is asked, and whether thoughts are used
SEEN: dict[str, tuple[str, ...]] = {
    "opened": (ASKED, "models/by-hand", "? help"),
    "running": (ASKED, "97", "52", "41", "s step", "c continue"),
    "finished": (*RUN, "Alex is a bompus.", "✗", "97", "52", "88", "q quit", "? help"),
    "view-top": (*RUN, "lempus", "rompus", "sterpus", ".31", ".28", ".11"),
    "view-graph": (*RUN, "lempus", "gorpus", "bompus", "rompus", "frontier", ".52", ".41"),
    "view-answer": (*RUN, "###", "gorpus", ".98"),
    "view-lens": (*RUN, "lempus", "rompus", ".52", ".97"),
    "view-attention": (*RUN, "thought 1", "bompus or gorpus", "mean"),
    "view-lines": (*RUN, "Every", "gorpus", "bompus"),
    "view-nearest": (*RUN, "lempus", "0.44", "bompus", "-0.10"),
    "view-trajectory": (*RUN, "a1", "a2", "b3", "5 thoughts"),
    "view-numbers": (*RUN, "lempus", "1.25", "16.0", "0.12"),
    "zoomed": (*RUN, "lempus", ".52", "gorpus", "Alex"),
    "edit": (
        *("Edit thought 2", "steer TOKEN FACTOR@THOUGHTS", "zero", "replace", "shuffle", "escape"),
        *("lempus", "factor", "bompus .61", "Alex is a gorpus. ✓", "Alex is a bompus. ✗"),
    ),
    "what-if": (
        *("What if: thought 2", "nothing changed", "zero@2", "replace twin@2", "0.980", "0.290", "0.708"),
        *("this model names no", "≠", "escape"),
    ),
    "compare": (
        *("main", "zero@2", "Alex is a gorpus. ✓", "Alex is a bompus. ✗"),
        *("≠ thought 2", "1.24", "0.31", "lempus", "rompus", "escape"),
    ),
    "controls": (
        *("Controls for this question", "its own", "none", "twin", "0.980", "same-hop", "5 of 6"),
        *("This is one question", "escape"),
    ),
    "beside": (
        *("runs/by-hand/step-000500", "models/by-hand", "1.24", "0.31"),
        *("Alex is a gorpus", "Alex is a bompus", "spent"),
    ),
    "training": ("Training", "stage 2 of 2", "step 75", "80.0 %", "loss"),
    "problems": (
        "Problems: 4, answered 2, right 1",
        "said",
        "expected",
        "gorpus",
        "bompus",
        "filter",
        "escape",
    ),
    "breakpoints": ("Breakpoints", "thought 3", "entropy < 0.5", "gorpus", "escape"),
    "note": (
        "Note a finding",
        "zero@2, step 2",
        "Thought 2 leaves",
        "tags",
        "*leaves*",
        "Not a directory",
        "escape",
    ),
    "findings": (
        *(
            "Findings in findings: 2",
            "filter",
            "bad.md: the entry 'title'",
            "Thought 3: leaves",
            "#frontier",
        ),
        *("Another one", "models/prosqa", "zero@2, step 3, graph", "escape"),
    ),
    "question": ("Question", "Is Mars a lempus?", "the model's vocabulary does not have 'Mars'"),
    "recent": (
        *("Models opened lately", "models/by-hand", "openai-community/gpt2", "there is no folder x", "escape"),
    ),
    "loading": ("Opening models/by-hand", "✓ importing torch", "▸ reading the model", "waiting: s"),
    "help": ("How to read it", "How it can mislead", "escape"),
    "command": ("st", "step", "steer"),
    "palette": ("Search", "step"),
    "jump": (ASKED,),
    "error": ("this is a saved run: open a model",),
}
# And where there is room for more than one pane.
BESIDE = {
    "view-trajectory": ("61%", "22%"),
    "opened": ("Prompt", "Thoughts", "Branches"),
    "finished": ("gorpus ✓", "zero@2", "bompus ✗", "steer bompus 4@3", "fork@2", "sterpus"),
}


@pytest.mark.parametrize("name", SCENES)
async def test_what_is_seen(trace: Trace, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one app, whose terminal shrinks: that is how a person sees several sizes."""
    monkeypatch.chdir(tmp_path)  # where the log of a training run is written
    app = opened(trace)
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await SCENES[name](pilot, trace)
        for size in (LARGE, MIDDLE, SMALL):
            await pilot.resize_terminal(*size)
            if name.startswith("view-"):
                app.show_view(name.removeprefix("view-"))  # alone where there is room for one
            await pilot.pause()
            await pilot.pause()
            text = re.sub(r"[\s│┃]+", " ", painted(app))
            wanted = SEEN[name] + (BESIDE.get(name, ()) if size != SMALL else ())
            assert not [words for words in wanted if words not in text], f"{size}\n{painted(app)}"


def test_every_scene_has_something_to_be_seen() -> None:
    assert SEEN.keys() == SCENES.keys()
