"""Architectures besides the four of the other tests: the same loop, the same numbers, whatever the cache."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from transformers import AutoModelForCausalLM, Gemma3Config

from coconut_core.analysis.insight import look_inside
from coconut_core.analysis.runs import aside, gather
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.facts import model_facts
from coconut_core.interventions import HiddenPositions, Intervention, PatchHead, PatchLayer, Plan, Scale
from coconut_core.interventions.text import parse_plan
from coconut_core.latent.architectures import TESTED, check_loop
from coconut_core.latent.layers import watching
from coconut_core.runs.rows import read_prompts, repeated
from coconut_core.runs.session import Session
from tests.core.answering import assert_batch_equals_single
from tests.core.plan_runs import assert_same, run, sources_of
from tests.core.precision import format_for, tolerance
from tests.core.reference import word_embeddings
from tests.core.sequence_rows import assert_equals_reference, make_row
from tests.core.session_operations import (
    assert_equals_full_recompute,
    assert_operations_are_exact,
    assert_same_run,
    operations,
    replay,
)
from tests.core.tiny_architectures import CROPPED, RECURRENT
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model
from tests.core.tiny_recipes import tiny_recipe, train

NAMES = (*ARCHITECTURES, *CROPPED, *RECURRENT)
ATTENDING = (*ARCHITECTURES, *CROPPED)  # attention and nothing else in every layer
MODELS = {name: tiny_model(name, dtype=format_for(name)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_every_gradient_equal_those_of_a_full_recompute(name: str) -> None:
    model = tiny_model(name, dtype=format_for(name))
    rows = [
        make_row(model, 12, [3], 9, seed=1),
        make_row(model, 4, [1], 7, seed=2),
        make_row(model, 8, [0], 4, seed=4),
    ]
    assert_equals_reference(model, rows, [0, 8, 4])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12)
@given(chosen=operations)
def test_any_sequence_of_operations_equals_a_fresh_run(name: str, chosen: Sequence[tuple[str, int]]) -> None:
    assert_operations_are_exact(Session(MODELS[name], QUESTIONS[0], thoughts=3), chosen)


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_any_lengths_say_what_single_runs_say(name: str) -> None:
    assert_batch_equals_single(MODELS[name], thoughts=2, max_new_tokens=10)


@pytest.mark.parametrize("name", NAMES)
def test_readouts_are_the_logits_of_the_library(name: str) -> None:
    """Words scaled as the model scales them, logits capped as it caps them."""
    session = Session(MODELS[name], QUESTIONS[0])
    with torch.inference_mode():
        logits = MODELS[name].base_lm(torch.tensor([session.prompt_ids])).logits[0, -1]
    torch.testing.assert_close(session.next_readout.logits, logits, **tolerance(MODELS[name]))
    table = MODELS[name].embedding_table()
    assert torch.equal(MODELS[name].embed(torch.tensor([20, 33])), table[[20, 33]])
    assert session.next_readout.nearest(3)[0].probability < 1
    nearest = parse_plan("nearest@1", sources_of(MODELS[name])).edits[1]
    assert any(torch.equal(nearest(session.next_readout.hidden), row) for row in table)


@pytest.mark.parametrize("name", NAMES)
def test_interventions_that_change_nothing_give_identical_numbers(name: str) -> None:
    model = MODELS[name]
    texts = ["steer rompus 0@1-3", "patch 0 own@all; patch 1 own@2"]
    if name in ATTENDING:
        texts += ["patch-head 0.1 own@all; patch-head 1.3 own@2", "knockout thoughts@1"]
    for text in texts:
        assert_same(run(model), run(model, parse_plan(text, sources_of(model))))


@pytest.mark.parametrize("name", NAMES)
def test_interventions_do_what_they_say_and_are_there_after_going_back(name: str) -> None:
    model = MODELS[name]
    generator = torch.Generator().manual_seed(1)
    edits: list[Intervention] = [Scale(3.0), PatchLayer(0, torch.randn(32, generator=generator))]
    if name in ATTENDING:
        edits += [PatchHead(1, 2, torch.randn(8, generator=generator)), HiddenPositions((0, 15, 16))]
    for edit in edits:
        plain, changed = run(model), run(model, Plan({2: edit}))
        for number, (one, other) in enumerate(zip(plain.steps[:5], changed.steps, strict=False)):
            assert torch.equal(one.state, other.state) == (number < 2)
        states = [step.state for step in changed.steps]
        changed.rewind(3)
        changed.finish()
        for step, state in zip(changed.steps, states, strict=True):
            torch.testing.assert_close(step.state, state, **tolerance(MODELS[name]))
        assert_same_run(changed, replay(changed))
        twin = changed.fork()
        twin.edit(2, None)
        assert_equals_full_recompute(twin)


@pytest.mark.parametrize("name", NAMES)
def test_the_lens_ends_in_the_plain_readout(name: str) -> None:
    model = MODELS[name]
    session = run(model)
    insight = look_inside(session)
    for place, readout in zip(insight.places, (step.readout for step in session.steps), strict=False):
        torch.testing.assert_close(place.lens[-1].logits, readout.logits, **tolerance(model))
        assert not torch.allclose(place.lens[0].logits, readout.logits, atol=1e-2)
    runs = gather(model, QUESTIONS, 2, batch_size=3)
    torch.testing.assert_close(runs.layers[0, 1], insight.places[1].layers, **tolerance(MODELS[name]))


@pytest.mark.parametrize("name", ATTENDING)
def test_attention_is_over_all_positions_so_far(name: str) -> None:
    """Those outside a window included, where it is 0."""
    session = run(MODELS[name])
    place = look_inside(session, attention=True).places[2]
    assert place.attention is not None
    assert place.attention.shape == (2, 4, len(session.prompt_ids) + 2)
    torch.testing.assert_close(place.attention.sum(dim=-1), torch.ones(2, 4), **tolerance(MODELS[name]))
    window = getattr(MODELS[name].base_lm.config, "sliding_window", None)
    if window is not None and name != "qwen2":
        assert float(place.attention[0, :, :-window].abs().max()) == 0


@pytest.mark.parametrize("name", ATTENDING)
def test_as_many_parallel_passes_as_thoughts_find_those_of_the_loop(name: str) -> None:
    one, other = (Session(MODELS[name], QUESTIONS[0], 3, passes=passes, max_new_tokens=5) for passes in (0, 3))
    assert one.finish() == other.finish()
    for first, second in zip(one.steps, other.steps, strict=True):
        torch.testing.assert_close(first.state, second.state, **tolerance(MODELS[name]))


@pytest.mark.parametrize("name", NAMES)
def test_a_mixture_is_of_words_as_the_model_reads_them(name: str) -> None:
    """With the library's own probabilities."""
    model = tiny_model(name, feedback="mixture", dtype=format_for(name))
    session = Session(model, QUESTIONS[0])
    with torch.inference_mode():
        logits = model.base_lm(torch.tensor([session.prompt_ids])).logits[0, -1]
        expected = torch.softmax(logits, dim=-1) @ word_embeddings(model)
        fed = model.feedback(session.next_readout.hidden[None])[0]
    torch.testing.assert_close(fed, expected, **tolerance(MODELS[name]))


