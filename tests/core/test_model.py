"""The training forward against the full-recompute reference: loss, logits, every gradient."""

from dataclasses import replace

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.losses import IGNORE
from tests.core.precision import EXACT
from tests.core.reference import states_of
from tests.core.sequence_rows import assert_equals_reference, gradients, make_row, pad
from tests.core.tiny_models import ARCHITECTURES, tiny_model


@pytest.fixture(params=ARCHITECTURES)
def trainable(request: pytest.FixtureRequest) -> CoconutModel:
    return tiny_model(request.param, dtype=torch.float64)


def test_one_row(trainable: CoconutModel) -> None:
    assert_equals_reference(trainable, [make_row(trainable, 7, [3], 5, seed=1)], [0])


def test_different_numbers_of_latents_aligned_at_the_first(trainable: CoconutModel) -> None:
    rows = [
        make_row(trainable, 9, [4], 5, seed=1),
        make_row(trainable, 4, [1], 7, seed=2),
        make_row(trainable, 6, [2], 3, seed=3),
        make_row(trainable, 8, [0], 4, seed=4),
    ]
    assert_equals_reference(trainable, rows, [0, 5, 3, 1])


def test_left_padding_without_alignment(trainable: CoconutModel) -> None:
    # The latents of one row stand in columns that are padding of another row.
    rows = [make_row(trainable, 5, [3], 14, seed=1), make_row(trainable, 4, [2], 3, seed=2)]
    lengths = [len(ids) for ids, _ in rows]
    left = [max(lengths) - length for length in lengths]
    assert left[1] > 6 + 3
    assert_equals_reference(trainable, rows, left)


def test_right_padding(trainable: CoconutModel) -> None:
    rows = [
        make_row(trainable, 14, [3], 5, seed=1),
        make_row(trainable, 4, [2], 3, seed=2),
        make_row(trainable, 6, [0], 2, seed=3),
    ]
    assert_equals_reference(trainable, rows, [0, 0, 0])


def test_two_latent_segments(trainable: CoconutModel) -> None:
    rows = [
        make_row(trainable, 6, [2, 3], 4, seed=1),
        make_row(trainable, 4, [1], 3, seed=2),
        make_row(trainable, 5, [3, 1], 2, seed=3),
    ]
    assert_equals_reference(trainable, rows, [0, 2, 1])


def test_rows_without_any_latent(trainable: CoconutModel) -> None:
    rows = [make_row(trainable, 6, [0], 4, seed=1), make_row(trainable, 3, [0], 6, seed=2)]
    assert_equals_reference(trainable, rows, [0, 3])


def test_the_words_behind_the_thoughts_are_read_with_the_last_of_them(llama: CoconutModel) -> None:
    rows = [make_row(llama, 5, [3, 2], 4, seed=1), make_row(llama, 5, [1, 2], 4, seed=2)]
    ids, mask, labels = pad(rows, [0, 2])
    columns = (ids == llama.config.latent_id).any(dim=0)
    before = llama.work.passes
    llama(ids, mask, labels)
    assert llama.work.passes - before == 1 + int(columns.sum())


def test_thoughts_carry_gradients_to_the_prompt(llama: CoconutModel) -> None:
    model = tiny_model("llama", dtype=torch.float64)
    ids, mask, labels = pad([make_row(model, 6, [3], 4, seed=1)], [0])
    with_thoughts = model(ids, mask, labels).loss.item()
    replaced = ids.masked_fill(ids == model.config.latent_id, model.config.fed_behind[0])
    assert model(replaced, mask, labels).loss.item() != pytest.approx(with_thoughts, abs=1e-3)
    labels[:, :-1] = IGNORE  # only the last word
    model(ids, mask, labels).loss.backward()
    embeddings = model.base_lm.get_input_embeddings().weight.grad
    assert embeddings is not None
    assert bool((embeddings[ids[0, :6]].abs().sum(dim=1) > 0).all())
    assert float(embeddings[model.config.latent_id].abs().sum()) == 0  # the placeholder is never embedded


