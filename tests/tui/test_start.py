"""The first minute: what is wrong on the command line, while a model loads, and where it cannot be loaded."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from coconut_core.errors import CoconutError
from coconut_tui.cli import app


def started(*arguments: str) -> Result:
    """The command as far as it goes without a terminal."""
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("model", ["missing", "models/prosqaa", "~/there-is-none", "./x/y"])
def test_a_model_that_is_not_there_is_told_in_the_shell(model: str) -> None:
    result = started("--model", model)
    assert isinstance(result.exception, CoconutError), result.output
    assert f"there is no folder {model}" in str(result.exception)


def test_without_arguments_the_bundled_model_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = started()
    assert "needs a terminal" in str(result.exception), "the model was found"
