"""coconut findings: a subcommand that the explorer's package brings, on findings of a real model."""

import json
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from coconut_core.evaluation.verdict import hash_weights
from coconut_core.model_choice import ModelChoice
from coconut_core.problems import example_problem
from coconut_core.terminal.contributed import COMMANDS, Command
from coconut_tui.commands.findings import COMMAND
from coconut_tui.engine.workbench import Workbench
from coconut_tui.findings import Finding, Model, Place, add_finding, link_of, load_finding
from coconut_tui.findings.finding import hash_of_problem, seen_in
from tests.abuse.warm import Done, Warm
from tests.core.plugin_sites import seen, write_package

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "prosqa"


@pytest.fixture(scope="module")
def real() -> Finding:
    """A finding on two branches of models/prosqa, as the explorer notes it."""
    bench = Workbench(ModelChoice(str(MODEL), "cpu").open())
    problem = example_problem("prosqa", 4)
    bench.ask(problem.question, problem, 4, None)
    bench.take(lambda run: False, lambda: False)
    bench.edit("zero@3", 0, lambda: False)
    bench.note_run()
    return Finding(
        title="Thought 3 is needed",
        model=Model("models/prosqa", hash_weights(MODEL)),
        run=bench.tree,
        tags=("frontier", "zero"),
        date="2026-11-30T08:00:00+00:00",
        at=Place(2, "graph"),
        seen=seen_in(bench.view(), "USED", "float32"),
        note="It *leaves* it.",
        problem_hash=hash_of_problem(bench.tree),
    )