@pytest.mark.parametrize("name", RECURRENT)
def test_what_recurrent_layers_cannot_do_is_refused_with_the_reason(name: str) -> None:
    session = Session(MODELS[name], QUESTIONS[0], thoughts=3)
    session.think()
    for edit, reason in (
        (HiddenPositions((3,)), "recurrent layers: their state holds all that was read"),
        (PatchHead(0, 1, torch.zeros(8)), "has no attention of a known name"),
    ):
        with pytest.raises(CoconutError, match=reason):
            session.edit(1, edit)
        with pytest.raises(CoconutError, match=reason):
            session.think(edit)
    with pytest.raises(CoconutError, match="has no attention of a known name"):
        look_inside(session, attention=True)
    with pytest.raises(CoconutError, match="has recurrent layers, which read one position after the other"):
        Session(MODELS[name], QUESTIONS[0], 3, passes=2).think()
    with watching(MODELS[name]) as watch:
        session.think()
    assert watch.passes[0].heads.shape == (1, 2, 0, 1)
    assert_equals_full_recompute(session)


@pytest.mark.parametrize("name", ["gemma2", "jamba"])
def test_padding_in_the_midst_of_a_row_is_refused_where_it_would_change_numbers(name: str) -> None:
    model = MODELS[name]
    mask = torch.tensor([[1] * 9, [0] * 4 + [1] * 5])
    with torch.inference_mode():
        context = model.start_context(torch.full((2, 9), 20), mask)
        with pytest.raises(CoconutError, match="a batch size of 1"):
            model.feed(context, model.embed(torch.full((2, 2), 20)), torch.tensor([[1, 1], [0, 1]]))
        model.feed(context, model.embed(torch.full((2, 2), 20)), torch.tensor([[1, 1], [1, 0]]))


