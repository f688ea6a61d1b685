"""The verdict's rule, and controls.json: written whole, read back, void once the weights are others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.verdict import (
    FILE_NAME,
    OTHERS,
    SWAPS,
    ControlResult,
    Controls,
    Usage,
    hash_weights,
    judge_usage,
    read_controls,
    usage_line,
    with_adjusted,
)

DECIDING = (*SWAPS, *OTHERS)


def result(name: str, lost: int, won: int, *, count: int = 400, changed: int | None = None) -> ControlResult:
    """A control on problems of which 90 % are right with their own thoughts."""
    real = round(0.9 * count)
    changed = lost + won if changed is None else changed
    return ControlResult(name, count, real - lost + won, real, lost, won, changed, 0, count, p_adjusted=1.0)


def verdict_of(*results: ControlResult, accuracy: float = 0.9) -> Usage:
    return judge_usage(accuracy, with_adjusted(results)).usage


def test_thoughts_are_used_where_each_control_costs_much() -> None:
    assert verdict_of(*(result(name, 200, 10) for name in DECIDING)) is Usage.USED


def test_one_control_that_costs_nothing_makes_it_partly() -> None:
    harmless = [result("pause", 3, 3), *(result(name, 200, 10) for name in DECIDING if name != "pause")]
    assert verdict_of(*harmless) is Usage.PARTLY_USED
    assert "pause" in judge_usage(0.9, with_adjusted(harmless)).reason


def test_a_small_but_certain_drop_is_partly() -> None:
    assert verdict_of(*(result(name, 25, 1) for name in DECIDING)) is Usage.PARTLY_USED


def test_thoughts_are_not_used_where_a_drop_is_ruled_out() -> None:
    assert verdict_of(*(result(name, 2, 2) for name in DECIDING)) is Usage.NOT_USED


def test_few_problems_leave_it_unknown() -> None:
    assert verdict_of(*(result(name, 2, 2, count=40) for name in DECIDING)) is Usage.UNKNOWN
    assert verdict_of(*(result(name, 4, 2, count=60) for name in DECIDING)) is Usage.UNKNOWN
    assert verdict_of() is Usage.UNKNOWN


def test_controls_that_decide_nothing_do_not_decide() -> None:
    assert verdict_of(result("nearest", 200, 0)) is Usage.UNKNOWN


def test_a_model_that_is_hardly_ever_right_is_judged_by_whether_its_answers_change() -> None:
    silent = [ControlResult(name, 400, 0, 0, 0, 0, 0, 0, 0, p_adjusted=1.0) for name in DECIDING]
    assert judge_usage(0.0, silent).usage is Usage.NOT_USED
    moved = [replace(each, changed=390) for each in silent]
    assert judge_usage(0.0, moved).usage is Usage.UNKNOWN


def test_what_hurts_only_because_it_was_never_seen_is_no_use() -> None:
    """Other problems' thoughts do as well; noise, or no position at all, breaks the model all the same."""
    results = [*(result(name, 2, 2) for name in SWAPS), *(result(name, 200, 0) for name in OTHERS)]
    assert verdict_of(*results) is Usage.NOT_USED
    assert "never saw: none, pause, mean, noise" in judge_usage(0.9, with_adjusted(results)).reason


def test_thoughts_that_mislead_but_are_not_needed_are_partly_used() -> None:
    results = [*(result(name, 200, 0) for name in SWAPS), *(result(name, 2, 2) for name in OTHERS)]
    assert verdict_of(*results) is Usage.PARTLY_USED


def test_a_gain_is_no_use() -> None:
    """Other thoughts that help are no sign that the model's own are used."""
    assert verdict_of(*(result(name, 2, 30) for name in DECIDING), accuracy=0.9) is Usage.NOT_USED


@pytest.fixture
def controls(tmp_path: Path) -> Controls:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "coconut.json").write_text("{}")
    results = with_adjusted([result(name, 200, 10) for name in DECIDING])
    found = Controls(
        "tiny", hash_weights(tmp_path), "d.json", "d" * 64, "2026-11-24", 400, 360, "takes 3 thoughts", results
    )
    found.save(tmp_path / FILE_NAME)
    return found


def test_controls_are_read_as_they_were_written(controls: Controls, tmp_path: Path) -> None:
    assert read_controls(tmp_path) == controls
    assert json.loads((tmp_path / FILE_NAME).read_text())["verdict"]["usage"] == "USED"
    line = usage_line(tmp_path)
    assert line.startswith("USED: 90 % right with them, 42 % without them")
    assert line.endswith("(n=400, 2026-11-24)")


@pytest.mark.parametrize("name", ["model.safetensors", "coconut.json", "coconut.safetensors"])
def test_the_verdict_is_void_once_the_weights_or_their_meaning_change(
    controls: Controls, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"others")
    assert usage_line(tmp_path).startswith("UNKNOWN: controls.json is void")


def test_without_controls_it_says_how_to_have_them(tmp_path: Path) -> None:
    assert usage_line(tmp_path) == f"UNKNOWN: not measured yet (coconut controls --model {tmp_path})"
    assert usage_line("some/hub-id").startswith("UNKNOWN: not measured yet")


HEAD = '"format": "coconut-controls", "version"'


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", f"{{{HEAD}: 2}}", f"{{{HEAD}: 1}}", f'{{{HEAD}: 1, "results": 3}}', "\x00", "[" * 100_000],
)
def test_a_damaged_file_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(CoconutError) as caught:
        read_controls(tmp_path)
    assert "\n" not in str(caught.value)
    assert usage_line(tmp_path).startswith("UNKNOWN: ")
