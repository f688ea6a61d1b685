"""What is built for others: a source distribution, a wheel made from it, the commands where only that wheel is.

The environment has the wheel and sees the dependencies of the one that runs the tests. With COCONUT_CLEAN=1 it
has nothing but what pip installs for the wheel, and setuptools comes as pyproject.toml asks: that needs an
index of packages.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.abuse.commands import ROOT, surroundings

CLEAN = "COCONUT_CLEAN" in os.environ
PACKAGES = ("coconut_core/", "coconut_tui/")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Built:
    """The two archives, an empty folder outside the repository, and the environment's programs."""

    source: Path
    wheel: Path
    folder: Path
    programs: Path

    def run(self, program: str, *arguments: object) -> str:
        """What a program of the environment prints; it must end well and leave stderr to notes."""
        done = subprocess.run(
            [self.programs / program, *map(str, arguments)],
            cwd=self.folder, env=surroundings(PYTHONPATH=None, XDG_STATE_HOME=str(self.folder / "state")),
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout


def tracked() -> list[str]:
    """The files that git tracks and that are there; those of models/ once more in the package, by its link."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if (ROOT / name).is_file()]
    return names + [f"coconut_core/{name}" for name in names if name.startswith("models/")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built in a copy of the tracked files, which is gone before anything is run."""
    folder = tmp_path_factory.mktemp("wheel")
    copy, archives, environment = folder / "copy", folder / "dist", folder / "environment"
    for name in tracked():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    call("build", *([] if CLEAN else ["--no-isolation"]), "--outdir", archives, copy)
    shutil.rmtree(copy)
    (source,), (wheel,) = archives.glob("*.tar.gz"), archives.glob("*.whl")

    venv.create(environment)
    places = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", "venv", places))
    if not CLEAN:
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    programs = Path(sysconfig.get_path("scripts", "venv", places))
    how = ["-c", ROOT / "constraints.txt"] if CLEAN else ["--no-deps", "--no-index"]
    call("pip", "--python", programs / "python", "install", "--quiet", *how, wheel)
    return Built(source, wheel, folder, programs)


def call(module: str, *arguments: object) -> None:
    """Run a module of this environment."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_each_tracked_file_of_the_packages_and_no_other(built: Built) -> None:
    with ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    about = {name for name in names if ".dist-info/" in name}
    assert names - about == {name for name in tracked() if name.startswith(PACKAGES)}
    assert {name.partition("/")[2] for name in about} >= {"METADATA", "entry_points.txt", "licenses/LICENSE"}


def test_the_source_distribution_holds_the_packages_and_no_tests(built: Built) -> None:
    with tarfile.open(built.source) as archive:
        names = {each.name.partition("/")[2] for each in archive if each.isfile()}
    assert {name for name in tracked() if name.startswith(PACKAGES)} < names
    assert {"LICENSE", "README.md", "pyproject.toml"} < names
    others = {name.partition("/")[0] for name in names if "/" in name}
    assert others == {"coconut_core", "coconut_tui", "coconut_tui.egg-info"}


def test_commands_without_a_model(built: Built) -> None:
    assert "Commands" in built.run("coconut", "--help")
    assert "export" in built.run("coconut-tui", "--help")
    listed = {line.partition(" ")[0] for line in built.run("coconut", "recipes").splitlines()}
    assert listed >= {recipe.stem for recipe in (ROOT / "coconut_core" / "recipes").glob("*.toml")}
    problems = built.folder / "problems.json"
    built.run("coconut", "data", "make", "prosqa", "--count", 3, "--out", problems)
    assert len(json.loads(problems.read_text("utf-8"))) == 3


def test_commands_with_a_model(built: Built) -> None:
    assert json.loads(built.run("coconut", "info", "--json"))["model"].endswith("models/prosqa")
    assert built.run("coconut", "ask", "--example", 1) == "Polly is a jelpus.\n"


def test_the_explorer_and_an_export_of_its_run(built: Built) -> None:
    script, run, picture = "explorer_outside.py", "run.json", "screen.svg"
    shutil.copy(Path(__file__).with_name(script), built.folder)
    built.run("python", "-I", script, "models/prosqa", run, picture)
    assert "jelpus" in (built.folder / picture).read_text("utf-8")
    built.run("coconut-tui", "export", run)
    page = (built.folder / "run.html").read_text("utf-8")
    for name in ("page.css", "page.js"):
        assert (ROOT / "coconut_tui" / "export" / name).read_text("utf-8").strip() in page


def test_nothing_comes_from_the_repository(built: Built) -> None:
    packages = "coconut_core.__file__, coconut_tui.__file__"
    code = f"import sys, coconut_core, coconut_tui; print({packages}, *sys.path)"
    core, tui, *path = built.run("python", "-c", code).split()
    assert Path(core).parents[1] == Path(tui).parents[1]
    assert Path(core).is_relative_to(built.folder)
    assert str(ROOT) not in path