@pytest.mark.parametrize("name", ["mistral", "jamba"])
def test_what_is_read_aside_is_taken_back(name: str) -> None:
    model = MODELS[name]
    with torch.inference_mode():
        context, untouched = (read_prompts(model, [model.encode_prompt(QUESTIONS[0])] * 2) for _ in range(2))
        with aside(context):
            model.feed(context, model.embed(torch.full((2, 3), 20)))
        assert context.length == untouched.length
        again = [model.latent_step(each) for each in (context, untouched, repeated(untouched, [1, 0, 1]))]
    torch.testing.assert_close(again[0], again[1], **tolerance(model))
    assert again[2].shape == (3, 32)


def test_the_table_of_tested_architectures_is_that_of_the_tests() -> None:
    assert tuple(TESTED) == NAMES


def test_an_architecture_that_is_not_tested_is_tried_out() -> None:
    model = tiny_model("stablelm", dtype=torch.float64)
    check_loop(model)
    assert model.work.passes == 0
    assert_equals_full_recompute(run(model))
    scaling = tiny_model("granite")
    scaling.base_lm.config.logits_scaling = 8.0
    with pytest.raises(CoconutError, match="GraniteForCausalLM gives other logits"):
        check_loop(scaling)
    with pytest.raises(CoconutError, match="RwkvModel takes no cache of a known kind"):
        tiny_model("rwkv")


def test_the_text_part_of_a_model_that_sees_images_is_used() -> None:
    common = {"vocab_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32}
    text = CROPPED["gemma3_text"] | common | {"intermediate_size": 48, "num_key_value_heads": 2}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "image_size": 28}
    config = Gemma3Config(text_config=text, vision_config=vision | {"num_hidden_layers": 2, "patch_size": 14})
    plain = tiny_model("gemma3_text")
    seeing = AutoModelForCausalLM.from_config(config)
    seeing.model.language_model.load_state_dict(plain.base_lm.model.state_dict())
    model = CoconutModel(seeing, plain.tokenizer, plain.config).eval()
    check_loop(model)
    assert (model.max_positions, model.shape.model_type) == (131_072, "gemma3_text")
    assert_same_run(run(model), run(plain))
    assert torch.equal(look_inside(run(model)).places[2].layers, look_inside(run(plain)).places[2].layers)


def test_what_is_told_of_a_model_says_how_it_goes_back(tmp_path: Path) -> None:
    for name, how in (("gemma2", "by cropping the cache"), ("mamba", "by recomputing")):
        MODELS[name].save_pretrained(tmp_path / name)
        loaded = CoconutModel.from_pretrained(tmp_path / name, device="cpu")
        facts = model_facts(str(tmp_path / name), loaded)
        assert (facts["goes_back"], facts["architecture_tested"]) == (how, True)
        assert facts["memory"]["cache_per_position"] == (2 * 2 * 2 * 8 * 4 if name == "gemma2" else 0)
        assert_same_run(run(MODELS[name]), run(loaded))


@pytest.mark.parametrize("name", ["gemma3_text", "jamba"])
def test_a_run_trains_and_its_checkpoint_opens(name: str, tmp_path: Path) -> None:
    tiny_model(name, max_positions=400).save_pretrained(tmp_path / "base")
    weights = (tmp_path / "base" / "model.safetensors").read_bytes()
    recipe = tiny_recipe(model={"base": str(tmp_path / "base")}, evaluate_every=100)
    assert any("loss" in row for row in train(recipe, tmp_path / "run", until=6))
    assert (tmp_path / "base" / "model.safetensors").read_bytes() == weights, "what is mapped is not written to"
    trained = CoconutModel.from_pretrained(tmp_path / "run" / "step-000006", device="cpu")
    assert trained.generate([QUESTIONS[0]], max_new_tokens=3)
