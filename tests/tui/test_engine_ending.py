"""The explorer's engine thinks as the checkpoint says, unless a number of thoughts was given."""

import queue
from pathlib import Path

import pytest
from textual.message import Message

from coconut_tui.engine import Activity, Engine, EngineError, ModelChoice, RunChanged
from coconut_tui.run.state import RunView
from tests.core.ending_models import ending_model
from tests.core.tiny_models import QUESTIONS


def run_to_the_first_word(folder: Path, thoughts: int | None) -> RunView:
    """What the engine shows once it has thought; fails with the engine's own error."""
    posted: queue.Queue[Message] = queue.Queue()
    engine = Engine(posted.put)
    engine.start(ModelChoice(str(folder), device="cpu"))
    engine.ask(QUESTIONS[0], None, None, thoughts)
    engine.think_all()
    view, thinking = None, False
    while view is None or thinking or view.mode == "thinking":
        message = posted.get(timeout=300)
        assert not isinstance(message, EngineError), message.text
        if isinstance(message, Activity):
            thinking = message.text == "thinking"
        elif isinstance(message, RunChanged):
            view = message.newest()
    engine.close()
    return view


@pytest.mark.parametrize(("thoughts", "expected", "reason"), [(None, 2, "halting"), (4, 4, "number")])
def test_the_checkpoints_rule_unless_a_number_was_given(
    tmp_path: Path, thoughts: int | None, expected: int, reason: str
) -> None:
    ending_model("llama", "halting").save_pretrained(tmp_path)
    view = run_to_the_first_word(tmp_path, thoughts)
    assert [step.kind for step in view.steps] == ["thought"] * expected + ["marker"]
    assert view.steps[-1].ended == reason
    assert view.thoughts == (5 if thoughts is None else thoughts)
