"""How the packages and their tests are built."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
MOST_LINES_OF_A_MODULE, MOST_LINES_OF_A_FUNCTION = 400, 60


def test_no_module_and_no_function_of_the_packages_is_long() -> None:
    modules = {
        path: path.read_text("utf-8")
        for package in ("coconut_core", "coconut_tui")
        for path in (TESTS.parent / package).rglob("*.py")
    }
    long = [path.name for path, text in modules.items() if len(text.splitlines()) > MOST_LINES_OF_A_MODULE]
    long += [
        f"{path.name}: {node.name}"
        for path, text in modules.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert len(modules) > 200
    assert long == []


def test_no_test_module_imports_another() -> None:
    """What several need is in a module of its own: else their tests would be collected and run with it."""
    found = [
        f"{path.relative_to(TESTS)}: {name}"
        for path in TESTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _imported(node)
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    ]
    assert found == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_plugins_find_what_they_import_by_the_names_of_before() -> None:
    from coconut_core import coconut, config, feedback, model
    from coconut_core.latent import config as latent_config
    from coconut_core.latent import feedback as rules

    assert model.CoconutModel is coconut.CoconutModel
    assert config.CoconutConfig is latent_config.CoconutConfig
    assert (feedback.Rule, feedback.Option, feedback.Parts) == (rules.Rule, rules.Option, rules.Parts)
