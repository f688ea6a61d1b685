"""Packages with plugins, installed into a folder, and this process made to see what is installed there."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coconut_core.common import plugins

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "plugin"


def install_example(folder: Path) -> Path:
    """Install examples/plugin, but not what it needs, into folder / "site" as a user would; returns that."""
    source = shutil.copytree(EXAMPLE, folder / "source")  # a build leaves files behind
    site = folder / "site"
    offline = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *offline, "--target", site, source], check=True, timeout=300
    )
    return site


def write_package(site: Path, package: str, code: str, entry_points: str) -> None:
    """A package of one module, named as the package with _ for -, as an installer leaves it in a folder."""
    (site / f"{package.replace('-', '_')}.py").write_text(code, encoding="utf-8")
    told = site / f"{package.replace('-', '_')}-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (told / "entry_points.txt").write_text(entry_points, encoding="utf-8")


@contextmanager
def seen(site: Path) -> Iterator[None]:
    """Within this, what is installed in a folder is installed for this process."""
    _forget()
    sys.path.insert(0, str(site))
    known = set(sys.modules)
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for name in set(sys.modules) - known:
            if str(site) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        _forget()


def _forget() -> None:
    for remembered in (plugins.plugins_of, plugins._import, plugins._log_once):
        remembered.cache_clear()
    if (views := sys.modules.get("coconut_tui.views")) is not None:
        views.all_views.cache_clear()
