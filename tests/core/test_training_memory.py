"""What is predicted of a training step's memory, against what torch's allocator gave out in the real step.

The prediction counts tensors whose shapes alone are known. Here the real step is taken by the real trainer, and
torch.profiler reports every block that the CPU allocator gives out and takes back, kernels' own work included.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from torch.profiler import ProfilerActivity, profile

from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems, write_problems
from coconut_core.training.memory import FEW, Lengths, TrainingNeed, predict_training
from coconut_core.training.recipe import Recipe
from coconut_core.training.trainer import Trainer
from tests.core.tiny_models import tiny_model
from tests.core.tiny_recipes import tiny_gpt2, tiny_recipe, trainer_for

pytestmark = pytest.mark.usefixtures("any_precision")
TOLERANCE = 0.1
SHAPE = {"hidden_size": 64, "layers": 4, "heads": 4, "intermediate_size": 96, "max_positions": 400}


def recipe_for(folder: Path, **changes: Any) -> Recipe:
    """One that begins with a thought."""
    changes.setdefault("model", SHAPE)
    write_problems(problems := folder / "problems.json", generate_problems("prosqa", 1, 0) * 16)
    changes.setdefault("data", {"train": str(problems)})  # all of one length
    changes["curriculum"] = {"lookup": 0, "stages": 1, "skipped": 1, "total": 4}
    return tiny_recipe(**{"batch_size": 8, **changes})


def lengths_of(trainer: Trainer) -> Lengths:
    """Of the batch that is trained on next."""
    examples = trainer.batches.at(trainer.step).examples
    latent = trainer.plain_model.config.latent_id
    question = max(example.prompt_length for example in examples)
    thoughts = max(example.ids.count(latent) for example in examples)
    longest = max(len(example.ids) - example.prompt_length for example in examples)
    steps = 0
    if examples[0].beside:
        in_words = max(len(beside.ids) for example in examples for beside in example.beside.values())
        steps = in_words - (question - 1) - (longest - thoughts - 1)
    return Lengths(question, thoughts, longest - thoughts - 1, steps)


def allocated_in_a_step(trainer: Trainer) -> int:
    """The most bytes that the allocator had given out at once in a step, beside what was there before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        trainer._train_step()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        most = max(most, alive)
    return most


def measured(trainer: Trainer) -> tuple[int, TrainingNeed]:
    """The peak of a step whose averages are there already, and what was predicted of it."""
    trainer._train_step()
    need = predict_training(trainer.recipe, lengths_of(trainer), gpu=False)["whole"]
    weights = sum(weight.nbytes for weight in trainer.model.parameters())
    states = trainer.optimizer.state.values()
    averages = sum(value.nbytes for state in states for value in state.values() if value.dim())
    assert need.weights == pytest.approx(weights, rel=0.01)
    assert need.averages == pytest.approx(averages, rel=0.01)
    return weights + averages + allocated_in_a_step(trainer), need


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gradient_checkpointing": True},
        {"micro_batch": 3},
        {"model": {**SHAPE, "layers": 2, "hidden_size": 256, "intermediate_size": 600}, "batch_size": 2},
        {"precision": "bf16"},
        {"method": "codi", "thinking": {"projection": 32}},
        {"method": "sim-cot"},
    ],
    ids=lambda changes: ",".join(map(str, changes)) or "plain",
)
def test_within_a_tenth_of_what_was_allocated(changes: dict[str, Any], tmp_path: Path) -> None:
    trainer = trainer_for(recipe_for(tmp_path, **changes), tmp_path / "run")
    peak, need = measured(trainer)
    assert need.peak == pytest.approx(peak, rel=TOLERANCE)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("rank", [0, 4])
def test_of_a_base_whose_configuration_alone_is_read(rank: int, checkpointing: bool, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    base = tiny_gpt2(tmp_path / "gpt2")
    recipe = recipe_for(
        tmp_path, step_style="sentence", model={**SHAPE, "base": str(base)}, lora={"rank": rank},
        gradient_checkpointing=checkpointing,
    )  # fmt: skip
    trainer = trainer_for(recipe, tmp_path / "run")
    os.remove(base / "model.safetensors")
    peak, need = measured(trainer)
    assert need.peak == pytest.approx(peak, rel=TOLERANCE)
    assert (need.averages < need.weights) == bool(rank)


def test_layers_that_were_not_run_are_added_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, lengths = tiny_recipe(model={**SHAPE, "layers": 6}), Lengths(20, 1, 10)
    assert recipe.model.layers > FEW[-1]
    added = predict_training(recipe, lengths)
    monkeypatch.setattr("coconut_core.training.memory.FEW", (100, 101))
    assert predict_training(recipe, lengths) == added


def test_shapes_cost_no_memory(tmp_path: Path) -> None:
    """A model of 70 billion weights."""
    base = tmp_path / "large"
    shape = tiny_model("llama").base_lm.config
    shape.update({
        "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 128256, "max_position_embeddings": 8192,
        "attention_bias": False, "mlp_bias": False,
    })  # fmt: skip
    shape.save_pretrained(base)
    need = predict_training(tiny_recipe(model={"base": str(base)}), Lengths(8, 1, 4))["whole"]
    assert need.weights == 4 * 70_553_706_496
    # Weight, gradient, two averages, and on a GPU AdamW's square roots of all weights at once.
    assert need.peak == pytest.approx(5 * need.weights, rel=0.01)


def test_shared_out_it_is_less_in_each_process() -> None:
    recipe, lengths = tiny_recipe(model={**SHAPE, "layers": 4, "hidden_size": 512}), Lengths(20, 1, 10)
    whole, gathered, sharded = predict_training(recipe, lengths, processes=4).values()
    assert whole.peak > gathered.peak > sharded.peak
    assert sharded.averages == whole.averages // 4
    assert sharded.gathered < gathered.gathered


def test_longer_than_the_model_reads_is_refused() -> None:
    with pytest.raises(CoconutError, match="reads 400 positions, not 431"):
        predict_training(tiny_recipe(model=SHAPE), Lengths(400, 10, 20))


def test_weights_in_few_bits_are_refused() -> None:
    recipe = tiny_recipe(model={"base": "models/prosqa-cot"}, lora={"rank": 4, "quantize": "nf4"})
    with pytest.raises(CoconutError, match=r"leave out lora\.quantize"):
        predict_training(recipe, Lengths(10, 1, 5))


def test_a_folder_without_shapes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match=r"no shapes of model.base .*config\.json"):
        predict_training(tiny_recipe(model={"base": str(tmp_path)}), Lengths(10, 1, 5))
