"""Readout: what a hidden state would say, against distributions worked out by hand."""

import math

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.readout import Readout
from coconut_core.runs.session import Session
from tests.core.precision import EXACT
from tests.core.tiny_models import QUESTIONS, VOCABULARY, tiny_model


def model_that_says(probabilities: dict[int, float]) -> tuple[CoconutModel, Tensor]:
    """A model and a hidden state whose readout has these probabilities; the other tokens share the rest."""
    model = tiny_model("llama", dtype=torch.float64)
    rest = (1 - sum(probabilities.values())) / (VOCABULARY - len(probabilities))
    hidden = torch.zeros(32)
    hidden[5] = 2.0
    with torch.no_grad():
        head = model.base_lm.get_output_embeddings().weight
        head.normal_()
        head[:, 5] = torch.tensor(
            [math.log(probabilities.get(token, rest) or 1e-30) / 2 for token in range(VOCABULARY)]
        )
    return model, hidden


def test_top_is_sorted_and_sums_to_one(model: CoconutModel) -> None:
    readout = Session(model, QUESTIONS[0]).next_readout
    top = readout.top(VOCABULARY)
    assert len(top) == VOCABULARY
    assert sum(item.probability for item in top) == pytest.approx(1.0, abs=1e-5)
    assert [item.probability for item in top] == sorted((item.probability for item in top), reverse=True)
    assert len({item.token_id for item in top}) == VOCABULARY
    assert readout.top(3) == top[:3]
    assert readout.top(1000) == top
    assert all(readout.probability(item.token_id) == item.probability for item in top)


def test_readout_is_the_softmax_of_the_head(model: CoconutModel) -> None:
    session = Session(model, QUESTIONS[0])
    ids = torch.tensor([session.prompt_ids])
    with torch.inference_mode():
        logits = model.base_lm(ids).logits[0, -1]
    torch.testing.assert_close(session.next_readout.logits, logits, **EXACT)
    torch.testing.assert_close(session.next_readout.probabilities, torch.softmax(logits, -1), **EXACT)


def test_probabilities_of_a_known_distribution() -> None:
    model, hidden = model_that_says({20: 0.5, 21: 0.25, 22: 0.125})
    readout = Readout(model, hidden)
    assert [item.token_id for item in readout.top(3)] == [20, 21, 22]
    assert [item.token for item in readout.top(3)] == [model.token_text(token) for token in (20, 21, 22)]
    assert [item.probability for item in readout.top(3)] == pytest.approx([0.5, 0.25, 0.125], rel=1e-4)
    assert readout.probability(21) == pytest.approx(0.25, rel=1e-4)
    name = model.token_text(21)
    assert readout.probability(name) == readout.probability(f" {name}") == readout.probability(21)


@pytest.mark.parametrize("name", ["unicorn", "lempus rompus", ""])
def test_probability_of_what_is_no_single_token(llama: CoconutModel, name: str) -> None:
    with pytest.raises(CoconutError, match="not a single token") as caught:
        Session(llama, QUESTIONS[0]).next_readout.probability(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("probabilities", "entropy"),
    [
        ({}, math.log(VOCABULARY)),
        ({20: 1.0}, 0.0),
        ({20: 0.5, 21: 0.5}, math.log(2)),
        ({20: 0.5, 21: 0.25, 22: 0.25}, 1.5 * math.log(2)),
    ],
)
def test_entropy_of_known_distributions(probabilities: dict[int, float], entropy: float) -> None:
    readout = Readout(*model_that_says(probabilities))
    assert readout.entropy == pytest.approx(entropy, abs=1e-4)


def test_norm_and_cosine(llama: CoconutModel) -> None:
    first, second = torch.zeros(32), torch.zeros(32)
    first[0], first[1] = 3.0, 4.0
    second[0] = 2.0
    one, other = Readout(llama, first), Readout(llama, second)
    assert one.norm == pytest.approx(5.0)
    assert one.cosine(other) == pytest.approx(0.6)
    assert one.cosine(one) == pytest.approx(1.0)
    assert one.cosine(Readout(llama, -second)) == pytest.approx(-0.6)
    assert one.cosine(Readout(llama, torch.zeros(32))) == 0.0


def test_nearest_is_by_cosine_to_the_token_embeddings(model: CoconutModel) -> None:
    table = model.base_lm.get_input_embeddings().weight.detach()
    hidden = table[33] * 7 + 0.1 * table[44]
    nearest = Readout(model, hidden).nearest(VOCABULARY)
    assert nearest[0].token_id == 33
    assert nearest[0].probability == pytest.approx(1.0, abs=0.02)
    for item in nearest:
        expected = table[item.token_id] @ hidden / (table[item.token_id].norm() * hidden.norm())
        assert item.probability == pytest.approx(float(expected), abs=1e-5)
    values = [item.probability for item in nearest]
    assert values == sorted(values, reverse=True)
    assert Readout(model, hidden).nearest(2) == nearest[:2]


@pytest.mark.parametrize("architecture", ["gpt2", "qwen3"])
def test_with_tied_embeddings_logits_are_inner_products(architecture: str) -> None:
    model = tiny_model(architecture, dtype=torch.float64)
    readout = Session(model, QUESTIONS[0]).next_readout
    table = model.base_lm.get_input_embeddings().weight.detach()
    products = torch.stack([(row * readout.hidden).sum() for row in table])
    torch.testing.assert_close(readout.logits, products, **EXACT)


@pytest.mark.parametrize("k", [0, -1])
def test_top_k_must_be_positive(llama: CoconutModel, k: int) -> None:
    readout = Session(llama, QUESTIONS[0]).next_readout
    for ask in (readout.top, readout.nearest):
        with pytest.raises(CoconutError, match="top-k must be 1 or more"):
            ask(k)
