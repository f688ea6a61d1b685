"""`coconut ask` from the start of the process to its answer, beside what it cannot do without."""

import os
import subprocess
import sys
from functools import partial

from bench.measure import Comparison
from bench.shapes import Shape
from coconut_core.common.errors import CoconutError

CHECKPOINT = "models/prosqa-labelled"
TARGET = 1.3
FLOORS = {  # what Python runs in the place of ours
    "import both": "import torch, transformers",
    "import the model": "import torch; from transformers import LlamaForCausalLM, PreTrainedTokenizerFast",
    "open the model": (
        "from transformers import AutoModelForCausalLM, AutoTokenizer; "
        f"AutoModelForCausalLM.from_pretrained('{CHECKPOINT}'); AutoTokenizer.from_pretrained('{CHECKPOINT}')"
    ),
}


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure the checkpoint that has the prosqa shape, in processor seconds; nothing for other shapes."""
    if shape.name != "prosqa":
        return []
    ask = partial(seconds_of, "-m", "coconut_core", "ask", "--model", CHECKPOINT, "--example", "1")
    ours: list[float] = []
    floors: dict[str, list[float]] = {name: [] for name in FLOORS}
    for _ in range(repetitions):
        ours.append(ask())
        for name, code in FLOORS.items():
            floors[name].append(seconds_of("-c", code))
    same = "question: one, opened and answered; theirs only import or open"
    return [
        Comparison("start", shape.name, name, same, ours, seconds, TARGET, cost=True)
        for name, seconds in floors.items()
    ]


def seconds_of(*arguments: str) -> float:
    """Run Python with these arguments; its processor seconds. Raises CoconutError, with its last words, if it
    fails."""
    before = os.times()
    process = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    after = os.times()
    if process.returncode:
        raise CoconutError(f"python {' '.join(arguments)} failed: {' '.join(process.stderr.split())[-300:]}")
    return after.children_user + after.children_system - before.children_user - before.children_system
