"""What the processes of a run share: the examples of a step. What they tell each other: common/processes.py.

Every process knows the whole batch of a step, so it can tell what the others do without asking them.
"""

import os
from collections.abc import Sequence

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized

from coconut_core.common.errors import CoconutError
from coconut_core.training.encoding import Example


def micro_batches(
    examples: Sequence[Example], process: int, processes: int, most: int = 0
) -> list[list[Example]]:
    """What a process reads of a step's batch, at most `most` examples at once; 0: all of them.

    All processes get as many micro-batches, as each is a turn in which they wait for each other. Where there
    are too few examples, a process reads one that asks for nothing.
    """
    share = -(-len(examples) // processes)  # the largest one
    size = most or share
    own = examples[process::processes]
    return [list(own[start : start + size]) or [examples[0].blank] for start in range(0, share, size)]


def make_accelerator(precision: str, device: str) -> Accelerator:
    """The accelerator of a training. Raises CoconutError for a precision that the device does not have, for
    another one than a training before it in this Python had, as accelerate keeps one for all, and for a
    launcher that asks for DeepSpeed, under which nothing here was ever run."""
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        raise CoconutError("DeepSpeed is not supported: in its place take --use_fsdp --fsdp_version 2")
    if device.startswith("cuda:"):
        torch.cuda.set_device(device)
    try:
        accelerator = Accelerator(mixed_precision=precision, cpu=device == "cpu")
    except ValueError as error:
        if not is_initialized():
            raise
        before = AcceleratorState().mixed_precision
        raise CoconutError(
            f"precision '{precision}' on {device}: a training before this one has precision '{before}' or "
            "another device, and there is one for a whole Python process; begin another"
        ) from error
    if precision == "fp16" and accelerator.device.type == "cpu":  # where accelerate passes over it
        raise CoconutError("precision 'fp16' needs a GPU: set precision=bf16 or precision=no")
    return accelerator
