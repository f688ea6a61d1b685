"""The trainer: one recipe, one run folder, resumable at any checkpoint."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from accelerate import Accelerator
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from coconut_core.errors import CoconutError
from coconut_core.model import CoconutModel
from coconut_core.training.data import Batches, held_out_problems
from coconut_core.training.encoding import Batch, Encoder, Part
from coconut_core.training.prompt_shortcut import prompt_shortcut
from coconut_core.training.recipe import Recipe
from coconut_core.training.run_folder import RunFolder

Report = Callable[[dict[str, Any]], None]


class Trainer:
    """Trains a model from scratch by a recipe.

    A run folder holds recipe.json, metrics.jsonl, the resume state and, at the end, the checkpoint.
    Each step's batch follows from seed and step number alone, so a resumed run takes the same steps.
    """

    def __init__(
        self, model: CoconutModel, recipe: Recipe, folder: RunFolder, *, report: Report, device: str = "auto"
    ) -> None:
        self.recipe, self.folder, self.report = recipe, folder, report
        self.accelerator = Accelerator(mixed_precision=recipe.precision, cpu=device == "cpu")
        encoder = Encoder(model.tokenizer, model.config, recipe.step_style, recipe.label_thoughts)
        pad_id = model.tokenizer.pad_token_id
        assert isinstance(pad_id, int)
        self.batches = Batches(recipe, encoder, pad_id)
        self.held_out = held_out_problems(recipe.data, recipe.evaluation_problems)
        optimizer = _optimizer(model, recipe)
        self.schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(step, recipe))
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.step = 0

    @property
    def plain_model(self) -> CoconutModel:
        """The model without accelerate's wrapping, labelled with the stage that it has reached."""
        model: CoconutModel = self.accelerator.unwrap_model(self.model)
        stage = self.recipe.stages[self.recipe.stage_at(max(0, self.step - 1))]
        model.config = replace(
            model.config, stage=stage.thoughts if stage.kind == "thoughts" else 0, thoughts=stage.thoughts
        )
        return model

    def run(self, until: int | None = None) -> None:
        """Train to the end, or until a step. Saves on the way and on interruption."""
        end = min(self.recipe.total_steps, until if until is not None else self.recipe.total_steps)
        saved = self.step
        try:
            while self.step < end:
                self._train_step()
                if self.step % self.recipe.evaluate_every == 0 or self.step == end:
                    self._evaluate()
                if self.step % self.recipe.checkpoint_every == 0 or self.step == end:
                    self.save()
                    saved = self.step
        except KeyboardInterrupt:
            if saved != self.step:
                self.save()
            raise CoconutError(
                f"stopped at step {self.step}; go on with: coconut train --resume --out {self.folder.path}"
            ) from None
        self.plain_model.save_pretrained(self.folder.checkpoint)

    def save(self) -> None:
        """Write the resume state."""
        self.folder.save_state(
            {
                "step": self.step,
                "model": self.accelerator.unwrap_model(self.model).state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
            }
        )

    def resume(self) -> None:
        """Go on from the newest resume state of the run folder."""
        state = self.folder.load_state()
        self.accelerator.unwrap_model(self.model).load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.step = int(state["step"])

    def _train_step(self) -> None:
        began = time.perf_counter()
        stage, batch = self.batches.at(self.step)
        batch = batch.to(self.accelerator.device)
        plain: CoconutModel = self.accelerator.unwrap_model(self.model)
        with prompt_shortcut(plain):
            output = self.model(batch.input_ids, batch.attention_mask, batch.labels)
        self.accelerator.backward(output.loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.optimizer.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % 25 == 0 or self.step == 1:
            self._log(stage, batch, output.loss, output.label_losses, time.perf_counter() - began)

    def _log(self, stage: int, batch: Batch, loss: Tensor, label_losses: Tensor, seconds: float) -> None:
        if not math.isfinite(loss.item()):
            raise CoconutError(
                f"the loss is {loss.item()} at step {self.step}: lower optimizer.learning_rate; the last "
                f"good state is in {self.folder.path}"
            )
        parts = batch.label_parts
        by_part = {
            part.name.lower(): round(label_losses[parts == part].mean().item(), 4)
            for part in (Part.THOUGHTS, Part.FIRST_STEP, Part.LATER_STEPS, Part.ANSWER)
            if bool((parts == part).any())
        }
        self._record(
            {
                "step": self.step,
                "of": self.recipe.total_steps,
                "stage": self.recipe.stage_at(self.step - 1),
                "batch_stage": stage,
                "thoughts": self.recipe.stages[stage].thoughts,
                "loss": round(loss.item(), 4),
                "loss_by_part": by_part,
                "tokens_per_second": round(int(batch.attention_mask.sum()) / seconds),
                "padding": round(1 - batch.attention_mask.float().mean().item(), 3),
            }
        )

    def _evaluate(self) -> None:
        from coconut_core.evaluate import evaluate

        thoughts = self.recipe.stages[self.recipe.stage_at(self.step - 1)].thoughts
        self.model.eval()
        result = evaluate(self.plain_model, self.held_out, thoughts=thoughts, answer_only=False)
        self.model.train()
        self._record(
            {
                "step": self.step,
                "evaluation": {
                    "thoughts": thoughts,
                    "accuracy": result.accuracy,
                    "n": result.count,
                    "by_hops": {str(hops): rate for hops, rate in result.by_hops.items()},
                },
            }
        )

    def _record(self, row: dict[str, Any]) -> None:
        with self.folder.metrics.open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        self.report(row)


def learning_rate_factor(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then cosine down to a twentieth."""
    warmup = max(1, recipe.optimizer.warmup_steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, recipe.total_steps - warmup))
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress))


def _optimizer(model: CoconutModel, recipe: Recipe) -> Optimizer:
    """AdamW; weight decay on matrices only."""
    choice = recipe.optimizer
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return AdamW(
        [
            {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": choice.weight_decay},
            {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
        ],
        lr=choice.learning_rate,
        betas=choice.betas,
    )
