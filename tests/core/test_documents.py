"""The Python of README.md and the documents runs as it stands, and prints what its comments say."""

import ast
import contextlib
import io
import json
import re
import runpy
import sys
from pathlib import Path

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.ablations import Control
from coconut_core.problems import example_problem
from coconut_core.problems.base import Problem
from tests.core.serving import TOKEN, batching, serving

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SNIPPETS = {
    path.relative_to(ROOT).as_posix(): code
    for path in PAGES
    if (code := "\n".join(re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)))
}
NAMES = {"docs/EXTENDING.md": {"Control": Control}}  # a row of a table, whose module has it
GIVEN = {"docs/SERVE.md", "docs/TRAINING.md"}  # what stands around these is given: a server, a file's arguments


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said_by(code: str) -> list[str]:
    """The texts in quotes that comments behind prints announce, as `print(answer)  # "yes"`."""
    found = re.findall(r'^ *print\(.*\) *# (".*")$', code, re.M)
    return [ast.literal_eval(text) for text in found]


def output_of(code: str, names: dict[str, object]) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "a document", "exec"), names)
    return out.getvalue().splitlines()


def test_the_pages_with_python_are_these() -> None:
    assert {"README.md", "docs/ANALYSIS.md", "docs/CONTROLS.md", "docs/EXPORT.md", *GIVEN} <= SNIPPETS.keys()


@pytest.mark.parametrize("page", sorted(SNIPPETS.keys() - GIVEN))
def test_what_a_page_shows_runs_and_prints_what_it_says(page: str) -> None:
    run = CoconutModel.from_pretrained("models/prosqa").start(example_problem("prosqa", 1).question)
    run.finish_thinking()
    run.trace().save("run.json")
    printed = output_of(SNIPPETS[page], dict(NAMES.get(page, {})))
    assert [text for text in said_by(SNIPPETS[page]) if text not in printed] == []


def test_openais_client_is_answered_as_the_page_shows() -> None:
    model = CoconutModel.from_pretrained("models/prosqa")
    pytest.importorskip("openai")
    question = example_problem("prosqa", 1).question
    with batching(model) as batcher, serving(batcher, name="models/prosqa") as server:
        code = SNIPPETS["docs/SERVE.md"].replace("127.0.0.1:8765", f"127.0.0.1:{server.port}")
        printed = output_of(code, {"token": TOKEN, "question": question})
    assert "\n".join(printed[:-1]) == model.generate(question, thoughts=3)[0]
    assert len(ast.literal_eval(printed[-1])) == 3


def test_the_file_that_makes_problems_makes_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sums.py").write_text(SNIPPETS["docs/TRAINING.md"], encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["sums.py", "20", "1"])
    runpy.run_path("sums.py", run_name="__main__")
    problems = [Problem.from_json(json.loads(line)) for line in capsys.readouterr().out.splitlines()]
    assert len(problems) == 20
    assert all(problem.steps[-1].endswith(f"={problem.answer}") for problem in problems)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = set(re.findall(r"\bcoconut_(?:core|tui)/[\w/]+\.\w+", text))
    if page.name in ("GLOSSARY.md", "ARCHITECTURE.md"):  # these leave out the package that they are about
        paths |= set(re.findall(r"`([a-z_/]+/[a-z_]+\.py)[`:]", text))
    homes = [ROOT, ROOT / "coconut_core", ROOT / "coconut_tui"]
    assert [path for path in sorted(paths) if not any((home / path).exists() for home in homes)] == []