def test_without_labels_there_is_no_loss(llama: CoconutModel) -> None:
    ids, mask, _ = pad([make_row(llama, 6, [2], 3, seed=1)], [0])
    output = llama(ids, mask, return_logits=True)
    assert output.loss is None
    assert output.logits.shape == (1, ids.shape[1], 80)


def test_without_a_mask_every_position_counts(llama: CoconutModel) -> None:
    ids, mask, labels = pad([make_row(llama, 6, [2], 3, seed=1)], [0])
    assert llama(ids, None, labels).loss.item() == llama(ids, mask, labels).loss.item()


def test_a_sequence_cannot_begin_with_a_latent(llama: CoconutModel) -> None:
    with pytest.raises(CoconutError, match="cannot begin with a latent"):
        llama(torch.tensor([[llama.config.latent_id, 20]]))


def test_mixture_feedback_feeds_the_expected_embedding() -> None:
    model = tiny_model("llama", feedback="mixture", dtype=torch.float64)
    context = model.start_context(torch.tensor([[20, 21, 22, model.config.bot_id]]))
    probabilities = torch.softmax(model.base_lm.get_output_embeddings()(context.hidden[0]), dim=-1)
    table = model.base_lm.get_input_embeddings().weight
    expected = sum(probability * row for probability, row in zip(probabilities, table, strict=True))
    torch.testing.assert_close(model.feedback(context.hidden)[0], expected, **EXACT)
    ids = [table[token] for token in (20, 21, 22, model.config.bot_id)]
    full = model.base_lm(inputs_embeds=torch.stack([*ids, expected])[None], output_hidden_states=True)
    hidden = model.latent_step(context)
    torch.testing.assert_close(hidden[0], full.hidden_states[-1][0, -1], **EXACT)


def test_pause_feedback_against_the_model_reading_tokens(trainable: CoconutModel) -> None:
    """A pause is the latent marker read as an ordinary token: Hugging Face's own forward is the reference."""
    model = tiny_model_with_pause(trainable)
    rows = [
        make_row(model, 7, [3], 5, seed=1),
        make_row(model, 5, [1, 2], 4, seed=2),
        make_row(model, 6, [0], 3, seed=3),
    ]
    losses = []
    for row, row_labels in rows:
        scores = model.base_lm(torch.tensor([row]), use_cache=False).logits[0, :-1]
        kept = [place for place, label in enumerate(row_labels[1:]) if label != IGNORE]
        losses.append(torch.nn.functional.cross_entropy(
            scores[kept], torch.tensor(row_labels[1:])[kept], reduction="none"
        ))  # fmt: skip
    torch.cat(losses).mean().backward()
    expected = gradients(model)
    output = model(*pad(rows, [0, 2, 1]))
    assert output.loss.item() == pytest.approx(torch.cat(losses).mean().item(), abs=1e-5)
    output.loss.backward()
    found = gradients(model)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **EXACT)
    embeddings = next(name for name in found if name.endswith(("wte.weight", "embed_tokens.weight")))
    assert float(found[embeddings][model.config.latent_id].abs().sum()) > 1e-3, "the pause row is not trained"


def tiny_model_with_pause(model: CoconutModel) -> CoconutModel:
    return CoconutModel(model.base_lm, model.tokenizer, replace(model.config, feedback="pause"))


def test_a_pause_hands_no_state_on() -> None:
    model = tiny_model("qwen2", feedback="pause", dtype=torch.float64)
    context = model.start_context(torch.tensor([[20, 21, 22, model.config.bot_id]]))
    hidden = model.latent_step(context, torch.randn(1, 32))
    table = model.base_lm.get_input_embeddings().weight
    ids = [20, 21, 22, model.config.bot_id, model.config.latent_id]
    expected = states_of(model, [table[token] for token in ids])[-1]
    torch.testing.assert_close(hidden[0], expected, **EXACT)
