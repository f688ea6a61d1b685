"""A tiny random checkpoint, and the commands run as a user runs them."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.abuse.warm import Warm

Run = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ProSQA-shaped model: the commands do not care how well it answers."""
    from coconut_core.training.recipe import load_recipe
    from coconut_core.training.start import build_model

    model = build_model(
        load_recipe("prosqa-labelled", ["model.hidden_size=32", "model.heads=2", "model.intermediate_size=32"])
    )
    model.config = replace(model.config, thoughts=3)
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def coconut(warm: Warm) -> Run:
    """Run `coconut` in a fork of a process that has imported torch; stdin is empty unless given.

    The same code as the installed command runs, without the seconds of starting it; see `installed`.
    """
    return lambda *arguments, **options: warm.run("coconut", *arguments, **options)


@pytest.fixture(scope="session")
def installed() -> Run:
    """Run the installed `coconut` command; stdin is empty unless given."""

    def run(*arguments: object, text: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = Path(sys.executable).with_name("coconut")
        return subprocess.run(
            [command, *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=cwd or ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100", "HF_HUB_OFFLINE": "1"},
        )

    return run
