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
import torch
from safetensors.torch import save_file

from coconut_core.common.whole_files import (
    MARK,
    file_written_aside,
    folder_written_aside,
    remove_folder,
    remove_leftovers,
    written_aside,
)


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


def whole_folder(path: Path) -> Path:
    """Where the folder is: at its path, or for a moment beside it."""
    return path if path.exists() else next(path.parent.glob(f"{path.name}.coconut-*/old"))


@pytest.mark.parametrize("begun", [False, True], ids=["in front of it", "in the midst of it"])
def test_a_kill_at_any_change_of_the_disk_leaves_a_whole_folder(tmp_path: Path, begun: bool) -> None:
    path, whole = tmp_path / "folder", {text: {"a.txt": text, "b.txt": text} for text in ("old", "new")}
    seen = set()
    for number in range(40):
        with folder_written_aside(path) as aside:
            fill(aside, "old")
        assert os.listdir(tmp_path) == ["folder"], f"a leftover of kill {number - 1}"
        if (pid := os.fork()) == 0:
            write_and_die(path, number, begun)
        _, status = os.waitpid(pid, 0)
        after = content(whole_folder(path))
        assert after in whole.values(), number
        seen.add((after["a.txt"], path.exists()))
        with pytest.raises(ZeroDivisionError), folder_written_aside(path) as aside:
            fill(aside, f"newer{1 / 0}")
        assert content(path) == after, "the next one that fails puts it back"
        if os.waitstatus_to_exitcode(status) == 0:
            break
    else:
        pytest.fail("the writer never came to its end")
    assert seen == {("old", True), ("old", False), ("new", True)}, "or not each moment was met"


