"""A real pretrained model learns from real problems by each kind of method with LoRA, is gone on with, written
out, asked and opened in the explorer. A few steps: that all of it works, not that anything is learned."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coconut_core.cli.app import app
from coconut_core.problems import write_problems
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.gsm8k import convert_file
from coconut_core.training.metrics import read_metrics
from coconut_core.training.recipe import recipe_from_table
from coconut_tui.app import Explorer
from coconut_tui.engine import ModelChoice
from tests.core.tiny_recipes import train
from tests.tui.conftest import WIDE, settled, steps_taken, until

pytestmark = [pytest.mark.slow, pytest.mark.smollm2, pytest.mark.usefixtures("any_precision")]
OFFICIAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "gsm8k_train.jsonl"
THOUGHTS = {"cot": 0, "coconut": 2, "codi": 2}


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shortest problems of GSM8k with two steps or more."""
    if not OFFICIAL.exists():
        pytest.skip("GSM8k's problems (../shared/data/gsm8k_train.jsonl) are not here")
    every = [problem for problem in convert_file(OFFICIAL, Conversion()) if len(problem.steps) >= 2]
    path = tmp_path_factory.mktemp("gsm8k") / "short.json"
    write_problems(path, sorted(every, key=lambda problem: len(problem.question))[:12])
    return path


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of a run, which takes gigabytes for as long as it is needed."""
    yield tmp_path / "run"
    shutil.rmtree(tmp_path, ignore_errors=True)


def coconut(*words: str) -> Result:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done


def first_words(trace: str) -> list[list[str]]:
    """Of each line of a trace its thought and token: the numbers behind may differ in the last digit."""
    return [line.split()[:2] for line in trace.splitlines()]


@pytest.mark.parametrize("method", THOUGHTS)
async def test_it_learns_is_gone_on_with_and_opens(
    method: str, run: Path, problems: Path, smollm2_folder: Path
) -> None:
    recipe = recipe_from_table(
        {
            "name": "smollm2",
            "method": method,
            "batch_size": 2,
            "precision": "bf16",
            "checkpoint_every": 2,
            "keep": 1,
            "answer_prefix": "The answer is:",
            "model": {"base": str(smollm2_folder)},
            "data": {"family": "", "train": str(problems)},
            "lora": {"rank": 8, "alpha": 16, "dropout": 0.1},
            "thinking": {"projection": 64 if method == "codi" else 0},
            "curriculum": {
                "stages": 2 if method == "codi" else 1,
                "thoughts_per_step": 1 if method == "codi" else 2,
            }
            | {"unit": "steps", "per_stage": 1, "total": 3},
            "optimizer": {"learning_rate": 1e-3, "warmup_steps": 1},
        }
    )
    rows = train(recipe, run, until=2)
    assert rows[0]["loss"] < 6, "nats; a guess costs 10.8"
    assert "step 3/3" in coconut("train", "--resume", "--out", str(run), "--device", "cpu").stderr
    assert [row["step"] for row in read_metrics(run / "metrics.jsonl")] == [3]
    question = json.loads(problems.read_text())[0]["question"]
    ask = ["ask", "--trace", "-k", "1", "--max-new-tokens", "4", question, "--model"]
    asked = coconut(*ask, str(run / "checkpoint")).stdout
    count = THOUGHTS[method]
    assert f"took {count}, ended by: number" in asked
    out = run.with_name("exported")
    coconut("export", str(run / "checkpoint"), "--out", str(out))
    apart = coconut(*ask, str(run / "checkpoint" / "adapter")).stdout
    assert first_words(apart) == first_words(asked)
    shutil.rmtree(run)
    explorer = Explorer(ModelChoice(str(out), "cpu"), question=question)
    async with explorer.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press(*"s" * (count + 1))
        await until(pilot, steps_taken(count + 1))
        assert explorer.view is not None
        kinds = [step.kind for step in explorer.view.steps]
        assert kinds[:count] == ["thought"] * count
        assert all(step.top[0].token for step in explorer.view.steps)
