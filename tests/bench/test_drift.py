"""What is measured of drift: none against itself, some in bfloat16, and less where nothing adds up."""

import json
from pathlib import Path

import pytest
import torch

from bench.drift import FORCED, FREE, Drift, bench, compare, measure, think
from bench.shapes import SHAPES
from coconut_core.common.errors import CoconutError

TINY = ["tiny-gpt2", "tiny-llama"]


def drifts(name: str, dtype: str, thoughts: int = 32) -> dict[str, Drift]:
    return measure(name, dtype, thoughts, count=6, data=None, device="cpu").drifts


@pytest.mark.parametrize("name", TINY)
def test_float32_does_not_drift_from_itself(name: str) -> None:
    for drift in drifts(name, "float32").values():
        assert drift.distance.shape == (32, 6)
        for values in (drift.distance, drift.norm, drift.divergence):
            assert not values.any()
        assert drift.same.all()


@pytest.mark.parametrize("name", TINY)
def test_bfloat16_drifts_and_more_where_it_is_fed_its_own_states(name: str) -> None:
    found = drifts(name, "bfloat16")
    free, forced = found[FREE].distance, found[FORCED].distance
    assert (free > 0).all()
    assert torch.equal(free[0], forced[0]), "nothing was fed yet"
    assert not torch.equal(free[1], forced[1])
    assert forced[-8:].median() < free[-8:].median()
    assert (found[FREE].divergence > -1e-9).all()


def test_the_figures_are_those_of_known_vectors() -> None:
    model = SHAPES["tiny-llama"].build()
    state = torch.zeros(1, 1, 16)
    state[..., 0] = 1
    across = 2 * state.roll(1, dims=-1)
    drift = compare(model, state, model, across)
    assert drift.distance.item() == pytest.approx(1)
    assert drift.norm.item() == pytest.approx(1)
    left, right = (model.logits(each)[0, 0].double().softmax(dim=-1) for each in (state, across))
    assert drift.divergence.item() == pytest.approx((left * (left / right).log()).sum().item(), rel=1e-5)
    assert drift.same.item() is (left.argmax() == right.argmax()).item()


def test_given_thoughts_are_what_is_fed() -> None:
    model = SHAPES["tiny-gpt2"].build()
    prompts = [model.encode_prompt("lempus rompus"), model.encode_prompt("rompus")]
    own = think(model, prompts, 5)
    assert torch.equal(think(model, prompts, 5, own), own)
    fed_zero = think(model, prompts, 5, torch.zeros_like(own))
    assert torch.equal(fed_zero[0], own[0])
    assert not torch.equal(fed_zero[1], own[1])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "drift.svg"
    bench(["tiny-llama"], dtype="bfloat16", thoughts=9, prompts=3, out=figure, as_json=True)
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["model"], result["n"]) == ("tiny-llama", 3)
    assert [each["thought"] for each in result[FREE]] == list(range(1, 10))
    assert "tiny-llama, forced" in figure.read_text()
    bench(["tiny-llama"], dtype="bfloat16", thoughts=9, prompts=3)
    assert "| tiny-llama | forced | 9 |" in capsys.readouterr().out


def test_what_cannot_be_measured_is_one_line() -> None:
    with pytest.raises(CoconutError, match=r"tiny-llama reads 512 positions .* ask for --thoughts \d+ at most"):
        measure("tiny-llama", "bfloat16", 600, count=1, data=None, device="cpu")
    with pytest.raises(CoconutError, match="unknown dtype 'int8'"):
        bench(["tiny-llama"], dtype="int8")
