"""Several answers to one question, and the seeds of a file's lines."""

import json
from pathlib import Path

import pytest

from coconut_core.common.seeds import LARGEST_SEED, seed_behind
from tests.cli.conftest import Run

DRAWN = ("--temperature", "1.5", "--max-new-tokens", "8")


def text_of(coconut: Run, checkpoint: Path, seed: int, *options: str) -> str:
    result = coconut("ask", "--model", checkpoint, "--example", 1, "--json", "--seed", seed, *DRAWN, *options)
    text: str = json.loads(result.stdout)["text"]
    return text


@pytest.mark.parametrize("options", [[], ["--do", "zero@2"]])
def test_samples_are_the_answers_of_their_seeds(coconut: Run, checkpoint: Path, options: list[str]) -> None:
    command = ["ask", "--model", checkpoint, "--example", 1, "--seed", 5, "--samples", 3, *DRAWN, *options]
    result = coconut(*command, "--json")
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    alone = [text_of(coconut, checkpoint, seed, *options) for seed in (5, 6, 7)]
    assert [sample["seed"] for sample in record["samples"]] == [5, 6, 7]
    assert [sample["text"] for sample in record["samples"]] == alone
    assert len(set(alone)) > 1
    printed = coconut(*command)
    assert printed.stdout == "".join(f"{sample['answer']}\n" for sample in record["samples"])
    different = len({sample["answer"] for sample in record["samples"]})
    assert f"note: seeds 5 to 7 give {different} different answers\n" in printed.stderr
    traced = coconut(*command, "--trace").stdout
    assert [line for line in traced.splitlines() if line.startswith("seed ")] == [
        "seed 5:",
        "seed 6:",
        "seed 7:",
    ]


def test_each_line_of_a_file_has_a_seed_of_its_own(coconut: Run, checkpoint: Path, tmp_path: Path) -> None:
    question = json.loads(coconut("ask", "--model", checkpoint, "--example", 1, "--json").stdout)["question"]
    (tmp_path / "in.jsonl").write_text(f"{json.dumps(question)}\n" * 2 + "no JSON\n" + json.dumps(question))
    command = ["ask", "--model", checkpoint, "--input", tmp_path / "in.jsonl", "--seed", 5]
    records = [json.loads(line) for line in coconut(*command, *DRAWN).stdout.splitlines()]
    del records[2]
    assert [record["seed"] for record in records] == [5, 6, 8]
    assert [record["text"] for record in records] == [text_of(coconut, checkpoint, seed) for seed in (5, 6, 8)]
    likeliest = [json.loads(line) for line in coconut(*command).stdout.splitlines()]
    assert "seed" not in likeliest[0]
    assert likeliest[0] == likeliest[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--samples", "2", "--example", "1"], "give one above 0"),
        (["--samples", "2", "--temperature", "1", "--input", "in.jsonl"], "--samples works on one question"),
    ],
)
def test_what_draws_nothing_is_refused(coconut: Run, checkpoint: Path, options: list[str], said: str) -> None:
    result = coconut("ask", "--model", checkpoint, *options)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert said in result.stderr


def test_behind_the_largest_seed_comes_the_smallest() -> None:
    assert seed_behind(3, 4) == 7
    assert seed_behind(LARGEST_SEED, 1) == -LARGEST_SEED
    assert seed_behind(-LARGEST_SEED, 1) == 1 - LARGEST_SEED
