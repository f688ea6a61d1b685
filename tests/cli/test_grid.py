"""coconut grid, end to end."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest

from coconut_core.problems import generate_problems, write_problems
from tests.cli.conftest import Run


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "problems.json"
    write_problems(path, generate_problems("prosqa", 3, 1))
    return path


SHORT = ("--max-new-tokens", 4)


def test_one_question_as_a_table_json_csv_and_svg(coconut: Run, checkpoint: Path, tmp_path: Path) -> None:
    asked = ("grid", "--model", checkpoint, "--example", 1, "--kind", "heads", *SHORT)
    result = coconut(*asked, "--svg", tmp_path / "heads.svg")
    assert result.returncode == 0, result.stderr
    assert "layer \\ head" in result.stdout
    assert "every head at all thoughts, from the donor 'twin' (noising)" in result.stdout
    assert "Change of log p(" in result.stdout
    assert "<svg" in (tmp_path / "heads.svg").read_text(encoding="utf-8")
    record = json.loads(coconut(*asked, "--json").stdout)
    assert record["rows"] == ["layer 0", "layer 1"]
    assert record["cells"][0]["intervention"] == "patch-head 0.0 twin@all"
    rows = list(csv.DictReader(StringIO(coconut(*asked, "--csv").stdout)))
    assert [row["intervention"] for row in rows] == [cell["intervention"] for cell in record["cells"]]
    assert float(rows[0]["shift"]) == pytest.approx(record["cells"][0]["shift"])


def test_a_cell_can_be_typed_after_do(coconut: Run, checkpoint: Path) -> None:
    asked = ("grid", "--model", checkpoint, "--example", 1, "--kind", "prompt", "--json", *SHORT)
    cell = json.loads(coconut(*asked).stdout)["cells"][9]
    assert "@prompt:" in cell["intervention"]
    ask = ("ask", "--model", checkpoint, "--example", 1, "--do", cell["intervention"], *SHORT)
    assert coconut(*ask).stdout.strip() == cell["answer"]


def test_means_over_a_file(coconut: Run, checkpoint: Path, problems: Path) -> None:
    asked = ("grid", "--model", checkpoint, "--data", problems, "--kind", "layers", *SHORT)
    record = json.loads(coconut(*asked, "--count", 2, "--json").stdout)
    assert record["count"] == 2
    assert record["cells"][0]["n"] == 2
    assert record["cells"][0]["low"] <= record["cells"][0]["shift"] <= record["cells"][0]["high"]
    table = coconut(*asked, "--direction", "denoising").stdout
    assert "over n = 3 questions" in table
    assert "(denoising)" in table


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "there is no question"),
        (("--example", 1, "Is it?"), "not both"),
        (("--count", 3, "--example", 1), "--count is 1 or more"),
        (("--example", 1, "--json", "--csv"), "choose --json or --csv"),
        (("--example", 1, "--donor", "nobody", "--kind", "heads"), "'nobody' is no donor of a grid"),
        (("--example", 1, "--kind", "heads", "--thought", 99), "there is no thought 99"),
        (("--example", 1, "--kind", "paths", "--direction", "denoising"), "denoising needs a donor"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    coconut: Run, checkpoint: Path, options: tuple[object, ...], why: str
) -> None:
    result = coconut("grid", "--model", checkpoint, *options, *SHORT)
    assert result.returncode == 2
    assert why in result.stderr
    assert "Traceback" not in result.stderr
    assert not result.stdout
