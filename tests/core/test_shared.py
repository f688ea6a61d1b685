"""Batches that two processes share out: all results for all, in order; one error for all."""

import json
from pathlib import Path

import pytest
import torch

from coconut_core.common.errors import CoconutError
from coconut_core.common.processes import current
from coconut_core.runs.generate import generate
from coconut_core.runs.shared import shared
from tests.core.tiny_models import QUESTIONS, tiny_model
from tests.core.two_processes import PARTED, run_in_two


def test_all_get_the_same_answers_and_thoughts_and_count_the_same_work(tmp_path: Path) -> None:
    model = tiny_model("gpt2")
    questions = [*QUESTIONS, QUESTIONS[0]]

    def answer(number: int) -> None:
        model.work.passes = model.work.positions = 0
        answers = generate(model, questions, keep="thoughts", max_new_tokens=5, batch_size=2)
        thoughts = torch.stack([each.recording.thoughts for each in answers])
        told = {"texts": [each.text for each in answers], "work": [model.work.passes, model.work.positions]}
        (tmp_path / str(number)).write_text(json.dumps(told))
        torch.save(thoughts, tmp_path / f"{number}.pt")

    assert run_in_two(answer) == [0, 0]
    answer(2)
    told = [(tmp_path / name).read_text() for name in "012"]
    assert told[0] == told[1] == told[2]
    thoughts = [torch.load(tmp_path / f"{name}.pt") for name in "012"]
    assert thoughts[2].any()
    assert (thoughts[0] == thoughts[2]).all()
    assert (thoughts[1] == thoughts[2]).all()


def test_each_computes_its_turn_alone(tmp_path: Path) -> None:
    model = tiny_model("gpt2")

    def note(number: int) -> None:
        def work(unit: int) -> tuple[int, int]:
            return unit, number + 10 * current().count

        (tmp_path / str(number)).write_text(json.dumps([*shared(model, range(5), work)]))

    assert run_in_two(note) == [0, 0]
    for name in "01":
        told = json.loads((tmp_path / name).read_text())
        assert told == [[0, 10], [1, 11], [2, 10], [3, 11], [4, 10]]


def test_what_one_cannot_compute_all_raise(tmp_path: Path) -> None:
    model = tiny_model("gpt2")

    def fail(number: int) -> None:
        def work(unit: int) -> int:
            if unit > 1:
                raise CoconutError(f"unit {unit} is too much for process {number}")
            return unit

        with pytest.raises(CoconutError) as raised:
            [*shared(model, range(4), work)]
        (tmp_path / str(number)).write_text(str(raised.value))
        assert [*shared(model, range(2), work)] == [0, 1], "they go on alike"

    assert run_in_two(fail) == [0, 0]
    assert [(tmp_path / name).read_text() for name in "01"] == ["unit 2 is too much for process 0"] * 2


def test_processes_that_are_not_at_the_same_thing_stop() -> None:
    def differ(number: int) -> None:
        with pytest.raises(RuntimeError, match="is at"):
            current().exchange(f"thing {number}", lambda: number)

    assert run_in_two(differ) == [0, 0]


def test_one_that_leaves_with_an_error_ends_the_other() -> None:
    def leave(number: int) -> None:
        if number:
            current().end(CoconutError("it is too much"))
        current().exchange("more", lambda: number)

    assert run_in_two(leave) == [PARTED, PARTED]
