"""The measurement of `coconut serve`: it asks a real server, and both ways get the same answers."""

from pathlib import Path

import pytest

from bench.serve import answers, bench, running
from bench.shapes import SHAPES
from coconut_core.common.errors import CoconutError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("checkpoint")
    SHAPES["tiny-llama"].build().save_pretrained(folder)
    return str(folder)


def test_it_prints_both_ratios(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench(checkpoint, clients=3, questions=2, rows=4, repetitions=1)
    clock, processor, same = capsys.readouterr().out.splitlines()
    assert "3 at once against one by one, clock" in clock
    assert clock.endswith(("meets 8 ×", "falls short of 8 ×"))
    assert "one by one, processor" in processor
    assert same.startswith("same 6 answers")


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(CoconutError, match="there is no folder"),
        running(str(tmp_path / "nowhere"), 4) as server,
    ):
        answers(server.server, ["Q?"], 1)
