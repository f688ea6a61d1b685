"""The measurement of parallel passes: as many as thoughts cost nothing, and pairs are counted the right way."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.passes import LOOP, Measured, bench
from coconut_core.evaluation.evaluate import judge
from coconut_core.evaluation.significance import paired
from coconut_core.latent.model import Work
from coconut_core.problems import generate_problems, write_problems
from coconut_core.runs.generate import Answer


def test_as_many_passes_as_thoughts_answer_as_the_loop_and_one_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "problems.json"
    write_problems(path, generate_problems("prosqa", 12, seed=5))
    bench(path, passes="1,7", repetitions=1, as_json=True)
    loop, one, seven = json.loads(capsys.readouterr().out)["results"]
    assert [each["passes"] for each in (loop, one, seven)] == [LOOP, "1", "7"]
    assert loop["same_answers"] == seven["same_answers"] == 12
    assert one["same_answers"] < 12
    assert one["lost"] - one["won"] == loop["right"] - one["right"] > 0
    assert one["p"] < 0.05 < seven["p"] == 1
    assert one["forward_passes"] < loop["forward_passes"]


def test_a_row_says_what_was_lost() -> None:
    problems = generate_problems("prosqa", 4, seed=5)
    right = [Answer(f"### {problem.answer}") for problem in problems]
    loop = judge(problems, right, "###", 1.0, Work(2, 3))
    worse = judge(problems, [Answer("### nothing"), *right[1:]], "###", 1.0, Work(2, 3))
    measured = Measured("2", worse, (1.0, 3.0, 2.0), paired(loop.right, worse.right), 3, 0.5)
    row = measured.to_row()
    assert row[0] == "2"
    assert row[2] == "75.0 %"
    assert row[4:] == ["1 and 0", "0.5", "2.00", "2", "3"]
    assert replace(measured, name=LOOP).to_row()[2:6] == [""] * 4
