"""The causal grid: every cell is the same intervention done to a run by itself, and means are means."""

from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.ablations import ablations_of
from coconut_core.grid.layouts import Direction, Kind, Size, layout_of
from coconut_core.grid.measuring import Cell, Grid, measure, measure_many
from coconut_core.grid.setting import Choice, Setting, position_names, setting_of
from coconut_core.grid.tables import grid_csv, grid_figure, grid_record
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.latent.prompt import encode_text
from coconut_core.problems import Problem, example_problem, recognise
from coconut_core.records.answers import is_right, wrong_answer
from coconut_core.runs.session import Session
from tests.core.tiny_models import QUESTIONS, talkative_model, tiny_model

MODELS = Path(__file__).parents[2] / "models"
KINDS = [*Kind]


def problem_of(question: str) -> Problem:
    problem = recognise(question)
    assert problem is not None
    return problem


PROBLEM = problem_of(QUESTIONS[0])


def model_of(architecture: str = "llama") -> CoconutModel:
    end = tiny_model(architecture).tokenizer.eos_token_id
    return talkative_model(architecture, end, max_positions=4096, dtype=torch.float64)


def difference_by_hand(setting: Setting, text: str, problem: Problem) -> float:
    """logit(right) - logit(wrong) of one run by itself, behind the words that both answers of a problem have in
    common."""
    model = setting.model
    right, wrong = (
        encode_text(model.tokenizer, f"{model.config.answer_prefix} {answer}")
        for answer in (problem.answer, wrong_answer(problem) or "")
    )
    place = next(number for number, (one, other) in enumerate(zip(right, wrong, strict=True)) if one != other)
    session = Session(model, setting.question)
    if text:
        session.apply(parse_plan(text, setting.sources))
    session.finish_thinking()
    for word in right[:place]:
        session.speak(word)
    logits = session.next_readout.logits
    return float(logits[right[place]] - logits[wrong[place]])


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_every_cell_is_the_intervention_done_to_a_run_by_itself(
    architecture: str, kind: Kind, direction: Direction
) -> None:
    choice = Choice(kind, direction)
    setting = setting_of(model_of(architecture), PROBLEM, choice)
    if kind is Kind.PATHS and direction is Direction.DENOISING:
        with pytest.raises(CoconutError, match="a path is cut in one run"):
            measure(setting)
        return
    grid = measure(setting)
    assert len(grid.cells) == len(grid.layout.texts) >= 3
    own = difference_by_hand(setting, "", PROBLEM)
    assert grid.own.difference == pytest.approx(own, abs=1e-5)
    for place, cell in grid.cells.items():
        assert not cell.error
        expected = difference_by_hand(setting, grid.layout.texts[place], PROBLEM)
        assert cell.difference == pytest.approx(expected, abs=1e-5), grid.layout.texts[place]
        assert cell.shift == pytest.approx(expected - own, abs=1e-5)


@pytest.mark.parametrize("kind", [Kind.HEADS, Kind.LAYERS, Kind.PROMPT])
def test_denoising_is_noising_of_the_twin_the_other_way_round(kind: Kind) -> None:
    """What repairs the twin's run breaks it where the twin is the question, and this one is its twin."""
    model = model_of()
    twin = Sources(model, PROBLEM.question, PROBLEM).donor_problem("twin")
    assert Sources(model, twin.question, twin).donor_problem("twin").question == PROBLEM.question
    repaired = measure(setting_of(model, PROBLEM, Choice(kind, Direction.DENOISING)))
    broken = measure(setting_of(model, twin, Choice(kind)))
    assert repaired.question == twin.question == broken.question
    assert repaired.own.difference == pytest.approx(-(broken.own.difference or 0), abs=1e-5)
    for place, cell in repaired.cells.items():
        assert cell.shift == pytest.approx(-(broken.cells[place].shift or 0), abs=1e-5)


def test_flips_are_those_of_the_answers() -> None:
    model = CoconutModel.from_pretrained(MODELS / "prosqa", device="cpu")
    problem = example_problem("prosqa", 3)
    for direction in Direction:
        setting = setting_of(model, problem, Choice(Kind.LAYERS, direction))
        grid = measure(setting)
        flips = {place for place, cell in grid.cells.items() if cell.flip is not None}
        for place, text in grid.layout.texts.items():
            session = model.start(setting.question)
            own = session.fork()
            session.apply(parse_plan(text, setting.sources))
            before, after = (is_right(run.finish(), problem, "###") for run in (own, session))
            cell = grid.cells[place]
            assert cell.flip == (None if before is after else after)
            assert cell.changed is (own.text != session.text)
        assert flips, "the twin's thought 3 decides here"


