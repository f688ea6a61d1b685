"""The loss of a method over a micro-batch, and the parts that it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.training.encoding import Batch, Example, collate
from coconut_core.training.methods.passes import MAIN, Forward, Pass, StepSize
from coconut_core.training.methods.table import Method, Options


@dataclass(frozen=True)
class MicroLoss:
    """What a micro-batch came to: the parts of its loss by name, its main batch and the loss of each label."""

    terms: Mapping[str, Tensor]
    batch: Batch
    label_losses: Tensor  # (labelled positions,), see CoconutOutput

    @property
    def total(self) -> Tensor:
        """The sum of the parts."""
        first, *others = self.terms.values()
        return sum(others, first)

    @property
    def detached(self) -> "MicroLoss":
        """The same without what gradients need."""
        terms = {name: term.detach() for name, term in self.terms.items()}
        return MicroLoss(terms, self.batch, self.label_losses.detach())


@dataclass(frozen=True)
class Objective:
    """The loss of a method for one model. forward is that of the model, or of what wraps it in training."""

    model: CoconutModel
    method: Method
    options: Options
    forward: Forward
    pad_id: int
    halting: bool = False

    def __call__(self, examples: Sequence[Example], size: StepSize) -> MicroLoss:
        """The loss of a micro-batch of a step of that size."""
        reading = {MAIN: list(examples)}
        reading |= {name: [each.beside[name] for each in examples] for name in examples[0].beside}
        passes = {}
        for name, rows in reading.items():
            batch = collate(rows, self.pad_id).to(self.model.device)
            passes[name] = Pass(name, batch, size, self.forward, self.halting and name == MAIN)
        loss = self.method.loss or cross_entropy
        terms = dict(loss(self.model, passes, self.options))
        if (halting := passes[MAIN].halting) is not None:
            terms["halting"] = halting
        losses = passes[MAIN].output.label_losses
        assert losses is not None
        return MicroLoss(terms, passes[MAIN].batch, losses)


def cross_entropy(model: CoconutModel, passes: Mapping[str, Pass], options: Options) -> Mapping[str, Tensor]:
    """The loss of ordinary training: the mean cross entropy over the labels of the main pass."""
    return {"cross entropy": passes[MAIN].cross_entropy}
