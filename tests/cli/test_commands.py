"""The other subcommands, end to end, and what a bare --help costs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coconut_core.problems import read_problems
from tests.cli.conftest import Run


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom coconut_core.cli import main\nsys.argv = ['coconut', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'textual', 'accelerate'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)


@pytest.mark.parametrize(
    ("program", "words", "completion"),
    [("coconut", "con", "controls"), ("coconut", "train sma", "small"), ("coconut-tui", "--res", "--restore")],
)
def test_a_shell_completes_commands_options_and_recipes(program: str, words: str, completion: str) -> None:
    line = f"{program} {words}"
    words_of_shell = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    asked = {f"_{program.upper().replace('-', '_')}_COMPLETE": "complete_bash", **words_of_shell}
    done = subprocess.run(
        [Path(sys.executable).with_name(program)],
        env={**os.environ, **asked}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert completion in done.stdout.split()


def test_version_and_unknown_command(installed: Run) -> None:
    assert installed("--version").stdout.startswith("coconut ")
    assert installed("nonsense").returncode == 2


def test_info_in_both_forms(installed: Run, coconut: Run, checkpoint: Path) -> None:
    facts = json.loads(coconut("info", checkpoint, "--json").stdout)
    assert facts["architecture"] == "LlamaForCausalLM"
    assert facts["thoughts"] == 3
    assert facts["memory"]["weights"] == 4 * facts["parameters"]
    text = installed("info", checkpoint).stdout
    assert "<|start-latent|>" in text
    assert "UNKNOWN" in text


def test_info_predicts_memory(coconut: Run, checkpoint: Path) -> None:
    def need(*more: str) -> dict[str, int]:
        memory: dict[str, int] = json.loads(coconut("info", checkpoint, "--json", *more).stdout)["memory"]
        return memory

    one, many = need("--question-length", "40"), need("--question-length", "40", "--batch", "8", "-n", "60")
    assert one["peak"] == one["weights"] + max(one["reading"], one["thinking"])
    assert many["weights"] == one["weights"]
    assert many["thinking"] > 8 * one["thinking"]
    assert "peak" not in need()
    refused = coconut("info", checkpoint, "--branches", "3")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "how long are the questions" in refused.stderr


def test_info_predicts_the_memory_of_training(coconut: Run, checkpoint: Path) -> None:
    asked = ("info", "small-base", "--training", "--question-length", "20", "-n", "2", "--json")
    told = json.loads(coconut(*asked, "--device", "cpu", "--processes", "2").stdout)
    assert told["lengths"] == {"question": 20, "thoughts": 2, "said": 32, "steps": 0}
    assert (told["processes"], told["device"]) == (2, "cpu")
    whole, sharded = told["whole"], told["sharded"]
    assert whole["averages"] == 2 * whole["weights"] == 4 * sharded["weights"]
    assert whole["peak"] == whole["weights"] + whole["averages"] + max(whole["passes"], whole["update"])
    text = coconut("info", checkpoint, "--training", "--question-length", "20", "-n", "1")
    assert "activations kept" in text.stdout
    refused = coconut("info", "small-base", "--training")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "how long are the questions" in refused.stderr


def test_info_of_a_truncated_checkpoint(coconut: Run, checkpoint: Path, tmp_path: Path) -> None:
    for file in checkpoint.iterdir():
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(
            content[: len(content) // 2] if file.suffix == ".safetensors" else content
        )
    result = coconut("info", tmp_path)
    assert result.returncode == 2
    assert "truncated or corrupted" in result.stderr
    assert result.stderr.count("\n") == 1


def test_data_make_stats_and_eval(coconut: Run, checkpoint: Path, tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("a.json", "b.json", "c.json"))
    for path, seed in ((first, 7), (second, 7), (other, 8)):
        assert coconut("data", "make", "prosqa", "--count", 20, "--seed", seed, "--out", path).returncode == 0
    assert first.read_text() == second.read_text()
    assert first.read_text() != other.read_text()
    assert len(read_problems(first)) == 20
    assert "nodes" in coconut("data", "stats", first).stdout
    with_thoughts = json.loads(coconut("eval", "--model", checkpoint, "--data", first, "--json").stdout)
    assert with_thoughts["n"] == 20
    assert with_thoughts["thoughts"] == 3
    assert with_thoughts["accuracy"] == with_thoughts["right"] / 20
    low, high = with_thoughts["interval_95"]
    assert 0 <= low <= with_thoughts["accuracy"] <= high <= 1
    none = json.loads(coconut("eval", "--model", checkpoint, "--data", first, "--thoughts", 0, "--json").stdout)
    assert none["thoughts"] == 0
    assert none["mean_answer_tokens"] != with_thoughts["mean_answer_tokens"] or none["right"] == 0
    assert "95 % interval" in coconut("eval", "--model", checkpoint, "--data", first).stdout


def test_data_errors(coconut: Run, tmp_path: Path) -> None:
    assert "known are prosqa" in coconut("data", "make", "nothing", "--out", tmp_path / "x.json").stderr
    bad = tmp_path / "bad.json"
    bad.write_text('[{"question": 3}]')
    result = coconut("data", "stats", bad)
    assert result.returncode == 2
    assert "question" in result.stderr
