"""Branches, edits, undo: whatever was done to a run, its numbers are those of a fresh run of its decisions."""

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.problems import example_problem
from coconut_tui.engine.readings import compare, peek, preview
from coconut_tui.engine.workbench import Workbench
from coconut_tui.run.branches import MARKER, THOUGHT
from coconut_tui.run.breakpoints import read_breakpoint
from coconut_tui.run.state import RunView
from tests.core.ending_models import ending_model
from tests.core.layouts import LAYOUTS, in_layout
from tests.core.tiny_models import QUESTIONS
from tests.tui.benches import PROBLEM, brief_model, fresh_records, go_on, opened, same_numbers, to_the_end


@pytest.fixture(scope="module")
def model() -> CoconutModel:
    return brief_model()


EDITS = (
    "zero@{k}",
    "noise 3@{k}",
    "scale 0.5@{k}",
    "replace own:1@{k}",
    "steer Alex 2@{k}",
    "zero@all",
    "drop@{k}",
)
ENDLESS = ("truncate 2", "extend 6")


def random_change(bench: Workbench, rng: random.Random) -> None:
    """Something that a person might do."""
    steps = bench.run.session.steps
    thought = rng.randint(1, max(1, bench.run.session.thoughts))
    number = rng.choice(bench.tree.branches).number
    changes: list[tuple[int, Callable[[], object]]] = [
        (8, lambda: bench.take(lambda run: True, go_on)),
        (5, bench.look_ahead),
        (3, lambda: bench.rewind(len(steps) - 1)),
        (2, lambda: to_the_end(bench)),
        (1, lambda: bench.rewind(0)),
        (2, lambda: bench.go_to_thought(thought, go_on)),
        (2, lambda: bench.set_thoughts(rng.randint(0, 6), go_on)),
        (1, bench.end_thinking),
        (1, bench.one_more),
        (2, lambda: bench.fork(rng.randint(0, len(steps)))),
        (3, lambda: bench.edit(rng.choice(EDITS + ENDLESS).format(k=thought), 0, go_on)),
        (1, lambda: bench.restore(thought, 0, go_on)),
        (3, lambda: bench.move(number)),
        (1, lambda: bench.rename(number, f"name {rng.randint(1, 5)}")),
        (2, lambda: bench.delete(number)),
        (3, bench.undo),
        (2, bench.redo),
        (1, lambda: peek(bench, rng.randint(0, len(steps)), go_on)),
        (1, lambda: preview(bench, rng.choice(EDITS).format(k=thought), 0, go_on)),
        (1, lambda: compare(bench, number, bench.tree.current)),
    ]
    weights, calls = zip(*changes, strict=True)
    with suppress(CoconutError):  # such as nothing to undo; the check after it shows that nothing was lost
        rng.choices(calls, weights)[0]()


@pytest.mark.parametrize(
    ("seed", "changes"),
    [(0, 100), (1, 100), pytest.param(2, 2000, marks=pytest.mark.slow)],
)
def test_a_random_walk_ends_as_fresh_runs_of_its_decisions_do(
    model: CoconutModel, seed: int, changes: int
) -> None:
    walk(model, seed, changes)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_random_walk_with_something_else_around_the_thoughts(model: CoconutModel, layout: str) -> None:
    walk(in_layout(model, layout), seed=3, changes=40)


def walk(model: CoconutModel, seed: int, changes: int) -> None:
    """Random changes; now and then, and at the end for all branches, the numbers are those of fresh runs."""
    rng = random.Random(seed)
    bench = opened(model, cache_limit=2 * 10**6)
    for number in range(changes):
        random_change(bench, rng)
        assert bench.run.moves == bench.decisions.moves
        if number % 25 == 0:
            assert same_numbers(bench.view().steps, fresh_records(model, bench.decisions))
    for branch in bench.tree.branches[:20]:
        bench.move(branch.number)
        assert same_numbers(bench.view().steps, fresh_records(model, branch.decisions)), branch


# -- verbs ---------------------------------------------------------------------------------------------------


