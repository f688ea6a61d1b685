"""A driver for test_kill: forks trainers and kills them, having imported torch only once.

    python -m tests.core.killed_runs FOLDER KILLS

Kills a run at random moments, every fourth time while a checkpoint is being written, and lets it finish.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from coconut_core.training.metrics import MetricsLog
from tests.core.tiny_recipes import tiny_recipe, trainer_for

RECIPE = tiny_recipe(
    checkpoint_every=1,
    evaluate_every=50,
    evaluation_problems=1,
    curriculum={"lookup": 5, "first": 20, "per_stage": 20, "stages": 2, "total": 100},
)


def child(folder: Path) -> None:
    """Start or go on with the run, until the end, as the command does."""
    trainer = trainer_for(RECIPE, folder)
    if trainer.folder.steps():
        trainer.resume()
    with MetricsLog(folder, step=trainer.step, owes_evaluation=trainer.owes_evaluation) as log:
        trainer.run(log.append)


def fork(folder: Path) -> int:
    """Run child in another process; returns its id."""
    pid = os.fork()
    if pid == 0:
        try:
            child(folder)
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def kill_while_writing(folder: Path, pid: int) -> None:
    """Wait until a checkpoint is half written, then kill."""
    while not any(folder.glob("step-*.coconut-*/new/*")):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
    os.kill(pid, signal.SIGKILL)


def main(folder: Path, kills: int) -> None:
    """Print how often the run was killed, and how often in the middle of writing."""
    rng = random.Random(0)
    killed = torn = 0
    for number in range(kills):
        pid = fork(folder)
        if number % 4 == 0:
            kill_while_writing(folder, pid)
        else:
            time.sleep(rng.uniform(0.05, 0.6))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
        torn += any(folder.glob("step-*.coconut-*/new"))
    pid = fork(folder)
    _, status = os.waitpid(pid, 0)
    print(killed, torn, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
