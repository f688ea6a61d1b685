"""A command that several processes run together, started by torchrun or accelerate: the main one speaks."""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import TracebackType
from typing import Any

from coconut_core.common.errors import CoconutError, one_line
from coconut_core.common.processes import Parted, Processes, current, launch, using
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal.options import report


def refuse_several(command: str) -> None:
    """Raises CoconutError where a launcher started several processes, for a command that one process runs."""
    if (count := launch().count) > 1:
        raise CoconutError(f"{command} runs in one process, and {count} were started: leave out the launcher")


def only_main_speaks() -> None:
    """From here on no other process than the main one prints anything, but for the traceback of a fault."""
    if not launch().number:
        return
    terminal = sys.stderr
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (until the process ends)

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace, file=terminal)

    sys.excepthook = tell


def over_processes(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command share out its work among the processes that a launcher started, if it did. Each takes a GPU
    of its own where there is one. What one of them cannot go on with ends all."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        with _joined():
            command(*arguments, **options)

    return run


def resolved(choice: ModelChoice) -> ModelChoice:
    """See ModelChoice; what has to be converted first the main process converts, for all."""
    return current().main_first("the model", lambda: choice.resolved(report))


@contextmanager
def _joined() -> Iterator[None]:
    started = launch()
    if started.count == 1:
        yield
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(started.on_machine % torch.cuda.device_count())
    try:
        torch.distributed.init_process_group("gloo")
    except (RuntimeError, ValueError) as error:
        raise CoconutError(f"the processes did not find each other: {one_line(error)}") from error
    processes = Processes(started.number, started.count)
    try:
        with using(processes):
            yield
        processes.end()
    except Exception as error:
        processes.end(error)
        raise (error.cause if isinstance(error, Parted) else error) from None
    torch.distributed.destroy_process_group()
