"""In a real terminal, on the bundled model: the tour as docs/TOUR.md tells it, and rough handling."""

from pathlib import Path

import pytest

from tests.models.conftest import Terminal

FOLDER = Path(__file__).resolve().parents[2] / "models" / "prosqa"


@pytest.mark.terminal
def test_the_tour_is_walked_in_a_real_terminal(terminal: Terminal, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    terminal.start(f"--model {FOLDER} --device cpu --example 1")
    terminal.see("Thoughts 0/6")
    terminal.press("H")
    terminal.see("1/6 open")
    terminal.press("s")
    terminal.see("2/6 step")
    terminal.press("s", "c")
    terminal.see("3/6 see the frontier")
    terminal.see("Polly is a jelpus.  ✓ right")
    terminal.press("g", "2")
    terminal.see("4/6 change a thought")
    terminal.see("Graph · thought 1/6")
    terminal.press(*"..", "z")
    terminal.see("5/6 see what follows")
    terminal.see("worpus ✗")  # the answer has changed
    terminal.press("C")
    terminal.see("escape closes")
    terminal.press("Escape")
    terminal.see("6/6 take it with you")
    terminal.press("W")
    terminal.see(":export")
    terminal.type(str(page))
    terminal.press("Enter")
    terminal.see("That was the tour")
    assert "<script" in page.read_text(encoding="utf-8")
    terminal.press("H")  # again from the beginning; what has been done is behind one
    terminal.see("3/6 see the frontier")
    terminal.press("C-q")
    terminal.ended()


@pytest.mark.terminal
def test_a_question_is_written_in_an_editor_that_gets_the_terminal(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho IN THE EDITOR\nread answer\necho "Is Alex a $answer?" > "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(editor))
    terminal.start(f"--model {FOLDER} --device cpu --example 1")
    terminal.see("s step")
    terminal.press("Q")
    terminal.see("ctrl+s asks")
    terminal.press("C-g")
    terminal.see("IN THE EDITOR")
    terminal.type("lempus or rompus")
    terminal.press("Enter")
    terminal.see("Is Alex a lempus or rompus?")
    terminal.press("C-s")
    terminal.see("s step")
    terminal.press("q")
    terminal.ended()


@pytest.mark.terminal
def test_100_kb_are_pasted_and_the_window_resized(terminal: Terminal, tmp_path: Path) -> None:
    pasted = tmp_path / "pasted.txt"
    pasted.write_text("Every lempus is a rompus. " * 4_000, encoding="utf-8")  # 104 kB
    terminal.start(f"--model {FOLDER} --device cpu --example 1")
    terminal.see("Thoughts 0/6")
    terminal.press("Q")
    terminal.see("Question")
    terminal.paste(pasted)
    terminal.see("lempus")
    terminal.press("F2")
    terminal.see("at most")  # the model cannot read so much, and the text stays
    terminal.press("Escape")
    terminal.see("s step")
    terminal.resize(80, 24)
    terminal.resize(200, 60)
    terminal.see("Branches")
    terminal.press("c")
    terminal.see("✓ right")  # the question of before is still there
    terminal.resize(120, 40)
    terminal.press("C-q")
    terminal.ended()


@pytest.mark.terminal
def test_it_is_suspended_and_goes_on_and_draws_beside_a_log(terminal: Terminal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    terminal.start(f"--model {FOLDER} --device cpu --example 1 2>{log}", in_shell=True)
    terminal.see("Thoughts 0/6")
    terminal.press("s", "C-z")
    terminal.see("Stopped")
    terminal.type("fg")
    terminal.press("Enter")
    terminal.see("thought 1/6")
    terminal.press("s")
    terminal.see("thought 2/6")
    terminal.press("C-q")
    terminal.left_alone()
    assert log.read_text() == ""