def test_a_trained_search_breaks_and_is_repaired_at_one_thought() -> None:
    """models/prosqa: the twin's third thought in place of its own makes it give the twin's answer, and its own
    in the twin's run gives the right one; patching what the last layer gives behind thought 2 is the same."""
    model = CoconutModel.from_pretrained(MODELS / "prosqa", device="cpu")
    problem = example_problem("prosqa", 3)
    noising = measure(setting_of(model, problem, Choice()))
    row = noising.layout.rows.index("replace twin")
    broken = noising.cells[row, 2]
    assert broken.flip is False
    assert (broken.shift or 0) < -10
    assert noising.words == ("terpus", "felpus")
    repaired = measure(setting_of(model, problem, Choice(direction=Direction.DENOISING))).cells[0, 2]
    assert repaired.flip is True
    assert (repaired.shift or 0) > 10
    layers = measure(setting_of(model, problem, Choice(Kind.LAYERS)))
    assert layers.cells[1, 1].shift == pytest.approx(broken.shift, abs=1e-3)


def test_means_are_those_of_single_grids_worked_out_by_hand() -> None:
    model = model_of()
    problems = [PROBLEM, *map(problem_of, QUESTIONS[2:])]
    choice = Choice(Kind.HEADS, thought=2)
    told: list[int] = []
    means = measure_many(model, problems, choice, progress=told.append)
    grids = [measure(setting_of(model, problem, choice)) for problem in problems]
    assert (means.count, sum(told), means.left_out) == (3, 3, {})
    for place, cell in means.cells.items():
        shifts = [grid.cells[place].shift or 0.0 for grid in grids]
        mean = sum(shifts) / 3
        deviation = sqrt(sum((shift - mean) ** 2 for shift in shifts) / 2)
        assert cell.shift.n == 3
        assert cell.shift.mean == pytest.approx(mean, abs=1e-9)
        assert cell.shift.high - mean == pytest.approx(1.959964 * deviation / sqrt(3), abs=1e-9)
        flips = [grid.cells[place].flip for grid in grids]
        assert (cell.lost, cell.won) == (flips.count(False), flips.count(True))
    own = [grid.own.difference or 0.0 for grid in grids]
    assert means.difference.mean == pytest.approx(sum(own) / 3, abs=1e-9)


def test_questions_that_fit_no_grid_are_left_out_and_counted() -> None:
    model = model_of()
    plain = Problem("Alex is a lempus. Eva?", (), "Eva is a lempus.")
    means = measure_many(model, [PROBLEM, plain, problem_of(QUESTIONS[2])], Choice(Kind.PROMPT))
    assert means.count == 1
    assert sorted(means.left_out.values()) == [1, 1]
    assert any("no minimal twin" in why for why in means.left_out)
    assert any("another size" in why for why in means.left_out)
    with pytest.raises(CoconutError, match=r"no question is left to measure: .*no minimal twin"):
        measure_many(model, [plain], Choice(Kind.HEADS))
    wrong = replace(PROBLEM, answer="Nobody is right.")
    with pytest.raises(CoconutError, match="its answer is wrong"):
        measure_many(model, [wrong], Choice(), only_right=True)


def test_a_plain_question_has_a_grid_as_far_as_there_is_anything_to_patch() -> None:
    """No right answer, no twin: the run's own answer stands for the right one and another one for the wrong."""
    model = model_of()
    plain = Problem("Alex is a lempus. Eva?", (), "")
    grid = measure(setting_of(model, plain, Choice()))
    row = grid.layout.rows.index("replace twin")
    assert "no minimal twin" in grid.cells[row, 0].error
    assert not grid.judged
    assert all(cell.flip is None for cell in grid.cells.values())
    assert all(cell.answer is not None for place, cell in grid.cells.items() if place[0] != row)
    for kind in (Kind.HEADS, Kind.LAYERS, Kind.PROMPT):
        with pytest.raises(CoconutError, match="no minimal twin"):
            setting_of(model, plain, Choice(kind))
        zeroed = measure(setting_of(model, plain, Choice(kind, donor="zero")))
        assert all(not cell.error and cell.answer is not None for cell in zeroed.cells.values())
    assert measure(setting_of(model, plain, Choice(Kind.PATHS))).cells


