"""coconut controls, and what of it is shown elsewhere; ask --do; end to end."""

import json
import shutil
from pathlib import Path

import pytest

from coconut_core.problems import generate_problems, write_problems
from tests.cli.conftest import Run


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "problems.json"
    write_problems(path, generate_problems("prosqa", 6, 1))
    return path


@pytest.fixture
def own_checkpoint(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


def test_the_table_the_verdict_and_where_it_is_shown(
    coconut: Run, own_checkpoint: Path, problems: Path
) -> None:
    result = coconut("controls", "--model", own_checkpoint, "--data", problems, "--keep", "--max-new-tokens", 6)
    assert result.returncode == 0, result.stderr
    for name in ("none", "pause", "mean", "noise", "shuffled", "random", "twin", "own thoughts"):
        assert name in result.stdout
    assert "UNKNOWN: no swap" in result.stdout  # six problems decide nothing
    assert "kept in" in result.stderr
    kept = json.loads((own_checkpoint / "controls.json").read_text())
    assert kept["count"] == 6
    assert kept["data"] == str(problems)
    line = f"UNKNOWN: {100 * kept['right'] / 6:.0f} % right with them"
    assert json.loads(coconut("info", own_checkpoint, "--json").stdout)["thoughts_used"].startswith(line)
    shown = coconut("ask", "--model", own_checkpoint, "--example", 1, "--trace").stdout
    assert f"thoughts used? {line}" in shown


def test_the_verdict_is_void_once_the_weights_change(
    coconut: Run, own_checkpoint: Path, problems: Path
) -> None:
    options = ("--data", problems, "--keep", "--only", "none", "--max-new-tokens", 2)
    assert coconut("controls", "--model", own_checkpoint, *options).returncode == 0
    with (own_checkpoint / "coconut.json").open("a") as file:
        file.write("\n")
    told = json.loads(coconut("info", own_checkpoint, "--json").stdout)["thoughts_used"]
    assert told.startswith("UNKNOWN: controls.json is void")


def test_a_look_at_other_data_leaves_the_verdict_alone(
    coconut: Run, own_checkpoint: Path, problems: Path, tmp_path: Path
) -> None:
    kept = own_checkpoint / "controls.json"
    kept.write_text("the verdict that it ships with", encoding="utf-8")
    look = ("controls", "--model", own_checkpoint, "--only", "none", "--max-new-tokens", 2)
    for options in (("--data", problems), ("--count", 4)):
        result = coconut(*look, *options)
        assert result.returncode == 0, result.stderr
        assert f"the verdict of {own_checkpoint} stays as it was: --keep" in result.stderr
    out = tmp_path / "look.json"
    assert f"kept in {out}" in coconut(*look, "--data", problems, "--out", out).stderr
    assert json.loads(out.read_text(encoding="utf-8"))["count"] == 6
    assert kept.read_text(encoding="utf-8") == "the verdict that it ships with"


def test_json_and_markdown_say_the_same(coconut: Run, own_checkpoint: Path, problems: Path) -> None:
    options: list[object] = ["--model", own_checkpoint, "--data", problems, "--no-keep", "--per-thought"]
    options += ["--only", "none", "--only", "random", "--max-new-tokens", 4]
    record = json.loads(coconut("controls", *options, "--json").stdout)
    assert [result["name"] for result in record["results"]] == ["none", "random"]
    assert [result["name"] for result in record["per_thought"]][:4] == [
        "without 1",
        "without 2",
        "without 3",
        "swapped 1",
    ]
    assert record["verdict"]["usage"] == "UNKNOWN"
    markdown = coconut("controls", *options, "--markdown").stdout
    assert markdown.startswith("**UNKNOWN**: ")
    assert f"| none | {100 * record['results'][0]['right'] / 6:.1f} % " in markdown
    assert not (own_checkpoint / "controls.json").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--count", 0), "must be 1 or more"),
        (("--only", "nothing"), "unknown control 'nothing'"),
        (("--json", "--markdown"), "choose --json or --markdown"),
        (("--thoughts", 0), "takes no thoughts"),
        (("--out", "/nowhere/at/all.json", "--only", "none"), "cannot write"),
    ],
)
def test_mistakes_are_one_line(
    coconut: Run, checkpoint: Path, problems: Path, options: tuple[object, ...], why: str
) -> None:
    result = coconut("controls", "--model", checkpoint, "--data", problems, "--max-new-tokens", 2, *options)
    assert result.returncode == 2
    assert why in result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_ask_shows_what_an_intervention_changes(coconut: Run, checkpoint: Path) -> None:
    result = coconut("ask", "--model", checkpoint, "--example", 1, "--do", "zero@2", "--json")
    record = json.loads(result.stdout)
    assert record["done"] == "zero@2"
    assert [thought.get("edit") for thought in record["thoughts"]] == [None, "zero", None]
    assert record["thoughts"][1]["norm"] == 0
    plain = json.loads(coconut("ask", "--model", checkpoint, "--example", 1, "--json").stdout)
    assert record["answer_without"] == plain["answer"]
    assert record["changed"] == (record["answer"] != plain["answer"])
    assert "done" not in plain


def test_ask_does_several_interventions_in_order(coconut: Run, checkpoint: Path) -> None:
    options = ("--do", "truncate 2", "--do", "replace own:1@2; scale 2@2", "--json")
    record = json.loads(coconut("ask", "--model", checkpoint, "--example", 1, *options).stdout)
    assert [thought.get("edit") for thought in record["thoughts"]] == [None, "replace own:1, scale 2"]
    assert record["thoughts"][1]["norm"] == pytest.approx(2 * record["thoughts"][0]["norm"], rel=1e-4)


def test_donors_come_from_a_file_where_one_is_given(coconut: Run, checkpoint: Path, problems: Path) -> None:
    options = ("--do", "replace random@all", "--data", problems, "--json")
    result = coconut("ask", "--model", checkpoint, "--example", 1, *options)
    assert result.returncode == 0, result.stderr
    assert {thought["edit"] for thought in json.loads(result.stdout)["thoughts"]} == {"replace random"}


def test_the_list_of_interventions_needs_no_question(coconut: Run) -> None:
    shown = coconut("ask", "--do", "help").stdout
    assert "zero@THOUGHTS" in shown
    assert "steer TOKEN FACTOR@THOUGHTS" in shown
    assert "replace twin@all" in shown.partition("The controls are:")[2]


@pytest.mark.parametrize(("text", "why"), [("zeero@2", "is no intervention"), ("zero@9", "no thought 9")])
def test_an_intervention_that_cannot_be_done_is_one_line(
    coconut: Run, checkpoint: Path, text: str, why: str
) -> None:
    result = coconut("ask", "--model", checkpoint, "--example", 1, "--do", text)
    assert result.returncode == 2
    assert why in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
