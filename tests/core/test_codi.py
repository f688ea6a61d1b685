"""CODI and PCCoT: losses and gradients are those of the published objectives, and what is trained opens."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.losses import IGNORE
from coconut_core.problems import Problem, generate_problems, read_problems
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.training.curriculum import Curriculum
from coconut_core.training.encoding import Encoder, Example
from coconut_core.training.methods.objective import Objective
from coconut_core.training.methods.passes import StepSize
from coconut_core.training.methods.table import Method, Options, expand, method_named, with_defaults
from coconut_core.training.recipe import load_recipe
from tests.core.codi_reference import codi_loss, in_passes, one_by_one
from tests.core.projecting_models import projecting_model
from tests.core.real_tokenizers import gpt2_tokenizer
from tests.core.sequence_rows import gradients
from tests.core.tiny_recipes import assert_same_weights, go_on, problem_file, tiny_recipe, train

THOUGHTS = 3
# Of two to four steps, so that rows of a batch have different lengths in front of the mark and behind it.
PROBLEMS = generate_problems("prosqa", 3, 4, size=ProsqaSize(nodes=(6, 8), hops=(2, 4)))


def objective(model: CoconutModel, name: str, **options: Any) -> Objective:
    pad = model.tokenizer.pad_token_id
    assert isinstance(pad, int)
    return Objective(model, method_named(name), with_defaults(name, options), model.forward, pad)


def laid_out_by(method: Method, options: Options) -> Callable[..., Mapping[str, Example]]:
    lay_out = method.lay_out
    assert lay_out is not None
    return lambda encoder, problem, stage: lay_out(encoder, problem, stage, options)


def examples(made: Objective) -> list[Example]:
    encoder = Encoder(made.model.tokenizer, made.model.config, lay_out=laid_out_by(made.method, made.options))
    [stage] = expand("codi", Curriculum(stages=THOUGHTS))
    return [encoder.encode(encoder.tokenize(problem), stage) for problem in PROBLEMS]


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize(
    ("name", "passes", "weights", "last_step"),
    [
        ("codi", 0, (1.0, 1.0, 1.0), False),
        ("codi", 0, (0.5, 2.0, 20.0), True),
        ("pccot", 2, (1.0, 1.0, 1.0), False),
    ],
)
def test_loss_and_gradients_are_those_of_the_published_objective(
    architecture: str, name: str, passes: int, weights: tuple[float, float, float], last_step: bool
) -> None:
    model = projecting_model(architecture)
    model.config = model.config.with_passes(passes)
    find = in_passes(passes) if passes else one_by_one
    expected = codi_loss(
        model, PROBLEMS, THOUGHTS, weights=weights, last_step=last_step, find=find, pccot=name == "pccot"
    )
    expected.backward()
    wanted = gradients(model)
    options = dict(zip(("teacher", "student", "distillation"), weights, strict=True))
    made = objective(model, name, **options, last_step=last_step)
    batch = examples(made)
    found = made(batch, StepSize.of(batch)).total
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found.backward()
    for parameter, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[parameter], rtol=1e-5, atol=1e-5, msg=parameter)
    assert float(wanted["feedback.inner.weight"].abs().sum()) > 0


@pytest.mark.parametrize("prefix", ["###", "The answer is:"])
def test_the_mark_is_the_token_in_front_of_the_answer_itself(prefix: str) -> None:
    config = replace(projecting_model("gpt2").config, answer_prefix=prefix, family=None)
    tokenizer = gpt2_tokenizer()
    lay_out = laid_out_by(method_named("codi"), with_defaults("codi", {}))
    encoder = Encoder(tokenizer, config, lay_out=lay_out)
    [stage] = expand("codi", Curriculum(stages=2))
    for answer in ("7", "1,250.5", "a rompus."):
        problem = Problem("How many?", ("<<3+4=7>>", "<<7*1=7>>"), answer)
        example = encoder.encode(encoder.tokenize(problem), stage)
        for reading in (example, example.beside["teacher"]):
            [mark] = reading.marks
            assert str(tokenizer.decode(reading.ids[: mark + 1])).rstrip().endswith(prefix)
            own = str(tokenizer.decode(reading.ids[mark + 1 : -1]))
            assert own.strip() == answer
            assert str(tokenizer.decode(reading.ids[mark + 1])).strip()  # a space of its own is in front of it
        teacher = example.beside["teacher"]
        assert str(tokenizer.decode(teacher.ids[:-1])) == f"How many?\n<<3+4=7>>\n{prefix} {answer}"
        assert teacher.labels[: teacher.prompt_length] == [IGNORE] * teacher.prompt_length


@pytest.mark.parametrize(("method", "passes"), [("codi", 0), ("pccot", 2)])
def test_what_is_trained_opens_thinks_and_answers(method: str, passes: int, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        method=method,
        curriculum={"lookup": 0, "stages": 3, "total": 6},
        thinking={"projection": 8, "passes": passes},
    )
    rows = [row for row in train(recipe, tmp_path / "whole") if "terms" in row]
    assert list(rows[0]["terms"]) == ["student", "teacher", "distillation"]
    model = CoconutModel.from_pretrained(tmp_path / "whole" / "checkpoint", device="cpu")
    assert (model.config.feedback, model.config.thoughts, model.config.passes) == ("projection", 3, passes)
    [answer] = model.run(read_problems(problem_file(tmp_path, 1))[0]).results
    assert answer.thoughts == 3


def test_micro_batches_of_the_cross_entropies_learn_the_same(tmp_path: Path) -> None:
    """The distance is in units of a batch's own standard deviation, so it is not cut here."""
    options = {"distillation": 0.0}
    changes: dict[str, Any] = {"curriculum": {"lookup": 0, "total": 6}, "options": options}
    train(tiny_recipe(method="codi", **changes), tmp_path / "whole")
    train(tiny_recipe(method="codi", micro_batch=3, **changes), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts", 2e-5)


def test_gradient_checkpointing_changes_nothing_but_the_memory(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"method": "codi", "curriculum": {"lookup": 0, "total": 6}}
    train(tiny_recipe(**changes), tmp_path / "plain")
    train(tiny_recipe(**changes, gradient_checkpointing=True), tmp_path / "sparing")
    assert_same_weights(tmp_path / "plain", tmp_path / "sparing", 2e-5)


def test_a_run_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    recipe = tiny_recipe(method="codi", curriculum={"lookup": 0, "total": 6}, thinking={"projection": 8})
    train(recipe, tmp_path / "whole")
    train(recipe, tmp_path / "parts", until=4)
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_pccot_without_passes_is_refused() -> None:
    with pytest.raises(CoconutError, match=r"method 'pccot' needs thinking.passes"):
        load_recipe("small", ["method=pccot"])
