"""Held-out problems, and what they say of a run: accuracy, loss, whether steps are told word for word, and a
diagnosis of its circuits."""

from math import inf, isfinite
from typing import Any

import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.evaluate import Evaluation, evaluate
from coconut_core.latent.losses import IGNORE
from coconut_core.latent.prompt_shortcut import prompt_shortcut
from coconut_core.latent.sequences import label_losses, read_with_thoughts
from coconut_core.problems import Problem
from coconut_core.records.answers import final_answer, is_right
from coconut_core.training.curriculum import Curriculum, Stage
from coconut_core.training.data import held_out_problems
from coconut_core.training.diagnosis import Diagnosis, Reading, summary
from coconut_core.training.encoding import Batch, Encoder, TokenizedProblem, collate
from coconut_core.training.limits import check_lengths, tokenize
from coconut_core.training.recipe import Recipe
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.summary import StepSummary

SAMPLES = 2
AT_ONCE = 64  # problems whose loss is worked out in one pass


class Validation:
    """The held-out problems of a run; there may be none."""

    def __init__(self, recipe: Recipe, model: CoconutModel, encoder: Encoder, run: RunFolder) -> None:
        """Raises CoconutError for a problem that the model cannot read."""
        self.encoder, self._precision = encoder, recipe.precision
        self.problems = held_out_problems(recipe.data, recipe.evaluation_problems, run)
        where = recipe.data.validation or "the held-out problems"
        self._tokenized: list[TokenizedProblem] = []
        for number, problem in enumerate(self.problems, start=1):
            try:
                model.encode_prompt(problem.question)
            except CoconutError as error:
                raise CoconutError(f"{where}, problem {number}: {error}") from error
            self._tokenized.append(tokenize(problem, encoder, f"{where}, problem {number}"))
        self._diagnosis = Diagnosis(self.problems, self._tokenized, encoder)
        check_lengths(enumerate(self._tokenized, start=1), encoder, recipe.stages, model.max_positions, where)

    @torch.no_grad()
    def row(self, model: CoconutModel, stage: Stage) -> dict[str, Any]:
        """What a log says of an evaluation at a stage. The model is in evaluation mode, and thinks as at that
        stage; it may speak freely, steps in words included."""
        result = evaluate(model, self.problems, thoughts=self.thoughts(stage), answer_only=False)
        loss, readings = self._read(model, stage)
        evaluation: dict[str, Any] = {
            "thoughts": stage.thoughts,
            "accuracy": result.accuracy,
            "n": result.count,
            "by_hops": {str(hops): rate for hops, rate in result.by_hops.items()},
        }
        if isfinite(loss.loss):  # a log holds numbers only
            evaluation["loss"] = round(loss.loss, 4)
            evaluation["loss_by_part"] = {name: round(part, 4) for name, part in loss.loss_by_part.items()}
        if (exact := self._chain_exact(result, stage)) is not None:
            evaluation["chain_exact"] = exact
        if diagnosis := summary(readings):
            evaluation["diagnosis"] = diagnosis
        samples = [_sample(model, problem) for problem in self.problems[:SAMPLES]]
        return {"evaluation": evaluation, "samples": samples}

    def thoughts(self, stage: Stage) -> list[int]:
        """How many thoughts each problem is given at a stage: as many as it would have in training."""
        return [self.encoder.thoughts(problem, stage) for problem in self._tokenized]

    def _read(self, model: CoconutModel, stage: Stage) -> tuple[StepSummary, list[Reading]]:
        """The loss that training would have on the problems at a stage, and what its circuits are read by."""
        batches: list[Batch] = []
        losses: list[Tensor] = []
        readings: list[Reading] = []
        assert isinstance(model.tokenizer.pad_token_id, int)
        examples = [self.encoder.encode(problem, stage) for problem in self._tokenized]
        order = sorted(range(len(examples)), key=lambda number: len(examples[number].ids))
        with prompt_shortcut(model):
            for start in range(0, len(order), AT_ONCE):
                numbers = order[start : start + AT_ONCE]
                batch = collate([examples[number] for number in numbers], model.tokenizer.pad_token_id)
                batch = batch.to(model.device)
                first = max(examples[number].prompt_length for number in numbers)
                labels = torch.full_like(batch.input_ids, IGNORE)
                labels[:, first:] = batch.input_ids[:, first:]  # all states behind the prompt are read
                with self._as_in_training(model.device):
                    hidden = read_with_thoughts(model, batch.input_ids, batch.attention_mask, labels)
                    losses.append(label_losses(model, hidden, batch.labels))
                batches.append(batch)
                readings += self._diagnosis.read(model, hidden[:, first - 1 :], numbers, stage)
        return StepSummary.of(batches, losses), readings

    def _as_in_training(self, device: torch.device) -> torch.autocast:
        """The number format that the recipe trains in."""
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self._precision)
        return torch.autocast(device.type, dtype, enabled=dtype is not None)

    def _chain_exact(self, result: Evaluation, stage: Stage) -> float | None:
        """The share of problems with steps in words at a stage of which exactly those were said before the
        answer; None where no problem has any."""
        hits = []
        tokenizer, prefix = self.encoder.tokenizer, self.encoder.config.answer_prefix
        for problem, answer in zip(self._tokenized, result.answers, strict=True):
            if steps := [token for step in self.encoder.in_words(problem, stage) for token in step]:
                text = answer.text.partition(prefix)[0]
                hits.append(text.strip() == str(tokenizer.decode(steps)).strip())
        return sum(hits) / len(hits) if hits else None


def is_learned(stage: Stage, evaluation: dict[str, Any], curriculum: Curriculum) -> bool:
    """Whether the loss at the first step in words, or at the answer where no problem has any, is below
    curriculum.advance; at the answer as well where steps go from the end, as the first step is then the same at
    all stages. Nothing held out says that of the look-up warm-up."""
    losses = evaluation.get("loss_by_part", {})
    answer = losses.get("answer", inf)
    loss = answer if stage.from_end else losses.get("first_step", answer)
    return stage.kind == "thoughts" and loss < curriculum.advance


def _sample(model: CoconutModel, problem: Problem) -> dict[str, Any]:
    """What the model thinks and says to a problem."""
    session = model.start(problem.question, max_new_tokens=96)
    text, prefix = session.finish(), model.config.answer_prefix
    return {
        "question": problem.question,
        "thoughts": [step.readout.top(1)[0].token for step in session.thought_steps()],
        "said": final_answer(text, prefix),
        "expected": problem.answer,
        "right": is_right(text, problem, prefix),
    }
