"""The tuned lens: it learns what it is asked, says how well on unseen problems, and belongs to its weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from coconut_core.analysis.depth import depth_table, lens_distances, lens_frontier, read_depth
from coconut_core.analysis.lens import Lens, Translators, divergence
from coconut_core.analysis.study import Study
from coconut_core.analysis.tuned_lens import (
    FILE_NAME,
    find_tuned_lens,
    load_tuned_lens,
    save_tuned_lens,
    train_tuned_lens,
)
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.verdict import hash_weights
from coconut_core.problems import generate_problems
from tests.core.tiny_models import tiny_model

PROBLEMS = generate_problems("prosqa", 60, seed=3)
QUESTIONS = [problem.question for problem in PROBLEMS]


@pytest.fixture(scope="module")
def wordy() -> CoconutModel:
    """A tiny model with room for a whole ProsQA question."""
    return tiny_model("qwen3", max_positions=512)


def test_divergence_of_known_distributions() -> None:
    told = torch.tensor([0.5, 0.5]).log()
    wanted = torch.tensor([0.75, 0.25]).log()
    expected = 0.75 * torch.tensor(1.5).log() + 0.25 * torch.tensor(0.5).log()
    torch.testing.assert_close(divergence(told, wanted), expected)
    torch.testing.assert_close(divergence(wanted, wanted), torch.tensor(0.0))


def test_before_training_it_is_the_plain_lens(model: CoconutModel) -> None:
    layers = torch.randn(5, 2, 32, generator=torch.Generator().manual_seed(0))
    plain, tuned = Lens(model), Lens(model, Translators(2, 32))
    assert torch.equal(plain.states(layers), tuned.states(layers))


def test_a_translator_moves_its_own_layer_and_never_the_last() -> None:
    translators = Translators(3, 4)
    with torch.no_grad():
        translators.weight[1] = torch.eye(4)
        translators.bias[1] = 1.0
    layers = torch.arange(12.0).reshape(3, 4)
    moved = translators(layers)
    assert torch.equal(moved[0], layers[0])
    assert torch.equal(moved[1], 2 * layers[1] + 1)
    assert torch.equal(moved[2], layers[2])


def test_training_brings_early_layers_nearer_on_problems_not_seen(wordy: CoconutModel) -> None:
    losses: list[float] = []
    lens = train_tuned_lens(
        wordy, QUESTIONS, 2, steps=100, learning_rate=3e-3, progress=lambda step, loss: losses.append(loss)
    )
    found = lens.calibration
    assert (found.trained_on, found.held_out, found.thoughts) == (40, 20, 2)
    assert len(found.plain) == len(found.tuned) == 1
    assert found.tuned[0] < 0.8 * found.plain[0]
    assert len(losses) == 100
    again = train_tuned_lens(wordy, QUESTIONS, 2, steps=100, learning_rate=3e-3)
    assert again.calibration == found
    assert torch.equal(again.translators.weight, lens.translators.weight)
    assert all(weight.grad is None for weight in wordy.parameters())


def test_it_keeps_the_best_and_so_is_never_much_worse_than_none(wordy: CoconutModel) -> None:
    """With so large steps that training only does harm, the identity is kept."""
    lens = train_tuned_lens(wordy, QUESTIONS[:12], 1, steps=3, learning_rate=100.0)
    assert lens.calibration.tuned == lens.calibration.plain


def test_it_is_kept_beside_the_weights_that_it_belongs_to(wordy: CoconutModel, tmp_path: Path) -> None:
    wordy.save_pretrained(tmp_path)
    before = hash_weights(tmp_path)
    assert find_tuned_lens(CoconutModel.from_pretrained(tmp_path)) is None
    lens = train_tuned_lens(wordy, QUESTIONS[:20], 1, steps=25)
    path = save_tuned_lens(lens, tmp_path)
    assert path == tmp_path / FILE_NAME
    assert hash_weights(tmp_path) == before, "a lens is no part of the weights"
    opened = CoconutModel.from_pretrained(tmp_path)
    found = find_tuned_lens(opened)
    assert found is not None
    assert found.calibration == lens.calibration
    assert torch.equal(found.translators.weight, lens.translators.weight)
    assert torch.equal(found.translators.bias, lens.translators.bias)

    tiny_model("qwen3", seed=1, max_positions=512).save_pretrained(tmp_path)
    with pytest.raises(CoconutError, match="belongs to other weights"):
        find_tuned_lens(CoconutModel.from_pretrained(tmp_path))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CoconutError, match="train it again") as caught:
        load_tuned_lens(opened, tmp_path)
    assert "\n" not in str(caught.value)


def test_too_few_problems_are_refused(wordy: CoconutModel, tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match="at least 12 problems"):
        train_tuned_lens(wordy, QUESTIONS[:11], 1)
    (tmp_path / "lens").write_text("")
    lens = train_tuned_lens(wordy, QUESTIONS[:12], 1, steps=1)
    with pytest.raises(CoconutError, match="cannot write"):
        save_tuned_lens(lens, tmp_path)


def test_many_layers_go_down_the_page(wordy: CoconutModel) -> None:
    study = Study(wordy, PROBLEMS[:3], 1)
    values, names = torch.rand(2, 30), [f"layer {number}" for number in range(1, 31)]
    table = depth_table("", study, names, values)
    assert table.head == ["layer", "thought 1", "end"]
    assert [row[0] for row in table.rows] == names
    assert table.rows[29] == ["layer 30", *(f"{value:.2f}" for value in values[:, 29].tolist())]
    assert depth_table("", study, names[:2], values[:, :2]).head == ["thought", "layer 1", "layer 2"]


def test_depth_in_the_last_layer_is_the_thought_itself(wordy: CoconutModel, tmp_path: Path) -> None:
    study = Study(wordy, PROBLEMS[:5], 2)
    distances, shares = lens_distances(study, Lens(wordy)), lens_frontier(study, Lens(wordy), study.maps)
    assert distances.shape == shares.shape == (3, 2)
    assert distances[:, 1].abs().max() < 1e-6
    assert distances[:, 0].min() > 0.01
    for place in range(3):
        told = []
        for states, known in zip(study.runs.states, study.maps, strict=True):
            if frontier := list(known.frontier(study.hops(place))):
                probabilities = torch.softmax(study.logits(states[place]), dim=-1)
                told.append(float(probabilities[study.tokens(known.graph)[frontier]].sum()))
        assert float(shares[place, 1]) == pytest.approx(sum(told) / len(told), rel=1e-4)


def test_a_tuned_lens_is_shown_with_its_calibration_only(wordy: CoconutModel, tmp_path: Path) -> None:
    wordy.save_pretrained(tmp_path)
    save_tuned_lens(train_tuned_lens(wordy, QUESTIONS[:20], 1, steps=25), tmp_path)
    section = read_depth(Study(CoconutModel.from_pretrained(tmp_path), PROBLEMS[:3], 1))
    assert set(section.figures) == {"depth", "depth-tuned"}
    captions = [table.caption for table in section.tables]
    assert any(caption.startswith("tuned lens") for caption in captions)
    assert captions[-1].startswith("Calibration: KL to the last layer in nats, 7 held-out problems")
    bare = read_depth(Study(wordy, [replace(problem, graph=None) for problem in PROBLEMS[:3]], 1))
    assert [table.caption for table in bare.tables] == ["plain lens: distance from the last layer, nats"]
