"""A full disk ends a run with one line, nothing good is lost, and once there is room the run goes on."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coconut_core.cli.train import train as train_command
from coconut_core.common.errors import CoconutError
from coconut_core.training.metrics import read_metrics
from coconut_core.training.run_folder import RunFolder
from tests.core.tiny_recipes import Row, assert_same_weights, run_logged, timeless, tiny_recipe, trainer_for

ROOT = Path(__file__).resolve().parents[2]
RECIPE = tiny_recipe(evaluation_problems=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """An uninterrupted run and its log."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, run_logged(RECIPE, folder)


def begin(folder: Path) -> None:
    """The run up to its first checkpoint, at step 3."""
    trainer_for(RECIPE, folder).run(lambda row: None, until=3)


def assert_goes_on(folder: Path, whole: tuple[Path, list[Row]]) -> None:
    """There is room again: the run ends as the uninterrupted one did."""
    train_command(resume=True, out=folder, device="cpu")
    assert_same_weights(whole[0], folder)
    rows = timeless(read_metrics(folder / "metrics.jsonl"))
    assert rows == [row for row in timeless(whole[1]) if row["step"] > 3]
    assert not list(folder.glob("*.coconut-*"))


def test_a_checkpoint_that_cannot_be_written_to_its_end(whole: tuple[Path, list[Row]], tmp_path: Path) -> None:
    """The command itself, under a limit on the size of a file; the system says what it says of a full disk."""
    run = RunFolder(tmp_path / "run")
    begin(run.path)
    state = run.folder_of(3) / "training_state.pt"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (state.stat().st_size // 2, resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-m", "coconut_core", "train", "--resume", "--out", run.path, "--device", "cpu"],
        capture_output=True, text=True, check=False, timeout=300, cwd=ROOT, preexec_fn=limit,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"error: cannot save the checkpoint in {run.path}: File too large; "
        "the last good checkpoint is that of step 3; make room and use --resume"
    )
    assert "Traceback" not in done.stderr
    assert run.steps() == [3]
    assert_goes_on(run.path, whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room; skipped where nobody may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path, free: int) -> None:
    """Fill the file system of path up to so many bytes."""
    with path.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(4096))
        assert os.statvfs(path).f_bavail == 0
        file.truncate(file.tell() - free)


@pytest.mark.parametrize("free", [0, 4096, 32768, 65536])
def test_a_full_disk_wherever_it_strikes(free: int, small_disk: Path, whole: tuple[Path, list[Row]]) -> None:
    """In front of the first row, in a log, between two files of a checkpoint, inside of one."""
    run = RunFolder(small_disk / "run")
    begin(run.path)
    fill(small_disk / "filler", free)
    with pytest.raises(CoconutError, match="No space left on device") as caught:
        train_command(resume=True, out=run.path, device="cpu")
    assert "\n" not in str(caught.value)
    assert run.steps() == [3]
    (small_disk / "filler").unlink()
    assert_goes_on(run.path, whole)
