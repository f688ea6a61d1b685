"""What a step came to, in all processes together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from coconut_core.common.processes import Processes
from coconut_core.training.encoding import Batch, Part

LOGGED_PARTS = (Part.THOUGHTS, Part.FIRST_STEP, Part.LATER_STEPS, Part.ANSWER)


@dataclass(frozen=True)
class StepSummary:
    """Losses in nats a label, and how much was read for them."""

    loss: float  # mean over all labels; 0 where there are none
    loss_by_part: dict[str, float]
    tokens: int  # without padding
    padding: float  # share of the positions read
    terms: dict[str, float] = field(default_factory=dict)  # parts of the loss that training minimises

    @classmethod
    def of(
        cls,
        batches: Sequence[Batch],
        losses: Sequence[Tensor],
        processes: Processes | None = None,
        terms: Sequence[Mapping[str, Tensor]] = (),
    ) -> "StepSummary":
        """The summary of a step's micro-batches, where losses holds a tensor (labelled positions,) for each,
        and terms the parts of what it adds to the loss.

        Waits for the device. Each of the processes must call it, and all get the same; None: this one alone.
        """
        totals = torch.zeros(2, len(Part), dtype=torch.float64)  # sum and number of the losses of each part
        positions = torch.zeros(2, dtype=torch.float64)  # positions without padding, and all of them
        for batch, loss in zip(batches, losses, strict=True):
            part = batch.label_parts
            totals[0] += loss.new_zeros(len(Part)).index_add_(0, part, loss).cpu()
            totals[1] += torch.bincount(part, minlength=len(Part)).cpu()
            positions += torch.tensor([int(batch.attention_mask.sum()), batch.attention_mask.numel()])
        names = list(terms[0]) if terms else []
        parts = torch.tensor([[float(each[name]) for name in names] for each in terms], dtype=torch.float64)
        parts = parts.reshape(len(terms), len(names)).sum(dim=0)
        if processes is not None:
            totals, positions = processes.sum(totals), processes.sum(positions)
            parts = processes.sum(parts) / processes.count
        of_part = {part: totals[:, part].tolist() for part in LOGGED_PARTS}
        total, count = totals.sum(dim=1).tolist()
        return cls(
            total / max(1.0, count),
            {part.name.lower(): loss / labels for part, (loss, labels) in of_part.items() if labels},
            int(positions[0]),
            1 - float(positions[0]) / max(1.0, float(positions[1])),
            dict(zip(names, parts.tolist(), strict=True)),
        )
