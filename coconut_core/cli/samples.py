"""Several answers to one question, drawn with different seeds."""

import json
from collections.abc import Sequence
from typing import Any

from coconut_core.terminal.guard import say


def say_record(answers: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Print the answer as one JSON object; several, each with its seed, as a list in one."""
    (_, record), *others = answers
    if others:
        samples = [{"seed": seed, **answer} for seed, answer in answers]
        record = {"question": record["question"], "samples": samples}
    say(json.dumps(record, ensure_ascii=False))


def say_seed(seed: int, samples: int) -> None:
    """Head what is printed of one of several."""
    if samples > 1:
        say(f"seed {seed}:")


def count_answers(answers: Sequence[str], seeds: Sequence[int]) -> None:
    """Say how many of several answers differ."""
    if len(answers) > 1:
        say(f"note: seeds {seeds[0]} to {seeds[-1]} give {len(set(answers))} different answers", err=True)
