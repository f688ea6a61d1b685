"""SIM-CoT in training: loss and gradients are those of the published objective, and the decoder is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.checkpoints.explainer import open_explainer
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems, read_problems
from coconut_core.problems.prosqa import ProsqaSize
from coconut_core.training.curriculum import ALL, Stage
from coconut_core.training.encoding import Encoder
from coconut_core.training.methods.objective import Objective
from coconut_core.training.methods.passes import StepSize
from coconut_core.training.methods.table import method_named, with_defaults
from tests.core.sequence_rows import gradients
from tests.core.sim_cot_reference import sim_cot_loss
from tests.core.tiny_models import tiny_model
from tests.core.tiny_recipes import assert_same_weights, go_on, problem_file, tiny_recipe, train

# Of two to four steps: fewer and more than there are thoughts for.
PROBLEMS = generate_problems("prosqa", 3, 4, size=ProsqaSize(nodes=(6, 8), hops=(2, 4)))
EACH = 2


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize(("groups", "gone"), [(1, 1), (3, 3), (3, ALL)])
def test_loss_and_gradients_are_those_of_the_published_objective(
    architecture: str, groups: int, gone: int
) -> None:
    model = tiny_model(architecture, dtype=torch.float64)
    model.config = replace(model.config, recipe={"curriculum": {"thoughts_per_step": EACH}})
    method, options = method_named("sim-cot"), with_defaults("sim-cot", {})
    assert method.lay_out is not None
    assert method.module is not None
    lay_out = method.lay_out
    companion: Any = method.module(model, options)
    with torch.no_grad():  # another model than the one that thinks
        for weight in companion.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    model.companion = companion.eval()
    assert {len(problem.steps) for problem in PROBLEMS} >= {2, 4}
    expected = sim_cot_loss(model, companion.language_model, PROBLEMS, groups, EACH, gone)
    expected.backward()
    wanted = gradients(model)
    encoder = Encoder(
        model.tokenizer,
        model.config,
        thoughts_per_step=EACH,
        lay_out=lambda encoder, problem, stage: lay_out(encoder, problem, stage, options),
    )
    stage = Stage(1, removed=gone, thoughts=groups * EACH)
    batch = [encoder.encode(encoder.tokenize(problem), stage) for problem in PROBLEMS]
    pad = model.tokenizer.pad_token_id
    assert isinstance(pad, int)
    found = Objective(model, method, options, model.forward, pad)(batch, StepSize.of(batch)).total
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)  # losses are float32
    found.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-5, atol=1e-5, msg=name)
    assert any(float(wanted[name].abs().sum()) for name in wanted if name.startswith("companion."))


def test_the_decoder_is_kept_as_explainer_and_gone_on_with(tmp_path: Path) -> None:
    recipe = tiny_recipe(method="sim-cot", curriculum={"lookup": 0, "thoughts_per_step": 2})
    rows = train(recipe, tmp_path / "whole")
    assert {"coconut", "steps"} == set(next(row["terms"] for row in rows if "terms" in row))
    checkpoint = tmp_path / "whole" / "checkpoint"
    model = CoconutModel.from_pretrained(checkpoint, device="cpu")
    explainer = open_explainer(model, str(checkpoint))
    assert (explainer.thoughts_per_step, explainer.first_position) == (2, 1)
    run = model.start(read_problems(problem_file(tmp_path, 1))[0].question)
    run.finish()
    thoughts = torch.stack([step.hidden for step in run.thought_steps()])
    assert [(each.first, each.last) for each in explainer.explain(model, thoughts)] == [(1, 2), (3, 4)]
    train(recipe, tmp_path / "parts", until=4)
    go_on(recipe, tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_micro_batches_learn_the_same(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"method": "sim-cot", "curriculum": {"lookup": 0, "total": 6}}
    train(tiny_recipe(**changes), tmp_path / "whole")
    train(tiny_recipe(**changes, micro_batch=1), tmp_path / "parts")
    assert_same_weights(tmp_path / "whole", tmp_path / "parts", 2e-5)


def test_what_a_decoder_cannot_be_is_one_line(tmp_path: Path) -> None:
    curriculum = {"lookup": 0}
    with pytest.raises(CoconutError, match=r"method 'sim-cot' has thoughts one after the other"):
        train(tiny_recipe(method="sim-cot", curriculum=curriculum, thinking={"passes": 2}), tmp_path / "no")
    recipe = tiny_recipe(method="sim-cot", curriculum=curriculum, options={"decoder": str(tmp_path / "none")})
    with pytest.raises(CoconutError, match=r"options.decoder: .*none cannot be loaded: "):
        train(recipe, tmp_path / "no")
