"""Whatever stops the writing, a path holds what it held before or all of what was to come."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coconut_core.whole_files import folder_written_aside, remove_folder, written_aside


def fill(folder: Path, text: str) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(text)


def fill_in_vain(folder: Path) -> None:
    fill(folder, "new")
    folder.write_text("a folder takes none")


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_text_takes_the_place_of_another_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "text"
    for text in ("old", "new"):
        with written_aside(path) as file:
            file.write(text)
            assert not path.exists() or path.read_text() == "old"
        assert content(tmp_path) == {"text": text}


def test_a_text_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("old")
    with pytest.raises(ZeroDivisionError), written_aside(tmp_path / "text") as file:
        file.write(f"new{1 / 0}")
    assert content(tmp_path) == {"text": "old"}


def test_a_folder_takes_the_place_of_another_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for text in ("old", "new"):
        with folder_written_aside(path) as aside:
            fill(aside, text)
            assert not path.exists() or content(path) == {"a.txt": "old", "b.txt": "old"}
        assert content(path) == {"a.txt": text, "b.txt": text}
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_fails_leaves_the_old_one_and_takes_no_room(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with folder_written_aside(path) as aside:
        fill(aside, "old")
    with pytest.raises(IsADirectoryError), folder_written_aside(path) as aside:
        fill_in_vain(aside)
    assert content(path) == {"a.txt": "old", "b.txt": "old"}
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("begun", [False, True], ids=["in front of it", "in the midst of it"])
def test_a_kill_at_any_rename_or_removal_leaves_a_whole_folder(tmp_path: Path, begun: bool) -> None:
    path, whole = tmp_path / "folder", {text: {"a.txt": text, "b.txt": text} for text in ("old", "new")}
    seen = set()
    for number in range(20):
        shutil.rmtree(tmp_path / "folder", ignore_errors=True)
        with folder_written_aside(path) as aside:
            fill(aside, "old")
        if (pid := os.fork()) == 0:
            write_and_die(path, number, begun)
        _, status = os.waitpid(pid, 0)
        after = content(path) if path.exists() else content(tmp_path / "folder.old")
        assert after in whole.values(), number
        seen.add((after["a.txt"], path.exists()))
        with pytest.raises(ZeroDivisionError), folder_written_aside(path) as aside:
            fill(aside, f"newer{1 / 0}")
        assert content(path) == after, "the next one that fails puts it back"
        if os.waitstatus_to_exitcode(status) == 0:
            break
    assert seen == {("old", True), ("old", False), ("new", True)}, "or not each moment was met"


def write_and_die(path: Path, number: int, begun: bool) -> None:
    """Replace a folder in a process of its own, which ends at the rename or removal of that number; `begun`: a
    removal takes one file first."""
    count = 0

    def dying(act: Callable[..., object]) -> Callable[..., object]:
        def do(target: Path, *more: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count > number:
                if begun and act is rmtree and (files := list(target.glob("*"))):
                    files[0].unlink()
                os._exit(9)
            return act(target, *more, **options)

        return do

    rmtree, rename = shutil.rmtree, Path.rename
    shutil.rmtree, Path.rename = dying(rmtree), dying(rename)  # type: ignore[assignment,method-assign]
    with folder_written_aside(path) as aside:
        fill(aside, "new")
    os._exit(0)


def test_a_kill_leaves_the_old_folder_and_the_next_one_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with folder_written_aside(path) as aside:
        fill(aside, "old")
    code = (
        "import pathlib, sys, time\n"
        "from coconut_core.whole_files import folder_written_aside\n"
        "with folder_written_aside(pathlib.Path(sys.argv[1])) as aside:\n"
        "    (aside / 'half.txt').write_text('half')\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "folder.new" / "half.txt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert content(path) == {"a.txt": "old", "b.txt": "old"}
    with folder_written_aside(path) as aside:
        fill(aside, "new")
    assert content(path) == {"a.txt": "new", "b.txt": "new"}
    assert os.listdir(tmp_path) == ["folder"]


def test_removing_a_folder_also_takes_what_a_kill_left_of_it(tmp_path: Path) -> None:
    for name in ("folder", "folder.old"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, "old")
    remove_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")
    assert os.listdir(tmp_path) == []
