"""Settings of the whole test run: one thread a process, nothing from the network, nothing of the user's."""

import os
import signal
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.abuse.warm import Warm

# What modules that only help assert is explained as what tests assert is.
HELPERS = [f"tests.{path.name}" for path in Path(__file__).parent.iterdir() if path.is_dir()]
pytest.register_assert_rewrite(*HELPERS)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


def pytest_make_parametrize_id(val: object) -> str | None:
    """A short name for a long text, as the environment has no room for it in PYTEST_CURRENT_TEST."""
    if isinstance(val, str | bytes) and len(val) > 200:
        return f"{val[:40]!a}, {len(val)} in all"
    return None


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    """A command line that a test runs in this process leaves Ctrl-C as it ends it: at once."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def no_sessions_of_this_user(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each test has a state folder of its own, which is made once something is saved there."""
    name = sha256(request.node.nodeid.encode()).hexdigest()[:16]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state" / name))


@pytest.fixture(scope="session")
def warm() -> "Iterator[Warm]":
    """Commands that start at once: forks of one process that has imported torch."""
    from tests.abuse.warm import Warm

    process = Warm()
    yield process
    process.close()


@pytest.fixture(scope="session")
def smollm2_folder() -> Path:
    """A real pretrained chat model, to be left as it is; mark tests that use it with `smollm2`."""
    from tests import smollm2

    return smollm2.folder()
