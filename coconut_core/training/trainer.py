"""The trainer: one recipe, one run folder, resumable at any checkpoint, on one process or many."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError, Interrupted
from coconut_core.common.processes import Processes
from coconut_core.latent.prompt_shortcut import prompt_shortcut
from coconut_core.training.data import Batches, StepExamples, encoder_of, seed_of
from coconut_core.training.draws import Draws
from coconut_core.training.encoding import Example
from coconut_core.training.gradient_checkpointing import check_checkpointing, kept_for_gradients
from coconut_core.training.interruption import Interruption
from coconut_core.training.keeping import is_kept, keep_model
from coconut_core.training.methods.objective import MicroLoss, Objective
from coconut_core.training.methods.passes import StepSize
from coconut_core.training.methods.table import method_named
from coconut_core.training.optimizer import build_optimizer, learning_rate
from coconut_core.training.packed_base import load_packed
from coconut_core.training.processes import make_accelerator, micro_batches
from coconut_core.training.recipe import Recipe
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.sharding import (
    WholeModel,
    gather_optimizer,
    keep_gathered,
    load_weights,
    prepare_sharding,
    scatter,
    shard_optimizer,
)
from coconut_core.training.start import add_parts
from coconut_core.training.summary import StepSummary
from coconut_core.training.validation import Validation, is_learned

Report = Callable[[dict[str, Any]], None]
LOG_EVERY = 25  # steps; the device is waited for only then


class Trainer:
    """Trains a model by a recipe. Each step's batch, and its dropout, follow from recipe, step number and the
    steps that stages began with, so a resumed run takes the steps that it would have taken."""

    def __init__(self, model: CoconutModel, recipe: Recipe, folder: RunFolder, *, device: str = "auto") -> None:
        """Raises CoconutError where recipe, model and machine do not go together."""
        self.recipe, self.folder = recipe, folder
        self.report: Report = lambda row: None
        self.accelerator = make_accelerator(recipe.precision, device)
        self.processes = Processes(self.accelerator.process_index, self.accelerator.num_processes)
        if self.accelerator.device.type == "cpu":  # where the fused kernel's backward is the slower one
            model.base_lm.set_attn_implementation("eager")
        if recipe.gradient_checkpointing:
            check_checkpointing(model)
        encoder = encoder_of(model, recipe)
        self.most_positions = model.max_positions
        self.validation = Validation(recipe, model, encoder, folder)
        with self.accelerator.main_process_first():  # it makes the token store, the others read it
            self.batches = Batches(recipe, encoder, folder.path, self.most_positions)
        add_parts(model, recipe)
        optimizer = build_optimizer(model, recipe.optimizer)
        self._whole: WholeModel | None = None
        if prepare_sharding(self.accelerator, model):
            if recipe.lora.quantize:
                raise CoconutError("lora.quantize and FSDP cannot be had together: leave out one of them")
            self._whole = WholeModel(model, self.accelerator.is_main_process)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        if self.sharded:
            keep_gathered(self.accelerator, self.model)
        self.step = 0
        self.owes_evaluation = False  # of the step taken last: it was asked to stop in front of it
        self._stage_learned = False  # as the main process evaluated it last, see Curriculum.advance
        plain = self.accelerator.unwrap_model(self.model)
        method = method_named(recipe.method)
        if self.sharded and method.sample is not None:
            raise CoconutError(f"method '{recipe.method}' draws answers with whole weights: leave out FSDP")
        self._draws = Draws(self.batches, recipe, plain)
        halting, pad_id = recipe.thinking.ends == "halting", plain.tokenizer.pad_token_id
        self._objective = Objective(plain, method, recipe.options, self.model, pad_id, halting)
        self._window = (0, 0.0)  # step and time of the last log line
        self._micro_losses: list[MicroLoss] = []  # of the step taken last
        self._step_summary: StepSummary | None = None  # of them, once it is needed

    @property
    def sharded(self) -> bool:
        """Whether the processes share the weights out among them (FSDP)."""
        return self._whole is not None

    @property
    def plain_model(self) -> CoconutModel:
        """The model without accelerate's wrapping, labelled with the stage that it has reached.

        Under FSDP every process must ask, and only what the main one gets can be used: a copy, on the CPU.
        """
        model: CoconutModel = self.accelerator.unwrap_model(self.model)
        if self._whole is not None:
            model = self._whole.gather(self.model) or model
        thoughts = self.batches.stages[self._stage].thoughts
        stage = self._stage + self.recipe.curriculum.skipped
        model.config = replace(model.config, stage=stage, thoughts=thoughts)
        return model

    @property
    def _stage(self) -> int:
        """The stage of the step taken last."""
        return self.batches.stage_at(max(0, self.step - 1))

    def run(self, report: Report, until: int | None = None) -> None:
        """Train to the end, or until a step. Saves on the way, at the end, and when interrupted.

        report gets a row every 25 steps and at each evaluation, in the main process. Raises CoconutError where
        the run cannot go on, the last good checkpoint being still there, and Interrupted when asked to stop.
        """
        self.report = report
        self._window = (self.step, time.perf_counter())
        if self.accelerator.is_main_process:
            self.folder.forget_kept(self.step)
        with Interruption() as interruption:
            if self.owes_evaluation:
                self._note_accuracy(self._evaluate())
                self._end_stage_if_learned()
                self.owes_evaluation = False
            if self.step == 0:
                self._keep_where_due()
            while self.step < (end := self._end(until)):
                self._train_step()
                stopping = self.processes.any(interruption.requested) and self.step < end
                self._evaluate_and_save(stopping, at_end=self.step == end)
                if stopping:
                    self._leave()
                    raise Interrupted(
                        f"stopped at step {self.step}; go on with: "
                        f"coconut train --resume --out {self.folder.path}"
                    )
        if self.step == self.batches.total_steps and self.accelerator.is_main_process:
            best = self.folder.read_best() if self.recipe.publish == "best" else None
            self.folder.publish(self.step if best is None else best[0])
        self._leave()

    def _end(self, until: int | None) -> int:
        """The step to train to: the last of the run, which comes earlier where stages end early, or `until`."""
        return min(self.batches.total_steps, self.batches.total_steps if until is None else until)

    def _evaluate_and_save(self, stopping: bool, at_end: bool) -> None:
        """What is due after a step. A checkpoint comes last: then all rows up to its step are in the log. Where
        the evaluation fails, it is saved what has been trained, and the error goes on."""
        due = self.step % self.batches.evaluation_period == 0 or self.step == self.batches.total_steps
        evaluating = due and not stopping  # saving comes first; a resumed run makes up for it
        accuracy, failure = None, None
        if evaluating:
            try:
                accuracy = self._evaluate()
            except Exception as error:
                failure = error
        failed = evaluating and self.processes.any(failure is not None)
        if evaluating:
            self._end_stage_if_learned()
        improved = evaluating and self.recipe.publish == "best" and self.processes.any(self._is_best(accuracy))
        self.owes_evaluation = due and (stopping or failed)
        self._keep_where_due()
        if self.step % self.recipe.checkpoint_every == 0 or at_end or stopping or failed or improved:
            self.save()
            self._note_accuracy(accuracy)
        if failed:
            raise failure or CoconutError(f"the main process could not evaluate at step {self.step}")

    def _leave(self) -> None:
        """Wait until the main process has written everything: a launcher ends all when one is gone."""
        self.accelerator.wait_for_everyone()

    def save(self) -> None:
        """Write a checkpoint; every process must call it. Raises CoconutError for weights that are not numbers
        any more, or where the disk is full."""
        self._check_loss()
        model, optimizer = self.plain_model, self.optimizer.state_dict()
        if self._whole is not None:
            optimizer = gather_optimizer(optimizer)
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "owes_evaluation": self.owes_evaluation,
            "stage_starts": self.batches.starts,
            "model": model.state_dict(),
            "optimizer": optimizer,
            **self._draws.state(self.step),
        }
        self.folder.save(self.step, model.save_pretrained, state, self.recipe.keep)

    def _keep_where_due(self) -> None:
        """Keep the model for study where the recipe says so; every process must ask. It comes in front of the
        checkpoint: a run that goes on from that has all that was kept up to it."""
        ends, total = self.batches.stage_at(self.step) != self._stage, self.batches.total_steps
        if is_kept(self.recipe, self.step, stage_ends=ends, at_end=self.step == total):
            if self.step:
                self._check_loss()
            model = self.plain_model
            if self.accelerator.is_main_process:
                keep_model(self.folder, self.step, model, self.recipe.keep_dtype)

    def resume(self) -> None:
        """Go on from the newest checkpoint of the run folder."""
        steps = self.folder.steps()
        if not steps:
            raise CoconutError(f"nothing to resume in {self.folder.path}: start it without --resume")
        state = self.folder.load_state(steps[-1])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._whole is None:
            load_packed(self.accelerator.unwrap_model(self.model), state["model"])
        else:
            load_weights(self.model, state["model"])
            shard_optimizer(self.optimizer)
        self.step = int(state["step"])
        self.owes_evaluation = bool(state.get("owes_evaluation"))
        self.batches.starts = list(state.get("stage_starts", self.batches.starts))
        self._draws.restore(state)

    # -- one step ------------------------------------------------------------------------------------------

    def _train_step(self) -> None:
        self._reset_optimizer_where_due()
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate
        batch = self._draws.at(self.step)
        self._check_length(batch.examples)
        self.model.train()
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        own_batches = micro_batches(batch.examples, process, processes, self.recipe.micro_batch)
        torch.manual_seed(seed_of(self.recipe, self.step, process))
        size = StepSize.of(batch.examples, processes)
        self._micro_losses.clear()
        self._step_summary = None
        try:
            for number, examples in enumerate(own_batches, start=1):
                self._accumulate(examples, size, last=number == len(own_batches))
            if self.sharded:
                scatter(self.model)
            if self.recipe.optimizer.clip:
                self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.optimizer.clip)
            self.optimizer.step()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise CoconutError(
                f"out of memory at step {self.step}: set micro_batch below {len(own_batches[0])}, or "
                f"gradient_checkpointing=true; {self.folder.last_good}"
            ) from error
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % LOG_EVERY == 0 or self.step == 1 or self.step == self.batches.total_steps:
            self._log(batch)

    @property
    def _learning_rate(self) -> float:
        """The learning rate of the next step."""
        saved = self.batches.saved_steps
        return learning_rate(self.recipe.optimizer, self.step, self.batches.total_steps + saved, saved)

    def _check_length(self, examples: Sequence[Example]) -> None:
        """Raise CoconutError, what has been trained being saved, for a sequence that the model cannot read."""
        longest, most = max(example.longest for example in examples), self.most_positions
        if most is None or longest <= most:
            return
        if self.step:
            self.save()
        raise CoconutError(
            f"step {self.step} has a sequence of {longest} tokens, the model reads at most {most}: take "
            f"smaller problems, or another model.base; {self.folder.last_good}"
        )

    def _accumulate(self, examples: list[Example], size: StepSize, last: bool) -> None:
        waiting = nullcontext() if last else self.accelerator.no_sync(self.model)
        plain = self._objective.model
        checkpointing = self.recipe.gradient_checkpointing
        kept = kept_for_gradients(plain, checkpointing=checkpointing, sharded=self.sharded)
        with kept, prompt_shortcut(plain), waiting:
            with self.accelerator.autocast():
                loss = self._objective(examples, size)
            self.accelerator.backward(loss.total)
        self._micro_losses.append(loss.detached)

    def _reset_optimizer_where_due(self) -> None:
        """Forget the optimizer's averages at the start of a stage (arXiv 2412.06769) or epoch (its code)."""
        when, epoch = self.recipe.curriculum.reset_optimizer, self.batches.source.steps_per_epoch
        new_stage = self.step > 0 and self.batches.stage_at(self.step) != self.batches.stage_at(self.step - 1)
        new_epoch = self.step > 0 and epoch > 0 and self.step % epoch == 0
        if (when == "stage" and new_stage) or (when == "epoch" and new_epoch):
            self.optimizer.state.clear()

    # -- looking -------------------------------------------------------------------------------------------

    def _summary(self) -> StepSummary:
        """The summary of the step taken last; every process must ask."""
        if self._step_summary is None:
            parts = self._micro_losses
            self._step_summary = StepSummary.of(
                [part.batch for part in parts],
                [part.label_losses for part in parts],
                self.processes,
                [part.terms for part in parts],
            )
        return self._step_summary

    def _check_loss(self) -> None:
        """Raise CoconutError, in every process, if what the step taken last minimised is no number, or the loss
        at its labels, which is logged whatever a method minimises."""
        summary = self._summary()
        minimised = sum(summary.terms.values())
        loss = summary.loss if math.isfinite(minimised) else minimised
        if not math.isfinite(loss):
            raise CoconutError(
                f"the loss is {loss} at step {self.step}: lower optimizer.learning_rate; "
                f"{self.folder.last_good}, in {self.folder.path}"
            )

    def _log(self, batch: StepExamples) -> None:
        self._check_loss()
        summary = self._summary()
        last_step, began = self._window
        now = time.perf_counter()
        pace = (now - began) / max(1, self.step - last_step)  # seconds a step
        self._window = (self.step, now)
        total, stage = self.batches.total_steps, self._stage
        terms = {name: round(term, 4) for name, term in summary.terms.items()}
        self._tell(
            {
                "step": self.step,
                "of": total,
                "stage": stage,
                "stages": len(self.batches.stages),
                "stage_name": self.batches.stages[stage].name,
                "batch_stage": batch.stage,
                "thoughts": self.batches.stages[batch.stage].thoughts,
                "loss": round(summary.loss, 4),
                "loss_by_part": {name: round(loss, 4) for name, loss in summary.loss_by_part.items()},
                **({"terms": terms} if self._objective.method.loss or len(terms) > 1 else {}),
                **({"sampled": dict(batch.measures)} if batch.measures else {}),
                "learning_rate": float(f"{self.optimizer.param_groups[0]['lr']:.3g}"),
                "tokens_per_second": round(summary.tokens / max(pace, 1e-9)),
                "padding": round(summary.padding, 3),
                "seconds_left": round(pace * (total - self.step)),
            }
        )

    def _evaluate(self) -> float | None:
        """Accuracy on held-out problems, where there are any; every process must ask, the main one gets it."""
        if not self.validation.problems:
            return None
        model = self.plain_model
        if not self.accelerator.is_main_process:
            return None
        model.eval().to(self.accelerator.device)
        stage = self.batches.stages[self._stage]
        try:
            row = self.validation.row(model, stage)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise CoconutError(
                f"out of memory in the evaluation of step {self.step}, which is saved"
            ) from error
        goes_on = stage is self.batches.stages[-1]
        if not goes_on and is_learned(stage, row["evaluation"], self.recipe.curriculum):
            row["evaluation"]["stage_learned"] = self._stage_learned = True
        self._tell({"step": self.step, **row})
        accuracy: float = row["evaluation"]["accuracy"]
        return accuracy

    def _end_stage_if_learned(self) -> None:
        """End the stage behind an evaluation that says so; every process must ask, the main one knows."""
        if self.recipe.curriculum.advance and self.processes.any(self._stage_learned):
            self.batches.end_stage(self.step)
        self._stage_learned = False

    def _is_best(self, accuracy: float | None) -> bool:
        """Whether it is the best of the last stage so far."""
        if accuracy is None or self._stage < len(self.batches.stages) - 1:
            return False
        best = self.folder.read_best()
        return best is None or accuracy > best[1]

    def _note_accuracy(self, accuracy: float | None) -> None:
        """Note it of the checkpoint just saved, if it is one of the last stage."""
        if accuracy is not None and self._is_best(accuracy):
            self.folder.note_accuracy(self.step, accuracy)

    def _tell(self, row: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            self.report(row)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """On a GPU it has a class of its own; on a CPU only a text."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
