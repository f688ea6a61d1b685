"""How the first paint is measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.first_paint import kept_bytecode


def test_what_is_compiled_at_a_start_is_there_at_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "module.py").write_text("", encoding="utf-8")
    with kept_bytecode() as environment:
        subprocess.run([sys.executable, "-c", "import module"], env=environment, cwd=tmp_path, check=True)
        kept = Path(environment["PYTHONPYCACHEPREFIX"])
        assert list(kept.rglob("module.*.pyc"))
    assert not kept.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["module.py"]