@pytest.fixture
def folder(real: Finding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of findings where the command runs."""
    monkeypatch.chdir(tmp_path)
    add_finding(tmp_path / "findings", real)
    return tmp_path / "findings"


def findings(*words: object) -> tuple[int, str, str]:
    """Run the command: code, stdout, stderr or what it raised."""
    done = CliRunner().invoke(COMMAND.app, [str(word) for word in words])
    raised = done.exception
    return done.exit_code, done.stdout, done.stderr if isinstance(raised, SystemExit | None) else str(raised)


def test_findings_are_listed_and_filtered(folder: Path, real: Finding) -> None:
    add_finding(
        folder, replace(real, title="Another", tags=("b",), date="2027-01-01", model=Model("models/sums"))
    )
    code, out, _ = findings("list")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["another", "thought-3-is-needed"]
    rows = json.loads(findings("list", "--json")[1])
    assert [row["title"] for row in rows] == ["Another", "Thought 3 is needed"]
    assert (rows[1]["branch"], rows[1]["branches"]) == ("zero@3", 2)
    assert rows[1]["at"] == {"step": 2, "view": "graph"}
    for words in (["--tag", "frontier"], ["--tag", "#zero"], ["--of", "pros"], ["leaves", "is NEEDED"]):
        assert "needed" in findings("list", *words)[1]
    assert findings("list", "leaves", "--of", "nothing")[1] == ""
    assert "another" not in findings("list", "--tag", "frontier")[1]
    assert json.loads(findings("tags", "--json")[1]) == {"b": 1, "frontier": 1, "zero": 1}
    assert findings("tags")[1].split()[:2] == ["1", "b"]


def test_none_and_damaged_ones_are_said_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "bad.md").write_text("---\nformat: coconut-finding\nversion: 1\ntitle: 3\n---\n", "utf-8")
    (folder / "README.md").write_text("# Ours\n", "utf-8")
    code, out, err = findings("list")
    assert (code, len(out.splitlines()), len(err.splitlines())) == (0, 1, 1)
    assert "findings/bad.md: the entry 'title' must be a text" in err
    code, out, err = findings("list", "nothing")
    assert (code, out) == (0, "")
    assert "no finding in findings fits" in err
    assert "the entry 'title' must be a text" in findings("show", "bad")[2]
    assert "there is no finding 'x'" in findings("show", "x")[2]
    assert "there is no folder gone" in findings("list", "--in", "gone")[2]


def test_show_prints_the_numbers_and_a_command_that_needs_no_file(folder: Path, real: Finding) -> None:
    code, out, _ = findings("show", "thought-3-is-needed")
    assert code == 0
    assert "coconut-tui --finding findings/thought-3-is-needed.md" in out
    assert f"coconut-tui --finding {link_of(real)}" in out
    assert "thought 3  " in out
    assert "It *leaves* it." in out
    assert json.loads(findings("show", link_of(real), "--json")[1])["file"] is None


def test_check_runs_them_again_and_says_what_differs(folder: Path, real: Finding, tmp_path: Path) -> None:
    assert real.seen is not None
    assert findings("check")[:2] == (0, "✓ thought-3-is-needed: as noted\n")
    thoughts = (replace(real.seen.thoughts[0], probability=0.1), *real.seen.thoughts[1:])
    add_finding(folder, replace(real, title="Other", seen=replace(real.seen, thoughts=thoughts)))
    add_finding(folder, replace(real, title="Gone", model=Model(str(tmp_path / "gone"))))
    add_finding(folder, replace(real, title="Weights", model=Model("models/prosqa", "abc"), problem_hash="x"))
    code, out, _ = findings("check", "--json")
    assert code == 1
    rows = {Path(row["file"]).stem: row for row in json.loads(out)}
    assert rows["thought-3-is-needed"]["same"]
    assert "thought 1: " in rows["other"]["differences"][0]
    assert "0.1000 was noted" in rows["other"]["differences"][0]
    assert str(tmp_path / "gone") in rows["gone"]["error"]
    assert "the weights of models/prosqa are not those" in rows["weights"]["differences"][0]
    assert "the problem is not the one" in rows["weights"]["differences"][1]
    assert findings("check", "gone", "--model", MODEL)[:2] == (0, "✓ gone: as noted\n")


def test_another_machine_has_the_same_numbers(folder: Path, tmp_path: Path) -> None:
    """Another process in another folder, with the file sent over and the model elsewhere."""
    away = tmp_path / "away"
    shutil.copytree(MODEL, away / "copy")
    shutil.move(str(folder / "thought-3-is-needed.md"), away / "sent.md")
    warm = Warm()
    try:
        done = warm.run(
            *("coconut", "findings", "check", away / "sent.md", "--model", away / "copy"),
            environment={"HOME": str(away)},
        )
    finally:
        warm.close()
    assert (done.returncode, done.stdout) == (0, "✓ sent: as noted\n"), done.stderr


def test_export_writes_a_page_and_data_with_all_branches(folder: Path, real: Finding) -> None:
    for name in ("set.html", "set.json", "set.csv", "set.parquet"):
        assert findings("export", "--to", name)[:2] == (0, f"{name}\n")
    page = Path("set.html").read_text("utf-8")
    assert page.count("data-run=") == 2
    assert "<em>leaves</em>" in page
    assert link_of(real) in page
    record = json.loads(Path("set.json").read_text("utf-8"))
    assert [branch["name"] for branch in record["findings"][0]["run"]["branches"]] == ["main", "zero@3"]
    table = parquet.read_table("set.parquet").to_pylist()
    assert {row["branch"] for row in table} == {"main", "zero@3"}
    assert next(row["p_1"] for row in table) == pytest.approx(
        record["findings"][0]["run"]["branches"][0]["trace"]["steps"][0]["top"][0]["probability"]
    )
    assert "exists already" in findings("export", "--to", "set.csv")[2]
    assert "end it in .html" in findings("export", "--to", "set.pdf")[2]
    assert "nothing to export" in findings("export", "--tag", "none", "--to", "x.html")[2]
    assert load_finding(folder / "thought-3-is-needed.md") == real  # reading changes nothing


# -- how the command comes to coconut ----------------------------------------------------------------------


@pytest.fixture
def warm() -> Iterator[Warm]:
    running = Warm()
    yield running
    running.close()


def test_the_project_registers_what_it_brings() -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert entries["coconut.commands"] == {"findings": "coconut_tui.commands.findings:COMMAND"}
    assert COMMAND.name == "findings"
    assert (COMMANDS.group, COMMANDS.holds) == ("coconut.commands", Command)


def test_another_package_brings_a_subcommand(tmp_path: Path, warm: Warm) -> None:
    code = (
        "import typer\nfrom coconut_core.terminal.contributed import Command\n"
        "app = typer.Typer(add_completion=False)\n"
        "@app.command(help='Say hello.')\ndef hello(name: str) -> None:\n    typer.echo(f'hello {name}')\n"
        "HELLO, ASK = Command('hello', app), Command('ask', app)\n"
    )
    told = "[coconut.commands]\nhello = more_words:HELLO\nask = more_words:ASK\nbad = more_words:app\n"
    write_package(tmp_path, "more-words", code, told)

    def run(*words: str) -> Done:
        return warm.run("coconut", *words, environment={"PYTHONPATH": str(tmp_path), "COLUMNS": "120"})

    assert run("hello", "you").stdout == "hello you\n"
    listed = run("--help")
    assert "Say hello." in listed.stdout
    assert "prints the answer and nothing else" in run("ask", "--help").stdout  # the engine's own goes first
    assert run("bad").returncode == 2
    assert "must be a Command, not a Typer" in run("bad").stderr
    rows = {row["name"]: row for row in json.loads(run("plugins", "--json").stdout) if row["what"] == "command"}
    assert rows["hello"]["package"] == "more-words 1.0"
    assert "must be a Command" in rows["bad"]["problem"]


def test_help_of_brought_commands_imports_nothing_heavy(tmp_path: Path) -> None:
    write_package(tmp_path, "again", "", "[coconut.commands]\nnotes = coconut_tui.commands.findings:COMMAND\n")
    with seen(tmp_path):
        assert COMMANDS.problems() == [
            "the command 'notes' of the package again 1.0 calls itself 'findings': both names must be the same"
        ]
    import subprocess

    code = (
        "import sys\nfrom coconut_tui.commands.findings import COMMAND\n"
        "heavy = {'torch', 'transformers', 'textual', 'pyarrow', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
