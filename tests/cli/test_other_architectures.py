"""Models of other architectures and on other devices, as the commands see them."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.core.tiny_models import QUESTIONS, tiny_model

ASKED = ("--max-new-tokens", 4, "--json", QUESTIONS[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent model."""
    tiny_model("mamba").save_pretrained(place := tmp_path_factory.mktemp("mamba"))
    return place


def test_info_says_how_a_recurrent_model_goes_back_and_an_edit_is_done(coconut: Run, folder: Path) -> None:
    facts = json.loads(coconut("info", folder, "--json").stdout)
    assert (facts["goes_back"], facts["architecture_tested"], facts["heads"]) == ("by recomputing", True, 0)
    plain, scaled = (
        [thought["norm"] for thought in json.loads(coconut("ask", "--model", folder, *each).stdout)["thoughts"]]
        for each in (ASKED, ("--do", "scale 3@2", *ASKED))
    )
    assert scaled[:2] == pytest.approx([plain[0], 3 * plain[1]], rel=1e-4)
    assert abs(scaled[2] - plain[2]) > 0.01
    refused = coconut("ask", "--model", folder, "--do", "knockout prompt@1", *ASKED)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: no position can be hidden in a model with recurrent layers")


def test_a_device_map_changes_no_answer(coconut: Run, checkpoint: Path) -> None:
    plain, on_disk = (
        coconut("ask", "--model", checkpoint, *options, *ASKED)
        for options in ((), ("--device-map", '{"": "disk"}'))
    )
    assert on_disk.returncode == 0, on_disk.stderr
    assert json.loads(on_disk.stdout)["text"] == json.loads(plain.stdout)["text"]
    both = coconut("ask", "--model", checkpoint, "--device", "cpu", "--device-map", "auto", *ASKED)
    assert (both.returncode, both.stdout) == (2, "")
    assert both.stderr == (
        "error: a device map says where each part goes: give --device or --device-map, not both\n"
    )


def test_a_step_that_cannot_be_compiled_is_refused(coconut: Run, folder: Path, tmp_path: Path) -> None:
    made = coconut("data", "make", "prosqa", "--count", 2, "--seed", 1, "--out", tmp_path / "data.json")
    assert made.returncode == 0, made.stderr
    refused = coconut("eval", "--model", folder, "--data", tmp_path / "data.json", "--compile")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: a model of type 'mamba' has layers with a window or a state: "
        "it cannot be compiled, leave out --compile\n"
    )
