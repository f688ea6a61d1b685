"""Edits of a thought: identity ones change nothing at all, the others do what their name says."""

import pytest
import torch

from coconut_core.errors import CoconutError
from coconut_core.interventions import Intervention, Noise, Replace, Scale, Zero, parse_intervention
from coconut_core.model import CoconutModel
from coconut_core.session import Session
from tests.core.tiny_models import QUESTIONS


@pytest.mark.parametrize("kind", ["scale by one", "replace by itself"])
def test_identity_edits_give_identical_numbers(model: CoconutModel, kind: str) -> None:
    plain = Session(model, QUESTIONS[0], thoughts=3, max_new_tokens=5)
    plain.finish()
    edited = Session(model, QUESTIONS[0], thoughts=3, max_new_tokens=5)
    for step in plain.thought_steps():
        edited.think(Scale(1.0) if kind == "scale by one" else Replace(step.hidden))
    edited.finish()
    assert len(plain.steps) == len(edited.steps)
    for one, other in zip(plain.steps, edited.steps, strict=True):
        assert torch.equal(one.state, other.state)
        assert torch.equal(one.hidden, other.hidden)
        assert torch.equal(one.readout.logits, other.readout.logits)
        assert one.token_id == other.token_id


def test_what_each_edit_does() -> None:
    thought = torch.tensor([3.0, -4.0, 0.0, 12.0])
    assert torch.equal(Zero()(thought), torch.zeros(4))
    assert torch.equal(Scale(0.5)(thought), torch.tensor([1.5, -2.0, 0.0, 6.0]))
    assert torch.equal(Replace(torch.ones(4))(thought), torch.ones(4))
    noise = Noise(3)(thought)
    assert float(noise.norm()) == pytest.approx(13.0, rel=1e-5)
    assert torch.equal(noise, Noise(3)(thought))
    assert not torch.allclose(noise, Noise(4)(thought))
    assert torch.equal(thought, torch.tensor([3.0, -4.0, 0.0, 12.0]))


def test_a_replacement_of_another_width_is_refused() -> None:
    with pytest.raises(CoconutError, match="shape"):
        Replace(torch.ones(3))(torch.ones(4))


@pytest.mark.parametrize("edit", [Zero(), Scale(0.5), Scale(-2), Noise(3)])
def test_the_text_of_an_edit_reads_back(edit: Intervention) -> None:
    assert parse_intervention(str(edit)) == edit


@pytest.mark.parametrize("text", ["", "zero 1", "scale", "scale big", "noise x", "explode"])
def test_texts_that_are_no_edit_are_refused(text: str) -> None:
    with pytest.raises(CoconutError, match="write zero, scale FACTOR or noise SEED") as caught:
        parse_intervention(text)
    assert "\n" not in str(caught.value)
