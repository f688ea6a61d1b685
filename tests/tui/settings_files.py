"""Settings files, and what is said of a wrong one."""

from functools import partial
from pathlib import Path

import pytest

from coconut_core.common.errors import CoconutError
from coconut_tui import config
from coconut_tui.actions.table import check_keys

load_config = partial(config.load_config, check_keys=check_keys)


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def assert_named_in_one_line(path: Path, said: str) -> None:
    """Reading the settings says what is wrong, and in which file."""
    with pytest.raises(CoconutError) as raised:
        load_config(path, environment={})
    assert said in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