def test_what_is_known_comes_in_bit_by_bit_and_can_be_ended() -> None:
    class Enough(Exception):  # noqa: N818  (it is no error)
        pass

    setting = setting_of(model_of(), PROBLEM, Choice(Kind.LAYERS))
    seen: list[Grid] = []

    def interrupt() -> None:
        if len(seen) > 2:
            raise Enough

    with pytest.raises(Enough):
        measure(setting, seen.append, interrupt)
    assert any(cell.difference is not None for cell in seen[-1].cells.values())
    assert any(cell.answer is None for cell in seen[-1].cells.values())


def test_the_layouts() -> None:
    size = Size(3, 2, 4, ("Alex", "is", "<bot>"))
    ablations = layout_of(Kind.ABLATIONS, size)
    assert [ablations.texts[row, 1] for row in range(len(ablations.rows))] == list(ablations_of(2))
    assert layout_of(Kind.HEADS, size, thought=2).texts[1, 3] == "patch-head 1.3 twin@2"
    assert layout_of(Kind.HEADS, size, donor="zero").texts[0, 1] == "patch-head 0.1 zero@all"
    assert layout_of(Kind.LAYERS, size).texts[1, 2] == "patch 1 twin@3"
    prompt = layout_of(Kind.PROMPT, size)
    assert (prompt.rows[2], prompt.texts[2, 1]) == ("2 <bot>", "patch 1 twin@prompt:2")
    paths = layout_of(Kind.PATHS, size)
    assert paths.rows[:4] == ("the prompt", "thought 1", "thought 2", "0 Alex")
    assert paths.texts[1, 1] == "knockout thought:1@2"
    assert (1, 0) not in paths.texts, "nobody sees what comes later"
    repaired = layout_of(Kind.ABLATIONS, size, direction=Direction.DENOISING)
    assert repaired.rows == ("replace twin",)


@pytest.mark.parametrize(
    ("choice", "size", "why"),
    [
        (Choice(Kind.HEADS, thought=4), Size(3, 2, 4), "no thought 4"),
        (Choice(Kind.HEADS), Size(3, 2, 0), "no attention heads"),
        (Choice(Kind.LAYERS), Size(0, 2, 4), "takes no thoughts"),
        (Choice(Kind.PATHS, Direction.DENOISING), Size(3, 2, 4), "denoising needs a donor"),
        (Choice(Kind.HEADS, Direction.DENOISING, "zero"), Size(3, 2, 4), "denoising needs a donor"),
    ],
)
def test_a_grid_that_there_is_not_is_refused_in_one_line(choice: Choice, size: Size, why: str) -> None:
    with pytest.raises(CoconutError, match=why) as caught:
        choice.layout(size)
    assert "\n" not in str(caught.value)


def test_every_position_of_the_prompt_has_its_word() -> None:
    model = tiny_model("llama")
    names = position_names(model, QUESTIONS[0])
    assert len(names) == len(model.encode_prompt(QUESTIONS[0]))
    assert names[-1] == "<bot>"
    assert names[0] == "Every"


@pytest.fixture(scope="module")
def grid() -> Grid:
    return measure(setting_of(model_of(), PROBLEM, Choice(Kind.LAYERS)))


def test_a_grid_as_json_csv_and_figure(grid: Grid) -> None:
    marked = replace(grid, cells={**grid.cells, (0, 0): Cell(1.0, -2.5, "x", True, False)})
    record = grid_record(marked, {"model": "tiny"})
    assert (record["model"], record["kind"], len(record["cells"])) == ("tiny", "layers", 6)
    assert record["cells"][0] == {
        **{"layer": "layer 0", "thought": "1", "intervention": "patch 0 twin@1", "difference": 1.0},
        **{"shift": -2.5, "answer": "x", "changed": True, "flip": False, "error": ""},
    }
    lines = grid_csv(marked).splitlines()
    assert len(lines) == 7
    assert lines[1].startswith("layer 0,1,patch 0 twin@1,1.0,-2.5,x,True,False,")
    drawn = grid_figure(marked)
    assert "-2.50✗" in drawn.to_text()
    assert "-2.50 ✗" in drawn.svg()
