"""Tokens in the words of interventions, in traces and in what is shown: another token is never taken unsaid."""

import json
from pathlib import Path

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan, read_commands
from coconut_core.latent.readout import Readout, readouts
from coconut_core.records.trace import Trace
from coconut_core.runs.recording import trace_session
from tests.core.byte_level_model import byte_level_model

QUESTION = "The capital of France is (Paris)"


@pytest.fixture(scope="module")
def model() -> CoconutModel:
    return byte_level_model("·Paris", "Paris", "<E6>", "<E7>", "'E'")


def added(
    model: CoconutModel, text: str, question: str = QUESTION
) -> tuple[torch.Tensor, str, tuple[str, ...]]:
    """What an intervention adds to a thought of zeros, its text, and what it says of its words."""
    plan = parse_plan(text, Sources(model, question))
    return plan.edits[1](torch.zeros(32)), str(plan), plan.notes


@pytest.mark.parametrize("name", ["' France'", '" France"', "·France", "ĠFrance"])
def test_a_token_with_a_space_can_be_named(model: CoconutModel, name: str) -> None:
    (token,) = model.tokenizer.encode(" France", add_special_tokens=False)
    vector, text, notes = added(model, f"steer {name} 2@1")
    assert torch.equal(vector, 2 * Sources(model, QUESTION).embedding(token))
    assert (text, notes) == (f"steer {name} 2@1", ())


def test_a_word_is_the_variant_of_the_question_and_that_is_said(model: CoconutModel) -> None:
    (spaced,), (bare,) = (
        model.tokenizer.encode(word, add_special_tokens=False) for word in (" France", "Paris")
    )
    sources = Sources(model, QUESTION)
    vector, text, notes = added(model, "steer France 1@1")
    assert torch.equal(vector, sources.embedding(spaced))
    assert text == "steer ·France 1@1"
    assert notes == ("France is taken for ·France, which stands in the question; the other one is 'France'",)
    vector, text, _ = added(model, "add token:Paris-France 1@1")
    assert torch.equal(vector, sources.embedding(bare) - sources.embedding(spaced))
    assert text == "add token:'Paris'-·France 1@1"


def test_else_it_is_the_one_that_the_thoughts_say(model: CoconutModel) -> None:
    (spaced,) = model.tokenizer.encode(" Paris", add_special_tokens=False)
    vector, text, notes = added(model, "steer Paris 1@1", "Is it so?")
    assert torch.equal(vector, Sources(model, QUESTION).embedding(spaced))
    assert text == "steer ·Paris 1@1"
    assert notes == ("Paris is taken for ·Paris, which its thoughts say rather; the other one is 'Paris'",)


def test_a_word_of_several_tokens_is_refused_with_its_tokens(model: CoconutModel) -> None:
    for text in (
        "steer Natalia 1@1",
        "remove token:Natalia@1",
        "replace token:Natalia@1",
        "add token:Natalia 1@1",
    ):
        with pytest.raises(
            CoconutError, match=r"'Natalia' is not a single token .* made of ·, N, a, t, al, i, a$"
        ):
            parse_plan(text, Sources(model, QUESTION))


def test_a_knockout_takes_all_that_a_word_is_made_of(model: CoconutModel) -> None:
    question = "France (France) of Natalia"
    prompt = model.encode_prompt(question)

    def hidden(what: str) -> list[str]:
        edit = parse_plan(f"knockout {what}@1", Sources(model, question)).edits[1]
        return [model.vocabulary.name(prompt[place]) for place in edit.positions]  # type: ignore[attr-defined]

    assert hidden("France") == ["France", "France"]
    assert hidden("of") == ["·of"]
    assert hidden("Natalia") == ["N", "a", "t", "al", "i", "a"]
    with pytest.raises(CoconutError, match="'·France' does not stand in the question"):
        hidden("·France")


def test_words_in_quotes_are_read_back() -> None:
    for text in ("steer ' a;b@c' 1@2", "add token:' x'-\"y z\" 1@all", "knockout 'New York'@1; zero@2"):
        assert "; ".join(map(str, read_commands(text))) == text
    for text in ("steer ' Paris 4@2", "steer ' Paris' @2"):
        with pytest.raises(CoconutError, match="cannot be read"):
            read_commands(text)


def test_a_trace_tells_tokens_apart(model: CoconutModel, tmp_path: Path) -> None:
    run = model.start(QUESTION, 1, max_new_tokens=1)
    run.finish()
    trace = trace_session(run, 5)
    top = trace.steps[0].top
    assert [item.name for item in top] == ["·Paris", "Paris", "<E6>", "<E7>", "E"]
    assert [model.vocabulary.name(item.id or 0) for item in top] == [item.name for item in top]
    assert len({item.token for item in top}) < 5  # their texts alone are not enough
    assert trace.prompt_ids == tuple(model.encode_prompt(QUESTION))
    assert (trace.steps[-1].name, trace.steps[-1].token_id) == ("·Paris", top[0].id)
    trace.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json") == trace


def test_a_trace_of_before_has_names_by_its_texts(model: CoconutModel, tmp_path: Path) -> None:
    run = model.start(QUESTION, 1, max_new_tokens=1)
    run.finish()
    record = trace_session(run, 5).to_json()
    del record["prompt_ids"]
    for step in record["steps"]:
        del step["name"], step["token_id"]
        for item in step["top"]:
            del item["name"], item["id"]
    (tmp_path / "old.json").write_text(json.dumps(record))
    old = Trace.load(tmp_path / "old.json")
    assert [item.name for item in old.steps[0].top] == ["Paris", "Paris", "�", "�", "E"]
    assert {item.id for item in old.steps[0].top} == {None}


def test_a_name_in_a_trace_cannot_make_a_terminal_obey(model: CoconutModel, tmp_path: Path) -> None:
    run = model.start(QUESTION, 1, max_new_tokens=1)
    run.finish()
    record = trace_session(run, 1).to_json()
    record["steps"][0]["top"][0]["name"] = record["steps"][-1]["name"] = "\x1b[2J"
    (tmp_path / "evil.json").write_text(json.dumps(record))
    trace = Trace.load(tmp_path / "evil.json")
    assert trace.steps[0].top[0].name == trace.steps[-1].name == "\\x1b[2J"


def test_readouts_in_one_product_are_those_of_each_alone(model: CoconutModel) -> None:
    states = torch.randn(30, 32, generator=torch.Generator().manual_seed(1)).double()
    double = CoconutModel(model.base_lm.double(), model.tokenizer, model.config)
    try:
        together = readouts(double, states)
        for state, found in zip(states, together, strict=True):
            alone = Readout(double, state)
            assert torch.allclose(found.logits, alone.logits, rtol=1e-6, atol=1e-6)
            assert [item.token_id for item in found.top(5)] == [item.token_id for item in alone.top(5)]
    finally:
        model.base_lm.float()


@pytest.mark.smollm2
def test_a_real_vocabulary(smollm2_folder: Path) -> None:
    model = CoconutModel.from_pretrained(smollm2_folder, device="cpu")
    sources = Sources(model, "What is the capital of France?", thoughts=1)
    for name, token in (("France", 4649), ("' France'", 4649), ("'France'", 33488), ("'Paris'", 38634)):
        assert model.vocabulary.find(sources.exact_token(name)) == token
    prompt = model.encode_prompt(sources.question)
    assert [prompt[place] for place in model.vocabulary.places("France", prompt)] == [4649]
