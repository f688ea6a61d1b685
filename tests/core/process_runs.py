"""A driver for test_processes: trains in two processes that it forks, having imported torch only once.

    python -m tests.core.process_runs SCENARIO FOLDER …

Prints a JSON object for each scenario: what became of the processes.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import state
from accelerate.utils import DistributedType
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.fsdp._fully_shard._fsdp_collectives import DefaultAllGather

from coconut_core.common.errors import Interrupted
from coconut_core.training.recipe import Recipe
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.start import build_model
from coconut_core.training.trainer import Trainer
from tests.core.tiny_recipes import dropout_modes, problem_file, sums_file, tiny_gpt2, tiny_recipe

PROCESSES = 2
LONG = {"lookup": 0, "first": 1000, "per_stage": 1000, "stages": 1, "total": 2000}


def few_recipe(folder: Path) -> Recipe:
    """Five problems in batches of four: an epoch ends with a batch of one, too few for two processes. At first
    no batch has a thought, and the projection nothing to do."""
    return tiny_recipe(
        micro_batch=1,
        thinking={"projection": 8, "passes": 2},
        data={"train": str(problem_file(folder, 5))},
        curriculum={"lookup": 0, "first": 2, "per_stage": 2, "stages": 1, "total": 6},
    )


def advancing_recipe(folder: Path) -> Recipe:
    """Whose stages end at their first evaluation, which only the main process makes."""
    return tiny_recipe(
        evaluate_every=2, evaluation_problems=2,
        curriculum={"lookup": 0, "first": 5, "per_stage": 5, "stages": 2, "total": 12, "advance": 100.0},
    )  # fmt: skip


def stopped_recipe(folder: Path) -> Recipe:
    """One that takes long enough to be stopped."""
    return tiny_recipe(checkpoint_every=5, evaluate_every=5000, curriculum=LONG)


def sharded_recipe(folder: Path) -> Recipe:
    """With all that is trained: thoughts, a halting head, micro-batches."""
    return tiny_recipe(micro_batch=1, thinking={"ends": "halting"})


def gathered_recipe(folder: Path) -> Recipe:
    """The same, sparing memory otherwise: by activations that are computed again."""
    return tiny_recipe(micro_batch=1, thinking={"ends": "halting"}, gradient_checkpointing=True)


def halved_recipe(folder: Path) -> Recipe:
    """In bfloat16, and sparing memory."""
    return tiny_recipe(precision="bf16", gradient_checkpointing=True)


def taught_recipe(folder: Path) -> Recipe:
    """CODI, which reads two passes for one way back; without the distance, whose unit is a process's own."""
    return tiny_recipe(
        method="codi", micro_batch=1, thinking={"projection": 8}, options={"distillation": 0.0},
        data={"train": str(problem_file(folder, 5))}, curriculum={"lookup": 0, "stages": 2, "total": 5},
    )  # fmt: skip


def explained_recipe(folder: Path) -> Recipe:
    """SIM-CoT, whose decoder is trained along, and at first has nothing to say."""
    return tiny_recipe(method="sim-cot", micro_batch=1, curriculum={"lookup": 0, "total": 6, "stages": 1})


def prepare(folder: Path) -> dict[str, str]:
    """A tiny GPT-2 and files of sums in the folder that holds all scenarios'; their paths by name."""
    return {
        "base": str(tiny_gpt2(folder / "gpt2")),
        "train": str(sums_file(folder, 8)),
        "validation": str(sums_file(folder, 2, seed=1)),
    }


def dropout_recipe(paths: dict[str, str]) -> Recipe:
    """From a GPT-2, which has dropout, with evaluations between the steps."""
    return tiny_recipe(
        step_style="sentence", evaluate_every=2, checkpoint_every=3, model={"base": paths["base"]},
        data={"train": paths["train"], "validation": paths["validation"]},
        curriculum={"lookup": 0, "first": 2, "per_stage": 2, "stages": 1, "total": 6},
    )  # fmt: skip


def few(folder: Path) -> None:
    """To the end, with processes that have nothing to read."""
    _train(few_recipe(folder), folder)


def advancing(folder: Path) -> None:
    """To the end, stages ending early."""
    _train(advancing_recipe(folder), folder)


def stopped(folder: Path) -> None:
    """Until somebody stops it."""
    _train(stopped_recipe(folder), folder)


def sharded(folder: Path) -> None:
    """Under FSDP to step 5, from the checkpoint to step 7, and from that one to the end."""
    for until in (5, 7, None):
        _train(sharded_recipe(folder), folder, until)


def gathered(folder: Path) -> None:
    """Under FSDP without fsdp_reshard_after_forward, as above."""
    os.environ["FSDP_RESHARD_AFTER_FORWARD"] = "false"
    for until in (5, 7, None):
        _train(gathered_recipe(folder), folder, until)


def taught(folder: Path) -> None:
    """To the end, in which an epoch ends with a batch too small for two processes."""
    _train(taught_recipe(folder), folder)


