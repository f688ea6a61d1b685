"""A device that fails in the midst of a step: nothing is lost, and the CPU is offered."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from coconut_core.coconut import CoconutModel
from coconut_tui.app import Explorer
from coconut_tui.config import Config
from coconut_tui.engine import ModelChoice
from coconut_tui.engine.workbench import Workbench
from tests.tui.benches import brief_model, fresh_records, go_on, opened, same_numbers, to_the_end
from tests.tui.conftest import WIDE, notes, press, settled

MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB."


@contextmanager
def failing(model: CoconutModel, after: int = 0) -> Iterator[None]:
    """The model's last layer fails at every pass but the first `after` ones, when all others have read it."""
    passes = 0

    def fail(layer: nn.Module, arguments: object) -> None:
        nonlocal passes
        passes += 1
        if passes > after:
            raise torch.OutOfMemoryError(MEMORY)

    layers = model.text_model.get_submodule("layers")
    assert isinstance(layers, torch.nn.ModuleList)
    hook = layers[-1].register_forward_pre_hook(fail)
    try:
        yield
    finally:
        hook.remove()


def step(bench: Workbench) -> None:
    bench.take(lambda run: True, go_on)


CHANGES: dict[str, Callable[[Workbench], object]] = {
    "a step": step,
    "one more": lambda bench: bench.one_more(),
    "end of thinking": lambda bench: bench.end_thinking(),
    "to the end": to_the_end,
    "an edit": lambda bench: bench.edit("zero@1", 0, go_on),
    "more thoughts": lambda bench: bench.set_thoughts(6, go_on),
}
AFTER: dict[str, tuple[int, ...]] = dict.fromkeys(("a step", "one more", "end of thinking"), (0,))
AFTER |= dict.fromkeys(("to the end", "an edit", "more thoughts"), (0, 1))


@pytest.mark.parametrize(("name", "after"), [(name, after) for name in CHANGES for after in AFTER[name]])
def test_a_change_that_fails_in_the_midst_leaves_all_as_it_was(name: str, after: int) -> None:
    model = brief_model()
    bench = opened(model)
    step(bench)
    step(bench)
    before = bench.view()
    with failing(model, after), pytest.raises(torch.OutOfMemoryError):
        CHANGES[name](bench)
    left = bench.view()
    assert left.tree == before.tree
    assert same_numbers(left.steps, list(before.steps))
    to_the_end(bench)
    assert same_numbers(bench.view().steps, fresh_records(model, bench.decisions))


def test_a_session_whose_steps_fail_now_and_then_says_what_it_would_have_said() -> None:
    model, rng = brief_model(), random.Random(0)
    plain = model.start("Alex is a lempus. Is Alex a lempus?", temperature=1.0, seed=3)
    torn = model.start("Alex is a lempus. Is Alex a lempus?", temperature=1.0, seed=3)
    plain.finish()
    while not torn.over:
        if rng.random() < 0.5:
            with failing(model), pytest.raises(torch.OutOfMemoryError):
                torn.step()
        if rng.random() < 0.2 and torn.steps:
            torn.rewind(len(torn.steps) - 1)
        torn.step()
    assert [each.token_id for each in torn.steps] == [each.token_id for each in plain.steps]
    for mine, theirs in zip(torn.steps, plain.steps, strict=True):
        assert torch.allclose(mine.hidden, theirs.hidden, atol=1e-5)


@pytest.mark.drives("cpu")
async def test_the_explorer_says_it_and_goes_on_with_the_session_on_the_cpu(checkpoint: Path) -> None:
    # A step worked out ahead, while the device still did, would not fail.
    app = Explorer(ModelChoice(str(checkpoint), "auto"), config=Config(look_ahead=False))
    app.animation_level = "none"
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await press(pilot, "s", "z", "s")
        before = app.view
        model = app.engine._bench.model
        with failing(model):
            await press(pilot, "s")
        assert f"the device failed ({MEMORY})" in notes(app)
        assert ":cpu" in notes(app)
        assert app.view.tree == before.tree
        with failing(model):  # it has not come back
            await press(pilot, "Y")
        assert app.choice == ModelChoice(str(checkpoint), "cpu")
        assert app.engine._bench.model is not model
        assert app.view.tree == before.tree
        assert same_numbers(app.view.steps, list(before.steps))
        await press(pilot, "c")
        assert app.view.over
