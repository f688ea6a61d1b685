"""--passes: the commands that ask a model find its thoughts in parallel passes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from coconut_core.cli.app import app
from coconut_core.interventions import Plan
from coconut_core.problems import recognise, write_problems
from coconut_core.runs.edits import Zero
from coconut_core.runs.session import Session
from tests.cli.conftest import Run
from tests.core.projecting_models import projecting_model
from tests.core.tiny_models import QUESTIONS

WORDS = "takes 4 thoughts, found in 2 parallel passes"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that was trained with two passes."""
    model = projecting_model("llama")
    model.config = replace(model.config, passes=2)
    model.save_pretrained(place := tmp_path_factory.mktemp("projecting"))
    return place


def test_ask_thinks_as_the_checkpoint_says_or_as_it_is_told(coconut: Run, folder: Path) -> None:
    model = projecting_model("llama")
    ask = ("ask", "--model", folder, "--max-new-tokens", 4)
    record = json.loads(coconut(*ask, "--json", "--do", "zero@1", QUESTIONS[0]).stdout)
    session = Session(model, QUESTIONS[0], passes=2, max_new_tokens=4)
    session.apply(Plan({1: Zero()}))
    session.finish()
    norms = [step.readout.norm for step in session.thought_steps()]
    assert [thought["norm"] for thought in record["thoughts"]] == pytest.approx(norms, abs=1e-3)
    assert (record["text"], record["thinking"]) == (session.text, WORDS)
    shown = coconut(*ask, "--trace", "--passes", 1, QUESTIONS[0]).stdout
    assert "takes 4 thoughts, found in 1 parallel pass: took 4, ended by: number" in shown.splitlines()


def test_what_happens_inside_at_one_thought_is_refused_in_one_line(coconut: Run, folder: Path) -> None:
    refused = coconut("ask", "--model", folder, QUESTIONS[0], "--do", "knockout 0-3@2")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "works inside the model at one thought" in refused.stderr


def test_eval_and_info_say_in_how_many_passes(folder: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> str:
        return CliRunner().invoke(app, [str(each) for each in arguments]).stdout

    data = tmp_path / "problems.json"
    problems = [recognise(question) for question in QUESTIONS[:2]]
    write_problems(data, [replace(each, answer="?") for each in problems if each is not None])
    evaluate = ("eval", "--model", folder, "--data", data, "--json", "--max-new-tokens", 2)
    record, other = (json.loads(run(*evaluate, *extra)) for extra in ((), ("--passes", 0, "--thoughts", 4)))
    assert (record["thinking"], other["thinking"]) == (WORDS.removeprefix("takes "), "4 thoughts")
    assert record["forward_passes"] < other["forward_passes"]
    assert json.loads(run("info", folder, "--json"))["thinking"] == WORDS
