"""Fixtures of the engine's tests: tiny random models of every architecture that is supported."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from coconut_core.model import CoconutModel
from tests.core.tiny_models import ARCHITECTURES, tiny_model

torch.set_num_threads(1)
settings.register_profile("core", deadline=None, derandomize=True, database=None)
settings.load_profile("core")


@pytest.fixture(scope="session", params=ARCHITECTURES)
def model(request: pytest.FixtureRequest) -> CoconutModel:
    """A tiny random model, one of each architecture; tests must not change it."""
    return tiny_model(request.param)


@pytest.fixture(scope="session")
def llama() -> CoconutModel:
    """A tiny random Llama; tests must not change it."""
    return tiny_model("llama")


@pytest.fixture(scope="session")
def saved_folder(tmp_path_factory: pytest.TempPathFactory, llama: CoconutModel) -> Path:
    """A checkpoint folder of the tiny Llama; tests must copy it before they change it."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    llama.save_pretrained(folder)
    return folder
