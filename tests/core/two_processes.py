"""What two processes do together: forks of this one, joined as a launcher's are."""

import os
import socket
import traceback
from collections.abc import Callable

import torch

from coconut_core.common.processes import Parted, Processes, using

PARTED = 3  # the exit code of one that the other left alone


def run_in_two(work: Callable[[int], object]) -> list[int]:
    """Let two processes do this, given their numbers, with batches shared out; their exit codes, or minus the
    signals that ended them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    pids = [_fork(work, number, meeting) for number in range(2)]
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def _fork(work: Callable[[int], object], number: int, meeting: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=number, world_size=2)
        processes = Processes(number, 2)
        with using(processes):
            work(number)
        processes.end()
        code = 0
    except Parted:
        code = PARTED
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
