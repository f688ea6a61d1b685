"""The passes of a method through the model over one micro-batch of a step.

A step's loss is a mean over what it asks, however it is cut into processes and micro-batches. So each
micro-batch gives its part of that mean, which needs how much the whole step asks.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from coconut_core.latent.losses import IGNORE, has_label
from coconut_core.latent.sequences import CoconutOutput
from coconut_core.training.encoding import Batch, Example, Label

MAIN = "main"
Forward = Callable[..., CoconutOutput]


@dataclass(frozen=True)
class StepSize:
    """How much a step asks, in all micro-batches and processes, and between how many processes it is shared."""

    labels: Mapping[str, int]  # of each pass
    halts: int
    examples: int
    processes: int = 1

    @classmethod
    def of(cls, examples: Sequence[Example], processes: int = 1) -> "StepSize":
        """The size of a step with these examples."""
        labels: Counter[str] = Counter({MAIN: count_labels(example.labels for example in examples)})
        for example in examples:
            labels.update({name: count_labels([each.labels]) for name, each in example.beside.items()})
        halts = count_labels(example.halts for example in examples)
        return cls(labels, halts, len(examples), processes)


class Pass:
    """One reading of a micro-batch by the model: its main sequences, or others that a method lays out."""

    def __init__(self, name: str, batch: Batch, size: StepSize, forward: Forward, halting: bool) -> None:
        self.batch, self._size, self._forward, self._halting = batch, size, forward, halting
        # Gradients of processes are averaged, hence their number.
        self._label_share = size.processes / max(1, size.labels[name])
        self._example_share = size.processes / size.examples

    @cached_property
    def output(self) -> CoconutOutput:
        """What the model makes of it, see CoconutModel.forward; it is read when it is first asked for. `layers`
        are the states of all layers at the examples' marks."""
        return self._forward(
            self.batch.input_ids,
            self.batch.attention_mask,
            self.batch.labels,
            halt_targets=self.batch.halts if self._halting else None,
            layers_at=self.batch.marks if self.batch.marks.numel() else None,
        )

    @property
    def cross_entropy(self) -> Tensor:
        """Its part of the mean over all labels of this pass in the step."""
        losses = self.output.label_losses
        assert self.output.loss is not None
        assert losses is not None
        return self.output.loss * (losses.shape[0] * self._label_share)

    def mean(self, values: Tensor) -> Tensor:
        """values (examples,) as their part of the mean over the step's examples; those that ask nothing, which
        fill up a process, count for nothing."""
        asked = has_label(self.batch.labels).any(dim=1)
        return (values * asked).sum() * self._example_share

    @property
    def halting(self) -> Tensor | None:
        """The halting head's part of the mean over all its targets in the step; None without a head."""
        if (loss := self.output.halting_loss) is None:
            return None
        targets = int((self.batch.halts != IGNORE).sum())
        return loss * (targets * (self._size.processes / max(1, self._size.halts)))


def count_labels(rows: Iterable[Sequence[Label]]) -> int:
    """How many labels there are."""
    return sum(label != IGNORE for row in rows for label in row)
