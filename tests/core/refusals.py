"""Files that are wrong, and the one line that says so."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coconut_core.common.errors import CoconutError


def refusal(call: Callable[[], object]) -> str:
    """The message of the CoconutError that the call raises; it must be one readable line."""
    with pytest.raises(CoconutError) as caught:
        call()
    message = str(caught.value)
    assert message.strip() == message != ""
    assert "\n" not in message
    assert "Traceback" not in message
    return message


def change_json(path: Path, **changes: Any) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | changes), encoding="utf-8")


class RunsCode:
    """Pickled, it asks to run a command when it is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)
