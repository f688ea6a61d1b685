"""Train a tiny Coconut with the Trainer of transformers: a curriculum of two stages on small sums.

    python examples/train_with_transformers.py FOLDER [PROBLEMS]
    coconut ask --model FOLDER --example 1 --trace

Over in a minute, which is enough to learn the wording and no more.
"""

import sys
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainingArguments

from coconut_core import CoconutModel, evaluate
from coconut_core.problems import generate_problems
from coconut_core.training.data import encoder_of
from coconut_core.training.recipe import recipe_from_table
from coconut_core.training.start import build_model
from coconut_core.training.transformers_trainer import CoconutTrainer, StageCollator

RECIPE = {  # what the model is, and how problems become sequences; Trainer decides the rest
    "method": "coconut",
    "step_style": "nodes",
    "model": {"hidden_size": 64, "layers": 2, "heads": 2, "intermediate_size": 128},
    "data": {"family": "sums"},
    "curriculum": {"stages": 1, "per_stage": 1, "total": 2},
}


class NextStage(TrainerCallback):
    """Goes on to the next stage at each epoch: the first has all steps in words, the second one thought."""

    def __init__(self, collator: StageCollator, stages: tuple[Any, ...]) -> None:
        self.collator, self.stages = collator, stages

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.collator.stage = self.stages[min(round(state.epoch or 0), len(self.stages) - 1)]


def main(folder: Path, problems: int = 1000) -> None:
    recipe = recipe_from_table(RECIPE)
    model = build_model(recipe)
    collator = StageCollator(encoder_of(model, recipe), recipe.stages[0])
    trainer = CoconutTrainer(
        model,
        TrainingArguments(
            str(folder),
            num_train_epochs=len(recipe.stages),
            per_device_train_batch_size=32,
            learning_rate=2e-3,
            save_strategy="epoch",
            remove_unused_columns=False,  # the collator needs the whole problem
            report_to=[],
            use_cpu=True,
        ),
        train_dataset=generate_problems("sums", problems, seed=1),
        data_collator=collator,
        callbacks=[NextStage(collator, recipe.stages)],
    )
    trainer.train()
    trainer.save_model()
    trained = CoconutModel.from_pretrained(folder, device="cpu")
    print(evaluate(trained, generate_problems("sums", 50, seed=2)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