def test_an_edit_goes_on_as_far_as_the_run_before_and_leaves_that_as_it_was(model: CoconutModel) -> None:
    bench = opened(model)
    bench.take(lambda run: len(run.moves) == 3, go_on)
    before = bench.view()
    bench.edit("zero@2", 0, go_on)
    assert bench.decisions.moves == "ttt"
    assert bench.tree.here.forked_at == 1
    bench.move(1)
    assert bench.view().steps == before.steps
    to_the_end(bench)
    bench.edit("scale 3@1", 0, go_on)
    assert bench.view().over
    assert (bench.tree.here.parent, bench.tree.here.done) == (1, "scale 3@1")


@pytest.mark.parametrize(
    "text", ["zero@2", "mean@1", "noise 2@all", "replace twin@2", "drop@2", "truncate 2", "extend 6"]
)
def test_an_edit_leads_where_a_session_with_the_same_plan_does(model: CoconutModel, text: str) -> None:
    bench = opened(model)
    to_the_end(bench)
    bench.edit(text, 0, go_on)
    session = model.start(PROBLEM.question)
    session.apply(parse_plan(text, Sources(model, PROBLEM.question, PROBLEM)))
    assert bench.view().text == session.finish()
    assert [step.token_id for step in bench.run.session.steps] == [step.token_id for step in session.steps]


def test_undo_and_redo_restore_the_same_numbers(model: CoconutModel) -> None:
    bench = opened(model)
    changes: list[Callable[[], object]] = [
        lambda: bench.take(lambda run: len(run.moves) == 2, go_on),
        lambda: bench.set_thoughts(5, go_on),
        lambda: bench.edit("zero@1", 0, go_on),
        lambda: to_the_end(bench),
        lambda: bench.fork(3, "third"),
        lambda: bench.rename(2, "nought"),
        lambda: bench.delete(2),
        lambda: bench.ask(example_problem("prosqa", 2).question, example_problem("prosqa", 2), 2, None),
        lambda: bench.take(lambda run: True, go_on),
    ]
    seen = [bench.view()]
    for change in changes:
        change()
        seen.append(bench.view())
    for expected in reversed(seen[:-1]):
        bench.undo()
        assert same_run(bench.view(), expected)
    with pytest.raises(CoconutError, match="nothing to undo"):
        bench.undo()
    for expected in seen[1:]:
        bench.redo()
        assert same_run(bench.view(), expected)
    with pytest.raises(CoconutError, match="nothing to redo"):
        bench.redo()


def same_run(first: RunView, second: RunView) -> bool:
    """Everything but what is held in memory."""
    return (first.tree, first.thoughts, first.said) == (
        second.tree,
        second.thoughts,
        second.said,
    ) and same_numbers(first.steps, list(second.steps))


def test_a_change_that_fails_changes_nothing(model: CoconutModel) -> None:
    bench = opened(model)
    bench.take(lambda run: len(run.moves) == 3, go_on)
    before = bench.view()
    for wrong in ("zero@9", "steer nothing 1@2", "zero", "patch 7 twin@1", "truncate 9"):
        with pytest.raises(CoconutError):
            bench.edit(wrong, 0, go_on)
        assert bench.view() == before
    with pytest.raises(CoconutError, match="blorb"):
        bench.ask("Is blorb a blorb?", None, None, None)
    assert bench.view() == before


def test_memory_is_bounded_and_what_is_dropped_has_the_same_numbers_when_it_comes_back(
    model: CoconutModel,
) -> None:
    bench = opened(model)
    bench.take(lambda run: len(run.moves) == 3, go_on)
    one = bench.live.used
    bench.live.limit = 3 * one
    seen = {}
    for number in range(2, 9):
        bench.edit(f"noise {number}@1", 0, go_on)
        seen[bench.tree.current] = bench.view().steps
        assert bench.view().cache.used <= 3 * one
    assert len(bench.tree.branches) == 8
    assert 0 < len(bench.live.numbers) <= 3
    bench.delete(bench.tree.current)
    assert bench.live.numbers <= {branch.number for branch in bench.tree.branches}
    bench.undo()
    for number, steps in seen.items():
        bench.move(number)
        assert same_numbers(bench.view().steps, list(steps))
        assert bench.live.numbers >= {number}


