"""A choice of a model opens it as from_pretrained does, with what is asked for besides."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.model_choice import ModelChoice
from coconut_core.terminal.options import open_model
from tests.core.ordinary_models import CHATML, ordinary_folder


def test_every_entry_is_handed_on(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, template=CHATML)
    how: dict[str, Any] = {
        "feedback": "linear",
        "chat": True,
        "system": "Be brief.",
        "markers": "a,b",
        "dtype": "float32",
    }
    given = CoconutModel.from_pretrained(folder, device="cpu", **how)
    opened = ModelChoice(str(folder), "cpu", passes=2, **how).open()
    assert opened.config == given.config.with_passes(2)
    assert opened.dtype == torch.float32
    assert opened.compiled is None
    assert ModelChoice(str(folder), device_map='{"": "cpu"}', compiled=True).open().compiled is not None


def test_a_bundled_model_is_found_and_a_folder_stays_what_it_is(tmp_path: Path) -> None:
    said: list[str] = []
    assert Path(ModelChoice("models/prosqa").resolved(said.append).source).is_dir()
    choice = ModelChoice(str(tmp_path), "cpu", markers="none")
    assert (choice.resolved(said.append), said) == (choice, [])


def test_the_note_of_an_untrained_model_names_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ordinary_folder(tmp_path, template=CHATML)
    open_model(ModelChoice(str(folder), "cpu", markers="a,b"), thoughts=3)
    assert capsys.readouterr().err.startswith(f"note: {folder} was not trained to think in latents")


def test_a_choice_needs_no_torch() -> None:
    code = (
        "import sys; from coconut_core.model_choice import ModelChoice\n"
        "ModelChoice('models/prosqa').resolved(print); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "False\n"