def write_and_die(path: Path, number: int, begun: bool) -> None:
    """Replace a folder in a process of its own, which ends at the change of the disk of that number; `begun`: a
    removal of a folder takes one file first."""
    count = 0

    def dying(act: Callable[..., object]) -> Callable[..., object]:
        def do(target: Path, *more: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count > number:
                if begun and act is rmtree and (files := list(target.glob("*"))):
                    unlink(files[0])
                os._exit(9)
            return act(target, *more, **options)

        return do

    rmtree, unlink = shutil.rmtree, os.unlink
    for module, name in ((shutil, "rmtree"), *((os, name) for name in ("mkdir", "rename", "rmdir", "unlink"))):
        setattr(module, name, dying(getattr(module, name)))
    with folder_written_aside(path) as aside:
        fill(aside, "new")
    os._exit(0)


def test_a_kill_leaves_the_old_folder_and_the_next_one_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with folder_written_aside(path) as aside:
        fill(aside, "old")
    code = (
        "import pathlib, sys, time\n"
        "from coconut_core.common.whole_files import folder_written_aside\n"
        "with folder_written_aside(pathlib.Path(sys.argv[1])) as aside:\n"
        "    (aside / 'half.txt').write_text('half')\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        deadline = time.monotonic() + 240
        while not list(tmp_path.glob("folder.coconut-*/new/half.txt")):
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


def test_removing_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    fill(tmp_path / "folder", "old")
    remove_folder(tmp_path / "folder")
    remove_folder(tmp_path / "folder")
    assert os.listdir(tmp_path) == []


# -- what belongs to others ----------------------------------------------------------------------------------


def write(path: Path) -> None:
    with folder_written_aside(path) as aside:
        fill(aside, "ours")


def left_by_a_kill(path: Path) -> Path:
    """The workspace of a writer of a folder that was killed before it had put it in place."""
    if (pid := os.fork()) == 0:
        with folder_written_aside(path) as aside:
            fill(aside, "half")
            os._exit(9)
    os.waitpid(pid, 0)
    return next(path.parent.glob(f"{path.name}.coconut-*"))


@pytest.mark.parametrize("end", ["new", "old", "tmp", "bak", "coconut-mine", "coconut-abcdefgh"])
def test_a_neighbour_is_nobody_elses(tmp_path: Path, end: str) -> None:
    for name in ("text", "folder"):
        neighbour = tmp_path / f"{name}.{end}"
        neighbour.mkdir()
        fill(neighbour, "precious")
    write(tmp_path / "folder")
    with written_aside(tmp_path / "text") as file:
        file.write("ours")
    remove_leftovers(tmp_path)
    for name in ("text", "folder"):
        assert content(tmp_path / f"{name}.{end}") == {"a.txt": "precious", "b.txt": "precious"}


def test_no_link_beside_it_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("text.new", "text.old", "text.coconut-abcdefgh"):
        (tmp_path / name).symlink_to(victim)
    with written_aside(tmp_path / "text") as file:
        file.write("ours")
    assert victim.read_text() == "precious"
    assert len(os.listdir(tmp_path)) == 5
    assert not (tmp_path / "text").is_symlink()


def test_what_a_kill_left_goes_and_a_copy_of_it_stays(tmp_path: Path) -> None:
    left = left_by_a_kill(tmp_path / "folder")
    copied = left.with_name("folder.coconut-copied00")
    shutil.copytree(left, copied)
    write(tmp_path / "folder")
    assert sorted(os.listdir(tmp_path)) == ["folder", copied.name]


@pytest.mark.parametrize("mark", [None, ""], ids=["no mark", "an empty mark"])
def test_a_kill_before_anything_is_written_leaves_nothing_for_long(tmp_path: Path, mark: str | None) -> None:
    left = tmp_path / "folder.coconut-abcdefgh"
    left.mkdir()
    if mark is not None:
        (left / MARK).write_text(mark)
    write(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


def test_what_a_kill_left_and_somebody_added_to_stays(tmp_path: Path) -> None:
    left = left_by_a_kill(tmp_path / "folder")
    (left / "notes.txt").write_text("precious")
    write(tmp_path / "folder")
    assert (left / "notes.txt").read_text() == "precious"


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    with folder_written_aside(tmp_path / "folder") as aside:
        fill(aside, "first")
        remove_leftovers(tmp_path)
        assert content(aside) == {"a.txt": "first", "b.txt": "first"}


def test_two_writers_of_a_text_leave_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "text"
    with written_aside(path) as first, written_aside(path) as second:
        for letter in "abc":
            first.write(f"first {letter}\n" * 1000)
            second.write(f"second {letter}\n" * 1000)
    assert path.read_text() == "".join(f"first {letter}\n" * 1000 for letter in "abc")
    assert os.listdir(tmp_path) == ["text"]


def test_a_folder_that_another_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    slow = folder_written_aside(path)
    fill(slow.__enter__(), "slow")
    write(path)
    with pytest.raises(FileExistsError, match="another process"):
        slow.__exit__(None, None, None)
    assert content(path) == {"a.txt": "ours", "b.txt": "ours"}
    assert os.listdir(tmp_path) == ["folder"]


def test_what_came_to_the_place_of_a_folder_set_aside_costs_neither(tmp_path: Path) -> None:
    """A kill between the renames, and before the next writer somebody makes another folder there."""
    path = tmp_path / "folder"
    write(path)
    left = left_by_a_kill(path)
    path.rename(left / "old")
    path.mkdir()
    (path / "letters.txt").write_text("dear")
    with folder_written_aside(path) as aside:
        fill(aside, "new")
    assert content(left / "old") == {"a.txt": "ours", "b.txt": "ours"}


def test_a_link_at_the_path_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere")
    (tmp_path / "folder").symlink_to("elsewhere")
    with folder_written_aside(tmp_path / "folder") as aside:
        fill(aside, "new")
    assert (tmp_path / "folder").is_symlink()
    assert content(tmp_path / "elsewhere") == {"a.txt": "new", "b.txt": "new"}
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "folder"]


def test_another_name_of_a_text_keeps_the_old_one(tmp_path: Path) -> None:
    path, other = tmp_path / "text", tmp_path / "other"
    path.write_text("old")
    os.link(path, other)
    with written_aside(path) as file:
        file.write("new")
    assert content(tmp_path) == {"text": "new", "other": "old"}


def test_the_new_text_may_be_read_by_whom_the_old_one_could_be(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("old")
    path.chmod(0o600)
    with written_aside(path) as file:
        file.write("new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_weights_may_be_read_by_whom_any_new_file_may_be(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    with folder_written_aside(tmp_path / "folder") as aside:
        save_file({"weight": torch.zeros(2)}, aside / "weights")
    with file_written_aside(tmp_path / "weights") as aside:
        save_file({"weight": torch.zeros(2)}, aside)
    modes = {path.stat().st_mode for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {(tmp_path / "any").stat().st_mode}


def test_weights_that_replace_private_ones_are_private(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    for mode in (0o600, 0o640):
        path.touch()
        path.chmod(mode)
        with file_written_aside(path) as aside:
            save_file({"weight": torch.zeros(2)}, aside)
        assert path.stat().st_mode & 0o777 == mode


def test_a_read_only_text_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("old")
    path.chmod(0o444)
    if os.geteuid() == 0:  # to whom nothing is read-only
        os.chown(tmp_path, 65534, 65534)
        os.chown(path, 65534, 65534)
        for folder in tmp_path.parents[:2]:
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError), written_aside(path) as file:
            file.write("new")
    finally:
        os.seteuid(os.getuid())
    assert path.read_text() == "old"


def test_a_name_as_long_as_a_name_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("\N{SNOWMAN}" * 85)
    with written_aside(path) as file:
        file.write("text")
    assert path.read_text() == "text"