def test_the_memory_of_a_run_is_counted_and_that_of_forks_once(model: CoconutModel) -> None:
    bench = opened(model)
    to_the_end(bench)
    before = bench.live.used
    session = bench.run.session
    kept = sum(
        part.untyped_storage().nbytes()
        for layer in session._context.cache.layers
        for part in (layer.keys, layer.values)
    )
    states = sum(step.state.numel() * step.state.element_size() for step in session.steps)
    assert before == kept + states
    for number in range(200):
        bench.fork(2, f"fork {number}")
    assert len(bench.live.numbers) == 201
    assert bench.live.used == before, "none of them has read anything of its own"
    bench.take(lambda run: True, go_on)
    assert bench.live.used == before + kept + model.shape.hidden_size * model.dtype.itemsize


def test_a_step_that_was_worked_out_ahead_is_there_at_once_and_shows_nothing_before(
    model: CoconutModel,
) -> None:
    bench, plain = opened(model), opened(model)
    while not bench.run.session.over:
        before = bench.view()
        passes = model.work.passes
        bench.look_ahead()
        bench.look_ahead()
        assert model.work.passes == passes + 1
        assert bench.view().steps == before.steps
        assert bench.view().tree == before.tree
        bench.take(lambda run: True, go_on)
        assert model.work.passes == passes + 1, "the step was there"
        plain.take(lambda run: True, go_on)
        assert bench.view().steps == plain.view().steps
    bench.look_ahead()  # there is nothing to do
    assert bench.view().said == plain.view().said


def test_what_was_worked_out_ahead_is_forgotten_where_something_else_is_done(model: CoconutModel) -> None:
    bench = opened(model)
    bench.take(lambda run: True, go_on)
    bench.look_ahead()
    bench.end_thinking()
    assert bench.run.moves == THOUGHT + MARKER
    bench.rewind(1)
    bench.look_ahead()
    bench.set_thoughts(1, go_on)
    bench.take(lambda run: True, go_on)
    assert bench.run.moves == THOUGHT + MARKER
    bench.undo()
    bench.undo()
    bench.look_ahead()
    bench.edit("zero@2", 0, go_on)
    bench.take(lambda run: True, go_on)
    assert bench.view().steps[1].edit is not None
    assert same_numbers(bench.view().steps, fresh_records(model, bench.decisions))


def test_thinking_ended_by_a_rule_is_left_to_the_rule_after_an_edit() -> None:
    model, question = ending_model("llama", "halting"), QUESTIONS[0]
    bench = Workbench(model)
    bench.ask(question, None, None, None)
    to_the_end(bench)
    bench.edit("scale 2@1", 0, go_on)
    session = model.start(question)
    session.apply(parse_plan("scale 2@1", Sources(model, question)))
    session.finish()
    reasons = [step.ended for step in session.steps]
    assert [step.ended for step in bench.view().steps] == reasons
    bench.set_thoughts(4, go_on)
    assert bench.view().steps[4].ended == "number"
    bench.undo()
    assert bench.decisions.thoughts is None
    assert [step.ended for step in bench.view().steps] == reasons


def test_a_run_stops_at_a_breakpoint_and_goes_on_from_it(model: CoconutModel) -> None:
    bench = opened(model)
    stops = [read_breakpoint("thought 2", 50), read_breakpoint("top changes", 50)]
    assert bench.take(lambda run: False, go_on, stops[:1]) == stops[0]
    assert bench.decisions.moves == "tt"
    assert bench.take(lambda run: False, go_on, stops[:1]) is None
    assert bench.view().over
    bench.rewind(0)
    while bench.take(lambda run: not run.thinking, go_on, stops[1:]) is not None:
        latest, before = (step.top[0].token for step in reversed(bench.view().steps[-2:]))
        assert latest != before
