"""Fixtures of the engine's tests: tiny random models of every architecture that is supported."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from hypothesis import settings

from coconut_core.coconut import CoconutModel
from tests.core.tiny_models import ARCHITECTURES, tiny_model

torch.set_num_threads(1)
settings.register_profile("core", deadline=None, derandomize=True, database=None)
settings.load_profile("core")


@pytest.fixture(scope="session", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest) -> CoconutModel:
    """A tiny random model in float64, one of each architecture; tests must not change it."""
    return tiny_model(request.param, dtype=torch.float64)


@pytest.fixture(scope="session")
def llama() -> CoconutModel:
    """A tiny random Llama in float64; tests must not change it."""
    return tiny_model("llama", dtype=torch.float64)


@pytest.fixture(scope="session")
def saved_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of the tiny Llama in float32; tests must copy it before they change it."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    tiny_model("llama").save_pretrained(folder)
    return folder


@pytest.fixture
def any_precision() -> Iterator[None]:
    """For a test that trains in a precision of its own: accelerate keeps that of a process's first run."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
