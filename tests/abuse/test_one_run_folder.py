"""Two trainings on one run folder: the second is refused in a line, and a dead one's lock is nobody's."""

import signal
import subprocess
import time
from pathlib import Path

from coconut_core.training.run_folder import RunFolder
from tests.abuse.commands import assert_one_line, command, surroundings
from tests.abuse.warm import Warm


def test_the_second_is_refused_before_it_writes_anything(
    files: dict[str, Path], tmp_path: Path, warm: Warm
) -> None:
    run = RunFolder(tmp_path / "run")
    with run.held():
        done = warm.run("coconut", "train", files["RECIPE"], "--device", "cpu", "--out", run.path)
        assert_one_line(done)
        assert f"another process trains in {run.path}" in done.stderr
        assert not run.recipe.exists()
    assert warm.run("coconut", "train", files["RECIPE"], "--device", "cpu", "--out", run.path).returncode == 0
    assert run.steps()[-1] == 9


def test_a_run_that_was_killed_lets_go_of_its_folder(
    files: dict[str, Path], tmp_path: Path, warm: Warm
) -> None:
    run = RunFolder(tmp_path / "run")
    many = ("--set", "curriculum.total=100000")
    first = subprocess.Popen(
        command("coconut", "train", files["RECIPE"], *many, "--device", "cpu", "--out", run.path),
        env=surroundings(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    resume = ("coconut", "train", "--resume", "--device", "cpu", "--out", run.path)
    try:
        while not run.steps():
            assert first.poll() is None, first.stderr.read()
            time.sleep(0.02)
        done = warm.run(*resume)
        assert_one_line(done)
        assert "another process trains in" in done.stderr
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    before = run.steps()[-1]
    done = warm.run(*resume, kill_when=str(run.folder_of(before + 2)), signals=(0.0,))
    assert done.returncode == 130, done.stderr
    assert f"going on from step {before}" in done.stderr
    assert run.steps()[-1] >= before + 2
