"""A CoconutModel where transformers' own models stand: outputs, generation from token ids, and its Trainer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems
from coconut_core.training.data import encoder_of
from coconut_core.training.start import build_model
from coconut_core.training.transformers_trainer import CoconutTrainer, StageCollator
from tests.core.tiny_recipes import tiny_recipe

PROBLEMS = generate_problems("prosqa", 8, seed=3)


def trainer_for(folder: Path, steps: int, **settings: Any) -> CoconutTrainer:
    recipe = tiny_recipe(curriculum={"lookup": 0})
    model = build_model(recipe)
    collator = StageCollator(encoder_of(model, recipe), recipe.stages[-1])
    defaults: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "learning_rate": 1e-2}
    arguments = TrainingArguments(
        str(folder),
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
        max_steps=steps,
        lr_scheduler_type="constant",
        remove_unused_columns=False,
        disable_tqdm=True,
        **defaults | settings,
    )
    data = {"train_dataset": PROBLEMS, "eval_dataset": PROBLEMS[:3]}
    return CoconutTrainer(model, arguments, data_collator=collator, **data)


def test_an_output_is_read_by_name_and_by_place(llama: CoconutModel) -> None:
    prompt = llama.encode_prompt("Is Alex a lempus?")
    ids = torch.tensor([[*prompt, llama.config.latent_id, llama.config.eot_id, prompt[0]]])
    output = llama(ids, labels=ids, return_logits=True)
    assert output["loss"] is output.loss is output[0]
    assert output["logits"] is output.logits is output[1]
    assert "halting_loss" not in output
    assert [*output.keys()] == ["loss", "logits", "label_losses", "hidden"]
    assert repr(output).startswith("CoconutOutput(loss=")
    assert f", halting_loss=None, hidden=(1, {ids.shape[1]}, " in repr(output)
    assert llama(ids)[0].shape == (*ids.shape, llama.shape.hidden_size), "without labels the states come first"


@pytest.mark.parametrize("side", ["left", "right"])
def test_token_ids_are_answered_as_the_same_questions_in_words(llama: CoconutModel, side: str) -> None:
    questions = ["Alex is a lempus. Is Alex a lempus or rompus?", "Is Alex a lempus?"]
    answers = llama.run(questions, max_new_tokens=5).results
    prompts = [llama.encode_prompt(question) for question in questions]
    prompts[1] = prompts[1][:-1]  # as the tokenizer has it, without <bot>
    width = max(map(len, prompts))
    ids, mask = torch.zeros(2, width, dtype=torch.long), torch.zeros(2, width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        place = slice(width - len(prompt), width) if side == "left" else slice(0, len(prompt))
        ids[row, place], mask[row, place] = torch.tensor(prompt), 1
    given: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
    out = llama.generate(**given, max_new_tokens=5, do_sample=False)
    assert torch.equal(out[:, :width], ids)
    for row, answer in zip(out[:, width:].tolist(), answers, strict=True):
        assert row[: len(answer.token_ids)] == answer.token_ids
        assert set(row[len(answer.token_ids) :]) <= {llama.tokenizer.pad_token_id}
    assert torch.equal(llama.generate(ids[:1], max_new_tokens=5), out[:1]) or side == "right"
    drawn = llama.generate(**given, max_new_tokens=5, do_sample=True, seed=1)
    expected = llama.run(questions, max_new_tokens=5, temperature=1.0, seed=1).results
    assert drawn[0, width : width + len(expected[0].token_ids)].tolist() == expected[0].token_ids


def test_what_cannot_be_generated_from_is_one_line(llama: CoconutModel) -> None:
    with pytest.raises(CoconutError, match="a question is a text or a Problem, not None"):
        llama.generate(None)  # type: ignore[call-overload]
    with pytest.raises(CoconutError, match="do= needs questions"):
        llama.generate(torch.tensor([[5]]), do="zero@1")
    most = llama.max_positions
    assert most is not None
    with pytest.raises(CoconutError, match=rf"a prompt has {most + 2} tokens, the model reads at most {most}"):
        llama.generate(torch.full((1, most + 1), 5))


def test_its_checkpoints_open_and_are_gone_on_with(tmp_path: Path) -> None:
    whole = trainer_for(tmp_path / "whole", 4)
    whole.train()
    parts = trainer_for(tmp_path / "parts", 2)
    parts.train()
    opened = CoconutModel.from_pretrained(tmp_path / "parts" / "checkpoint-2", device="cpu")
    assert opened.config.thoughts == 2, "those of the stage"
    for name, weight in parts.model.state_dict().items():
        assert torch.equal(opened.state_dict()[name], weight), name
    assert opened.base_lm.config.tie_word_embeddings
    assert opened.generate(PROBLEMS[:2], max_new_tokens=3) == parts.model.eval().generate(
        PROBLEMS[:2], thoughts=2, max_new_tokens=3
    )
    resumed = trainer_for(tmp_path / "parts", 4)
    resumed.train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-2"))
    for name, weight in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], weight, rtol=1e-5, atol=1e-6)


def test_it_evaluates_and_ends_with_the_best(tmp_path: Path) -> None:
    best = {"eval_strategy": "steps", "eval_steps": 2, "load_best_model_at_end": True, "learning_rate": 10.0}
    trainer = trainer_for(tmp_path / "run", 4, **best)
    batch = trainer.data_collator(PROBLEMS[:3])
    before = float(trainer.model(**batch).loss)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(before, rel=1e-5)
    trainer.train()
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert len(losses) == 2
    assert float(trainer.model(**batch).loss) == pytest.approx(min(losses), rel=1e-4)


def test_a_model_that_was_opened_to_run_learns(tmp_path: Path, saved_folder: Path) -> None:
    model = CoconutModel.from_pretrained(saved_folder, device="cpu")
    assert not any(parameter.requires_grad for parameter in model.parameters())
    CoconutTrainer(model, TrainingArguments(str(tmp_path), report_to=[], use_cpu=True))
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(CoconutError, match="use `coconut train` with FSDP"):
        CoconutTrainer(model, TrainingArguments(str(tmp_path), report_to=[], use_cpu=True))._save(
            str(tmp_path), {}
        )
