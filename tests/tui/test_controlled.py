"""Controls on one question, swaps on many: the figures of coconut controls, no more said than they show."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from textual.theme import BUILTIN_THEMES
from textual.widgets import Input, OptionList

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import CONTROLS
from coconut_core.evaluation.controls import run_controls
from coconut_core.latent.prompt import encode_text
from coconut_core.problems import example_problem, generate_problems
from coconut_core.problems.base import Problem
from coconut_core.records.answers import wrong_answer
from coconut_core.runs.edits import Replace
from coconut_tui.engine.controlling import DRAWS, control_question, swap_thoughts
from coconut_tui.engine.workbench import Workbench
from coconut_tui.run.branches import Said
from coconut_tui.run.collection import Collection
from coconut_tui.run.controlled import Controlled, ControlRow, Swaps, distinct_answers, what_it_says
from coconut_tui.run.state import DecidingPlace
from coconut_tui.screens.controls import ControlsScreen, draw_controls
from coconut_tui.screens.help import HelpScreen
from coconut_tui.screens.problems import ProblemsScreen
from coconut_tui.widgets.palettes import palette_theme
from coconut_tui.widgets.theme_colours import ground_of
from tests.core.tiny_models import tiny_model
from tests.tui.benches import PROBLEM, brief_model, go_on, opened
from tests.tui.conftest import WIDE, explorer, settled, typed, until

OTHERS = generate_problems("prosqa", 8, seed=3)


@pytest.fixture(scope="module")
def model() -> CoconutModel:
    return brief_model()


@pytest.fixture(scope="module")
def deaf_model() -> CoconutModel:
    """Reads nothing but its last token, so that nothing reaches an answer from a thought."""
    model = tiny_model("llama", max_positions=4096)
    with torch.no_grad():
        for layer in model.base_lm.base_model.layers:
            layer.self_attn.o_proj.weight.zero_()
    return model


def controlled(
    model: CoconutModel, others: list[Problem], problem: Problem | None = PROBLEM
) -> list[Controlled]:
    bench = opened(model)
    bench.ask(PROBLEM.question, problem, None, None)
    before = bench.view()
    found: list[Controlled] = []
    control_question(bench, others, go_on, found.append)
    assert bench.view() == before, "the run stays as it is"
    return found


def test_every_control_is_run_and_gives_the_figures_of_coconut_controls(model: CoconutModel) -> None:
    found = controlled(model, OTHERS)[-1]
    assert found.complete
    assert [row.name for row in found.rows] == list(CONTROLS)
    fixed = ("none", "zero", "pause", "nearest", "twin")
    measured = {each.name: each for each in run_controls(model, [PROBLEM], names=fixed).results}
    for name in fixed:
        row = found.row(name)
        assert row is not None
        assert (row.draws, row.changed, row.right) == (1, measured[name].changed, measured[name].right)
    assert found.row("twin").donors == measured["twin"].donor
    drawn = ("noise", "shuffled", "random")
    assert [found.row(name).draws for name in drawn] == [DRAWS] * 3
    assert any(row.changed for row in found.rows)


def test_the_probabilities_are_those_of_both_candidates_behind_the_same_words(model: CoconutModel) -> None:
    found = controlled(model, OTHERS)[-1]
    assert found.place == DecidingPlace("### Polly is a", ("jelpus", "worpus"), judged=True)
    bench = opened(model)
    for name, edit in (("zero", Replace(torch.zeros(32))), ("own", None)):
        session = model.start(PROBLEM.question)
        for _ in range(bench.run.session.thoughts):
            session.think(edit)
        session.end_thinking()
        for word in encode_text(model.tokenizer, "### Polly is a"):
            session.speak(word)
        expected = [session.next_readout.probability(model.token_id(word)) for word in found.place.words]
        shown = found if name == "own" else found.row(name)
        assert shown.probabilities == pytest.approx(expected, abs=1e-5)
        right, wrong = (session.next_readout.logits[model.token_id(word)] for word in found.place.words)
        assert shown.logit_difference == pytest.approx(float(right - wrong), abs=1e-4)


def test_the_deciding_place_is_the_candidates_though_a_control_names_somebody_else() -> None:
    """Without thoughts the model answers about Sally: the first word at which any answer differs is a name."""
    bench = Workbench(CoconutModel.from_pretrained("models/prosqa-labelled"))
    problem = example_problem("prosqa", 36)
    bench.ask(problem.question, problem, 36, None)
    found: list[Controlled] = []
    control_question(bench, [], go_on, found.append)
    assert not found[-1].row("none").said[0].answer.startswith("Oliver")
    assert found[-1].place == DecidingPlace("### Oliver is a", ("quimpus", "lorpus"), judged=True)
    assert len(found[-1].probabilities) == 2
    assert {len(row.probabilities) for row in found[-1].rows if row.draws} == {2}


def test_the_wrong_answer_names_the_other_candidate() -> None:
    assert wrong_answer(PROBLEM) == "Polly is a worpus."
    judgement = example_problem("prontoqa", 1)
    assert {wrong_answer(judgement), judgement.answer} == {"True", "False"}
    symbols = example_problem("symbolic", 1)
    assert wrong_answer(symbols) == symbols.graph.names[symbols.graph.wrong] != symbols.answer
    assert wrong_answer(Problem("How many?", (), "18")) is None


def test_without_a_known_answer_nothing_is_right_or_wrong(model: CoconutModel) -> None:
    found = controlled(model, OTHERS, None)[-1]
    assert found.own.right is None
    assert all(row.right is None for row in found.rows)
    assert found.row("random").changed == controlled(model, OTHERS)[-1].row("random").changed
    assert "twin" in next(row.missing for row in found.rows if row.name == "twin")


def test_without_other_problems_it_says_what_is_missing(model: CoconutModel) -> None:
    found = controlled(model, [PROBLEM])[-1]
    missing = {row.name for row in found.rows if row.missing}
    assert missing == {"mean", "random", "same-hop"}
    assert what_it_says(found).startswith("No other problem's thoughts could be fed")


def test_a_model_that_ignores_its_thoughts_changes_no_answer(deaf_model: CoconutModel) -> None:
    found = controlled(deaf_model, OTHERS)[-1]
    assert {row.changed for row in found.rows} == {0}
    assert "does not hang on whose thoughts are fed: 0 of 6 swaps" in what_it_says(found)


def test_it_can_be_stopped_and_a_model_without_thoughts_is_refused(model: CoconutModel) -> None:
    found: list[Controlled] = []
    control_question(opened(model), OTHERS, lambda: bool(found), found.append)
    assert len(found) == 1
    assert not found[0].complete
    silent = tiny_model("llama", thoughts=0, max_positions=4096)
    assert "takes no thoughts here" in controlled(silent, OTHERS)[-1].error
    with pytest.raises(CoconutError, match="takes no thoughts here"):
        swap_thoughts(silent, {1: PROBLEM}, OTHERS, go_on, lambda swaps: None)


def answered(right: int, wrong: int) -> tuple[Said, ...]:
    return (Said("### a", "a", "end", True),) * right + (Said("### b", "b", "end", False),) * wrong


def found_with(swapped: int, noisy: int, donors: int = 0, twin: int = 1) -> Controlled:
    return Controlled(
        (
            ControlRow("noise", "", 6, said=answered(6 - noisy, noisy), changed=noisy),
            ControlRow("random", "", 6, said=answered(6 - swapped, swapped), changed=swapped),
            ControlRow("twin", "", 1, said=answered(1 - twin, twin), changed=twin, donors=donors),
        ),
        own=answered(1, 0)[0],
        complete=True,
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (found_with(6, 2, 1), "the answer follows the thoughts: 6 of 6 swaps changed it (95 %: 61 to 100 %)"),
        (found_with(6, 2), "hangs on whose thoughts are fed: 6 of 6 swaps changed it (95 %: 61 to 100 %)."),
        (found_with(5, 6), "So it does with noise (6 of 6): it may only have been disturbed."),
        (found_with(3, 6, 1), "does not show whether the answer hangs on whose thoughts are fed: 3 of 6"),
        (found_with(0, 6), "does not show whether the answer hangs on whose thoughts are fed: 0 of 6 swaps"),
        (found_with(0, 6), "changed it (95 %: 0 to 39 %); with twin it changed."),
        (found_with(0, 0, twin=0), "the answer does not hang on whose thoughts are fed: 0 of 6 swaps"),
        (found_with(0, 6, twin=0), "What changes it is only what it never met: noise."),
    ],
)
def test_one_question_is_said_to_show_no_more_than_it_does(found: Controlled, told: str) -> None:
    assert told in what_it_says(found)


def test_answers_of_a_row_are_counted() -> None:
    row = ControlRow("random", "", 6, said=answered(2, 4))
    assert [(said.answer, count) for said, count in distinct_answers(row)] == [("b", 4), ("a", 2)]


@pytest.mark.parametrize(
    ("changed", "kind"), [(6, "used"), (4, "used"), (3, "partly"), (1, "partly"), (0, "unused")]
)
def test_used_is_more_than_half_of_the_swaps_and_unused_none(changed: int, kind: str) -> None:
    assert Swaps(changed, 6).kind == kind


def test_swaps_of_many_problems_are_those_of_the_controls_screen(
    model: CoconutModel, deaf_model: CoconutModel
) -> None:
    swaps: dict[int, Swaps] = {}
    problems = dict(enumerate([PROBLEM, *OTHERS, *generate_problems("prosqa", 12, seed=4)], start=1))
    swap_thoughts(model, problems, OTHERS, go_on, swaps.update)
    assert swaps.keys() == problems.keys()
    assert {each.count for each in swaps.values()} == {DRAWS}
    assert swaps[1].changed == controlled(model, OTHERS)[-1].row("random").changed
    assert any(each.changed for each in swaps.values())
    swap_thoughts(deaf_model, problems, OTHERS, go_on, swaps.update)
    assert {each.kind for each in swaps.values()} == {"unused"}


def test_swapping_can_be_stopped_between_batches(model: CoconutModel) -> None:
    swaps: dict[int, Swaps] = {}
    problems = dict(enumerate(generate_problems("prosqa", 20, seed=4), start=1))
    swap_thoughts(model, problems, OTHERS, lambda: bool(swaps), swaps.update)
    assert 0 < len(swaps) < 20


def test_the_filter_knows_used_partly_and_unused() -> None:
    problems = Collection([PROBLEM, replace(PROBLEM, steps=("one",)), PROBLEM, PROBLEM], None)
    problems.note_swaps({1: Swaps(6, 6), 2: Swaps(2, 6), 3: Swaps(0, 6)})
    problems.note({1: Said("### a", "a", "end", True)})
    expected = {"used": [1], "partly": [2], "unused": [3], "used right": [1], "unused right": []}
    assert {word: problems.matching(word) for word in expected} == expected


def table_of(shifts: dict[str, float | None]) -> Controlled:
    """A table by hand: by how much each control moves the logit difference, None where there is no such one."""
    rows = tuple(
        ControlRow(name, CONTROLS[name].description, 0, "there are no other problems")
        if shift is None
        else ControlRow(name, CONTROLS[name].description, 1, "", answered(0, 1), 1, None, (0.2, 0.6), 4 + shift)
        for name, shift in shifts.items()
    )
    place = DecidingPlace("### Polly is a", ("jelpus", "worpus"), judged=True)
    return Controlled(rows, answered(1, 0)[0], place, (0.9, 0.01), 4.0, complete=True)


TABLE = table_of({"zero": -1.0, "noise": -4.0, "mean": None, "random": -6.0, "twin": -8.0, "pause": 2.0})


@pytest.mark.parametrize(("width", "height"), [(74, 20), (114, 36), (192, 55)])
def test_every_control_has_the_logit_difference_and_a_bar_beside_its_probabilities(
    width: int, height: int
) -> None:
    console = Console(width=width, theme=palette_theme("standard", ground_of(BUILTIN_THEMES["textual-dark"])))
    with console.capture() as written:
        console.print(draw_controls(TABLE, "USED", width, height))
    lines = written.get().splitlines()
    assert max(map(len, lines)) <= width
    names = [line.split()[0] for line in lines if line.split() and line.split()[0] in CONTROLS]
    assert names == ["random", "twin", "noise", "mean", "pause", "zero"], "swaps first, then what deprives"
    twin = next(line for line in lines if line.startswith("twin"))
    assert "0.200" in twin
    assert "0.600" in twin
    assert "−4.00" in twin
    assert "██│" in twin
    assert "│█" in next(line for line in lines if line.startswith("pause"))
    own = next(line for line in lines if line.startswith("its own"))
    assert "+4.00" in own
    assert "█" not in own
    if height > 30:
        assert len(lines) >= 0.6 * height, "a row takes as many lines as there are, up to four"


def test_controls_are_sorted_by_effect_within_their_groups() -> None:
    console = Console(width=114, theme=palette_theme("standard", ground_of(BUILTIN_THEMES["textual-dark"])))
    with console.capture() as written:
        console.print(draw_controls(TABLE, "USED", 114, by_effect=True))
    starts = [line.split()[0] for line in written.get().splitlines() if line.split()]
    assert [name for name in starts if name in CONTROLS] == ["twin", "random", "noise", "pause", "mean", "zero"]


def test_one_swap_is_not_several() -> None:
    one = Controlled((ControlRow("random", "", 1, said=answered(0, 1), changed=1),), complete=True)
    assert "1 of 1 swap changed it" in what_it_says(one)


@pytest.mark.drives("controls")
async def test_the_controls_screen(checkpoint: Path) -> None:
    async with explorer(checkpoint).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("V")
        screen = app.screen
        assert isinstance(screen, ControlsScreen)
        await until(pilot, lambda app: screen.controlled.complete)
        assert len(screen.controlled.rows) == len(CONTROLS)
        assert str(screen.query_one(".dialog").border_subtitle) == "escape closes"
        await pilot.press("j", "pagedown", "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "escape")
        await typed(pilot, "controls")
        await pilot.press("escape")  # in the middle of it
        await settled(pilot)
        assert not isinstance(app.screen, ControlsScreen)
        await pilot.press("s")
        await settled(pilot)
        assert len(app.view.steps) == 1, "what comes after is not stopped"


@pytest.mark.drives("problems")
async def test_problems_are_tested_for_use_and_filtered(checkpoint: Path) -> None:
    problems = generate_problems("prosqa", 20, seed=5)
    async with explorer(checkpoint, problems=problems).run_test(size=WIDE) as pilot:
        app = await settled(pilot)
        await pilot.press("P")
        screen = app.screen
        assert isinstance(screen, ProblemsScreen)
        await pilot.press("ctrl+t")
        await until(pilot, lambda app: len(app.problems.swaps) == 20)
        assert "tested 20: " in str(screen.query_one(".dialog").border_title)
        kind = app.problems.swaps[1].kind
        screen.query_one(Input).value = kind
        await pilot.pause()
        assert screen.query_one(OptionList).option_count == len(app.problems.matching(kind)) > 0
        assert app.problems.swaps[1].mark in str(screen.query_one(OptionList).get_option_at_index(0).prompt)
        await pilot.press("f1")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "ctrl+t", "escape")
        await settled(pilot)
        assert not isinstance(app.screen, ProblemsScreen)
