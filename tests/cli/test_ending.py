"""What ask and info say of how thinking ends, end to end."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.core.ending_models import ending_model
from tests.core.tiny_models import QUESTIONS

WORDS = "thinks until its halting head says so, at most 5 thoughts"


@pytest.fixture(scope="module")
def halting_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halting")
    ending_model("llama", "halting").save_pretrained(folder)
    return folder


def test_info_says_how_thinking_ends(coconut: Run, halting_checkpoint: Path) -> None:
    facts = json.loads(coconut("info", halting_checkpoint, "--json").stdout)
    assert (facts["thinking"], facts["ending"], facts["ending_threshold"]) == (WORDS, "halting", 0.7)
    assert facts["thoughts"] == 5
    assert WORDS in " ".join(coconut("info", halting_checkpoint).stdout.split())


def test_ask_ends_by_the_rule_and_says_so(coconut: Run, halting_checkpoint: Path, tmp_path: Path) -> None:
    ask = ("ask", "--model", halting_checkpoint, "--max-new-tokens", 3)
    record = json.loads(coconut(*ask, "--json", QUESTIONS[0]).stdout)
    taken = len(record["thoughts"])
    assert 0 < taken < 5
    assert (record["thinking"], record["thinking_ended"]) == (WORDS, ["halting"])
    assert record["tokens"]["thoughts"] == taken
    shown = coconut(*ask, "--trace", QUESTIONS[0]).stdout
    assert f"{WORDS}: took {taken}, ended by: halting" in shown.splitlines()
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(QUESTIONS[0]) + "\n", encoding="utf-8")
    line = json.loads(coconut(*ask, "--input", source).stdout)
    assert (line["thoughts"], line["thinking_ended"]) == (taken, ["halting"])


def test_an_explicit_number_switches_the_rule_off(coconut: Run, halting_checkpoint: Path) -> None:
    done = coconut("ask", "--model", halting_checkpoint, "--json", "--thoughts", 6, QUESTIONS[0])
    record = json.loads(done.stdout)
    assert len(record["thoughts"]) == 6
    assert (record["thinking"], record["thinking_ended"]) == ("takes 6 thoughts", ["number"])


def test_a_lost_halting_head_is_one_line(coconut: Run, halting_checkpoint: Path, tmp_path: Path) -> None:
    for file in halting_checkpoint.iterdir():
        if file.name != "coconut.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    result = coconut("ask", "--model", tmp_path, QUESTIONS[0])
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "has no coconut.safetensors" in result.stderr
