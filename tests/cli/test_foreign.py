"""CODI, SIM-CoT and PCCoT on the command line: converted, opened directly, explained."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coconut_core.cli.app import app
from tests.core.tiny_adapters import ALPHA
from tests.core.tiny_codi import CodiModel, write_codi
from tests.core.tiny_official import PROBLEMS, write_base, write_checkpoint
from tests.core.tiny_pccot import PASSES, THOUGHTS, PccotModel, write_pccot
from tests.core.tiny_sim_cot import SimCotModel

QUESTION = PROBLEMS[1][0]


def run(*arguments: object) -> Result:
    """A command in this process: tests of the installed commands are elsewhere."""
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base("gpt2", tmp_path_factory.mktemp("foreign") / "base")


def test_codi_is_converted_with_the_alpha_that_is_told(base: Path, tmp_path: Path) -> None:
    codi = CodiModel("gpt2")
    path, out = write_codi(codi, tmp_path / "codi"), tmp_path / "out"
    done = run(
        "convert", "codi", path, "--base", base, "--out", out, "--lora-alpha", ALPHA, "--thoughts", 2, "--json"
    )
    assert json.loads(done.stdout)["thoughts"] == 2
    assert "adding LoRA to 8 layers with alpha 7, as told" in done.stderr
    record = json.loads(run("ask", "-m", out, "--json", "--max-new-tokens", 6, QUESTION).stdout)
    said = codi.tokenizer.decode(codi.answer(QUESTION, 2, 6), skip_special_tokens=True).strip()
    assert record["text"] == said


def test_a_pccot_folder_is_opened_directly(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = write_pccot(PccotModel("gpt2"), tmp_path / "pccot")
    done = run("ask", "-m", f"pccot:{path}", "--base", base, "--json", "--max-new-tokens", 2, QUESTION)
    record = json.loads(done.stdout)
    assert record["thinking"] == f"takes {THOUGHTS} thoughts, found in {PASSES} parallel passes"


def test_sim_cots_decoder_explains_the_thoughts(base: Path, tmp_path: Path) -> None:
    sim_cot = SimCotModel("gpt2")
    path, out = write_checkpoint(sim_cot, tmp_path / "checkpoint_30"), tmp_path / "out"
    assert run("convert", "sim-cot", path, "--base", base, "--out", out, "-n", 3).exit_code == 0
    texts = [
        sim_cot.tokenizer.decode(ids, skip_special_tokens=True).strip()
        for ids in sim_cot.explanations(QUESTION, 3, 2, 64)
    ]
    assert run("export", out, "--out", tmp_path / "exported").exit_code == 0
    ask = ("ask", "-m", tmp_path / "exported", "--max-new-tokens", 2, "--explain", QUESTION)
    record = json.loads(run(*ask, "--json").stdout)
    assert record["explained"] == [
        {"first": 1, "last": 2, "text": texts[0]},
        {"first": 3, "last": 3, "text": texts[1]},
    ]
    assert f"thoughts 1-2, as the decoder beside the model reads them: {texts[0]}" in run(*ask).stdout
