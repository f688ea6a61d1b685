"""Commands stand side by side: none imports another, and the explorer imports none of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import coconut_core
import coconut_tui
from coconut_core.cli import app

CORE, EXPLORER = (Path(package.__path__[0]) for package in (coconut_core, coconut_tui))


def imported(file: Path) -> Iterator[str]:
    """Modules that a file imports, and what it imports from them, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_command_imports_another() -> None:
    commands = {name for name in imported(Path(app.__file__)) if name.startswith("coconut_core.cli.")}
    assert len(commands) == 15
    for file in (CORE / "cli").glob("*.py"):
        used = {".".join(name.split(".")[:3]) for name in imported(file)}
        assert not used & commands or file.name == "app.py", file


def test_nothing_but_the_command_lines_imports_commands_and_drawing_for_terminals() -> None:
    for root in (CORE, EXPLORER):
        for file in root.rglob("*.py"):
            place = file.relative_to(root).parts[0]
            used = {".".join(name.split(".")[:2]) for name in imported(file)}
            if place not in ("cli", "__main__.py") or root == EXPLORER:
                assert "coconut_core.cli" not in used, file
            if place not in ("cli", "terminal") and root == CORE:
                assert "coconut_core.terminal" not in used, file
