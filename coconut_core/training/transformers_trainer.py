"""A CoconutModel in the Trainer of transformers, for those who train all their models there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from transformers import Trainer

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, collate


@dataclass
class StageCollator:
    """Makes problems into the arguments of CoconutModel.forward, at a stage of the curriculum that may change
    between epochs."""

    encoder: Encoder
    stage: Stage

    def __call__(self, problems: Sequence[Problem]) -> dict[str, Tensor]:
        """input_ids, attention_mask and labels, (batch, time) each."""
        examples = [self.encoder.encode(self.encoder.tokenize(problem), self.stage) for problem in problems]
        pad = self.encoder.tokenizer.pad_token_id
        assert isinstance(pad, int)
        batch = collate(examples, pad)
        return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "labels": batch.labels}


class CoconutTrainer(Trainer):  # type: ignore[misc]
    """transformers' Trainer, whose checkpoints are folders that everything here opens; they think as at the
    stage of a StageCollator that they were trained with.

    The Trainer itself saves of any model that is not one of its library's nothing but a state dict, and of tied
    weights not even that. FSDP and DeepSpeed are for `coconut train`.
    """

    def __init__(self, model: CoconutModel, *args: Any, **options: Any) -> None:
        """options: of Trainer, but processing_class, as the model has its tokenizer. A model that was opened to
        be run gets weights that learn."""
        if not any(parameter.requires_grad for parameter in model.parameters()):
            model.requires_grad_(True)
        config = model.config
        model.config = None  # type: ignore[assignment]  # on whatever stands there Trainer sets use_cache
        try:
            super().__init__(model, *args, **options)
        finally:
            model.config = config

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if state_dict is not None:
            raise CoconutError("CoconutTrainer saves whole weights: use `coconut train` with FSDP or DeepSpeed")
        model: CoconutModel = self.accelerator.unwrap_model(self.model)
        if isinstance(self.data_collator, StageCollator):
            model.config = replace(model.config, thoughts=self.data_collator.stage.thoughts)
        model.save_pretrained(output_dir or self.args.output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        self._take_weights(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        self._take_weights(self.state.best_model_checkpoint)

    def _take_weights(self, folder: str) -> None:
        saved = CoconutModel.from_pretrained(folder, device="cpu", dtype="float32")
        self.accelerator.unwrap_model(self.model).load_state_dict(saved.state_dict())