def explained(folder: Path) -> None:
    """To step 3, and from that checkpoint to the end."""
    for until in (3, None):
        _train(explained_recipe(folder), folder, until)


def halved(folder: Path) -> None:
    """Under FSDP to the end."""
    _train(halved_recipe(folder), folder)


def dropping(folder: Path) -> None:
    """To step 3, and from that checkpoint to the end."""
    recipe = dropout_recipe(json.loads(os.environ["PREPARED"]))
    for until in (3, None):
        _train(recipe, folder, until)


def dropping_whole(folder: Path) -> None:
    """The same without a stop."""
    _train(dropout_recipe(json.loads(os.environ["PREPARED"])), folder)


UNDER_FSDP = ("sharded", "gathered", "halved")  # what the names of those scenarios begin with
SCENARIOS: dict[str, Callable[[Path], None]] = {
    "dropping": dropping,
    "dropping_whole": dropping_whole,
    "sharded_dropping": dropping,
    "few": few,
    "advancing": advancing,
    "stopped": stopped,
    "sharded": sharded,
    "gathered": gathered,
    "halved": halved,
    "taught": taught,
    "sharded_taught": taught,
    "explained": explained,
    "sharded_explained": explained,
}


def _train(recipe: Recipe, folder: Path, until: int | None = None) -> None:
    trainer = Trainer(build_model(recipe), recipe, RunFolder(folder), device="cpu")
    if trainer.folder.steps():
        trainer.resume()
    rows: list[dict[str, Any]] = []
    modes = dropout_modes(trainer.model) if recipe.model.base else []
    gathers = Gathers(trainer.model)
    try:
        trainer.run(rows.append, until)
    finally:
        told = {"step": trainer.step, "sharded": trainer.sharded, "rows": rows, "modes": modes}
        print(json.dumps({**told, "gathers": gathers.count}))
        sys.stdout.flush()


class Gathers(DefaultAllGather):
    """Counts how often FSDP gathers the weights of a unit of a model."""

    def __init__(self, model: nn.Module) -> None:
        self.count = 0
        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.set_custom_all_gather(self)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Gather as ever."""
        self.count += 1
        return super().__call__(*arguments, **options)


# -- processes ---------------------------------------------------------------------------------------------


def fork(scenario: str, folder: Path, rank: int, port: int) -> int:
    """Run a scenario in another process, what it prints going into a file; returns its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_PORT": str(port)}
        os.dup2(os.open(folder / f"process-{rank}.txt", os.O_WRONLY | os.O_CREAT), sys.stdout.fileno())
        if scenario.startswith(UNDER_FSDP):
            shard_on_cpu()
        SCENARIOS[scenario](folder)
        status = 0
    except Interrupted:
        status = 130
    except BaseException as error:
        print(f"process {rank}: {error!r}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def shard_on_cpu() -> None:
    """Have accelerate take up FSDP on CPUs too, for which it has no other obstacle than its list of devices."""
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    original = state.AcceleratorState.__init__

    def patched(self: Any, *arguments: Any, fsdp_plugin: Any = None, **options: Any) -> None:
        original(self, *arguments, fsdp_plugin=fsdp_plugin, **options)
        if fsdp_plugin is None:
            return  # asked for again, once it is there
        self.distributed_type = DistributedType.FSDP
        self.fsdp_plugin = fsdp_plugin
        if self._mixed_precision != "no":
            fsdp_plugin.set_mixed_precision(self._mixed_precision)
        state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    state.AcceleratorState.__init__ = patched


def run(scenario: str, folder: Path) -> dict[str, Any]:
    """Exit codes of a scenario's processes, and the last line that each printed."""
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pids = [fork(scenario, folder, rank, port) for rank in range(PROCESSES)]
    if scenario == "stopped":
        while not any(folder.glob("step-*/training_state.pt")):
            time.sleep(0.01)
        os.kill(pids[1], signal.SIGTERM)  # only one of them
    codes: dict[int, int] = {}
    while len(codes) < PROCESSES:
        pid, status = os.wait()
        codes[pid] = os.waitstatus_to_exitcode(status)
        if codes[pid] not in (0, 130):  # as a launcher does: the others would wait for it
            for other in set(pids) - codes.keys():
                os.kill(other, signal.SIGKILL)
    files = [folder / f"process-{rank}.txt" for rank in range(PROCESSES)]
    lines = [file.read_text().splitlines() for file in files]
    told = [[json.loads(line) for line in each if line[:1] == "{"] for each in lines]  # gloo tells things, too
    return {"codes": [codes[pid] for pid in pids], "told": told}


if __name__ == "__main__":
    os.environ |= {
        "WORLD_SIZE": str(PROCESSES), "LOCAL_WORLD_SIZE": str(PROCESSES), "MASTER_ADDR": "127.0.0.1",
        "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    found = {name: run(name, Path(folder)) for name, folder in zip(sys.argv[1::2], sys.argv[2::2], strict=True)}
    print(json.dumps(found))
