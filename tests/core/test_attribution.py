"""Attribution patching: its gradients are those of finite differences, and it agrees with the exact grid."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.deciding import next_words
from coconut_core.grid.agreement import Agreement, compare
from coconut_core.grid.attribution import attribute, gradients_of
from coconut_core.grid.layouts import Direction, Kind
from coconut_core.grid.measuring import measure
from coconut_core.grid.setting import Choice, Setting, setting_of
from coconut_core.interventions import PatchHead, PatchLayer, Plan, Replace
from coconut_core.problems import Problem, example_problem, recognise
from coconut_core.runs.edits import Intervention
from tests.core.tiny_models import QUESTIONS, tiny_model

STEP = 3e-4  # of a central difference: readouts are float32, so that a smaller one drowns in their rounding


def problem_of(question: str) -> Problem:
    problem = recognise(question)
    assert problem is not None
    return problem


PROBLEM = problem_of(QUESTIONS[0])


def difference(setting: Setting, number: int, edit: Intervention) -> float:
    """The logit difference of a run with one thing put in place, computed as the exact grid does."""
    assert setting.at is not None
    (found,) = next_words(setting.model, setting.question, [Plan({number: edit})], setting.at)
    assert found.logit_difference is not None
    return found.logit_difference


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "qwen3"])
@pytest.mark.parametrize("feedback", ["hidden", "normed"])
def test_gradients_are_those_of_finite_differences(architecture: str, feedback: str) -> None:
    model = tiny_model(architecture, dtype=torch.float64, feedback=feedback)
    setting = setting_of(model, PROBLEM, Choice(Kind.LAYERS))
    own = gradients_of(setting)
    generator = torch.Generator().manual_seed(0)

    def check(gradient_and_value: Tensor, number: int, put) -> None:
        gradient, value = gradient_and_value
        direction = torch.randn(value.shape, generator=generator, dtype=value.dtype)
        ahead, back = (difference(setting, number, put(value + by * direction)) for by in (STEP, -STEP))
        expected = (ahead - back) / (2 * STEP)
        assert float(gradient @ direction) == pytest.approx(expected, rel=1e-2, abs=3e-3)

    for thought in (0, 1, 2):
        check(own.thoughts[:, thought], thought + 1, Replace)
        for layer in (0, 1):
            check(own.layers[:, thought, layer], thought + 1, lambda vector, at=layer: PatchLayer(at, vector))
            check(
                own.heads[:, thought, layer, 2], thought + 1, lambda vector, at=layer: PatchHead(at, 2, vector)
            )
    for position in (0, 5, 16):
        check(own.prompt[:, position, 0], 0, lambda vector, at=position: PatchLayer(0, vector, position=at))


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kind", [Kind.ABLATIONS, Kind.HEADS, Kind.LAYERS, Kind.PROMPT])
def test_what_is_the_same_in_both_runs_is_worth_nothing_and_cells_are_those_of_the_grid(
    kind: Kind, direction: Direction
) -> None:
    model = tiny_model("llama", max_positions=4096, dtype=torch.float64)
    setting = setting_of(model, PROBLEM, Choice(kind, direction))
    found = attribute(setting)
    layout = setting.layout()
    assert found.keys() <= layout.texts.keys()
    if kind is Kind.PROMPT:
        twin = model.encode_prompt(setting.sources.donor_problem("twin").question)
        own = model.encode_prompt(setting.question)
        first = next(place for place, (one, other) in enumerate(zip(own, twin, strict=True)) if one != other)
        assert all(abs(value) < 1e-9 for (position, _), value in found.items() if position < first)
        assert abs(found[first, 0]) > 1e-9


def test_the_run_behind_it_is_the_run_itself() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    setting = setting_of(model, PROBLEM, Choice(Kind.LAYERS))
    own = gradients_of(setting)
    assert own.difference == pytest.approx(measure(setting).own.difference, abs=1e-5)
    recorded = setting.sources.own
    assert recorded.layers is not None
    assert recorded.heads is not None
    torch.testing.assert_close(own.layers[1], recorded.layers, rtol=1e-5, atol=1e-5, check_dtype=False)
    torch.testing.assert_close(own.heads[1], recorded.heads, rtol=1e-5, atol=1e-5, check_dtype=False)
    torch.testing.assert_close(own.thoughts[1], recorded.thoughts, rtol=1e-5, atol=1e-5, check_dtype=False)
    stream = setting.sources.prompt_stream("own")
    torch.testing.assert_close(own.prompt[1], stream, rtol=1e-5, atol=1e-5, check_dtype=False)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_it_agrees_with_the_exact_grid_of_a_trained_model() -> None:
    model = CoconutModel.from_pretrained(Path(__file__).parents[2] / "models" / "prosqa", device="cpu")
    found = compare(model, [example_problem("prosqa", 3)], Choice(Kind.LAYERS))
    assert (found.questions, found.count) == (1, 12)
    assert found.pearson > 0.9
    assert found.spearman > 0.9


def test_agreement_is_worked_out_as_by_hand() -> None:
    assert Agreement((0.0, 1.0, 2.0, 2.0), (0.0, 2.0, 8.0, -8.0)).same_sign == 0.5
    tied = Agreement((1.0, 1.0, 2.0), (5.0, 6.0, 7.0))  # ranks 0.5, 0.5, 2 beside 0, 1, 2
    assert tied.spearman == pytest.approx(1.5 / (1.5 * 2) ** 0.5)
    exact = Agreement((1.0, 2.0, 3.0), (1.0, 4.0, 9.0), ("a", "b", "c"))
    assert exact.spearman == pytest.approx(1.0)
    assert exact.pearson == pytest.approx(8 / (2 * (98 / 3)) ** 0.5)
    assert exact.csv().splitlines()[1] == "a,1.0,1.0"


def test_where_there_is_no_gradient_one_line_says_so() -> None:
    model = tiny_model("llama")
    with pytest.raises(CoconutError, match="a grid of paths patches nothing in"):
        attribute(setting_of(model, PROBLEM, Choice(Kind.PATHS)))
    plain = Problem("Alex is a lempus. Eva?", (), "")
    with pytest.raises(CoconutError, match="no other answer is known"):
        attribute(setting_of(model, plain, Choice(Kind.LAYERS, donor="zero")))
    recurrent = tiny_model("mamba")
    with pytest.raises(CoconutError, match="recurrent layers"):
        attribute(setting_of(recurrent, PROBLEM, Choice(Kind.LAYERS)))
