"""What stands around the thoughts: markers, a text or nothing; an untrained model gets nothing by default."""

import json
from pathlib import Path

import pytest

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.markers import marker_texts, with_markers
from coconut_core.runs.generate import generate
from coconut_core.runs.machine import Mode
from coconut_core.runs.session import Session
from tests.core.answering import assert_batch_equals_single, own_words
from tests.core.layouts import LAYOUTS, in_layout
from tests.core.ordinary_models import CHATML, OPENS_THINKING, ordinary_folder, ordinary_tokenizer
from tests.core.refusals import refusal
from tests.core.tiny_models import talkative_model, tiny_model

ASKED = ("Is 7 a prime?", "Why?", "What is the capital of France, and how many people live there?")


@pytest.mark.parametrize("template", [None, CHATML])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "qwen2"])
def test_with_no_thoughts_an_untrained_model_is_its_own_generate(
    tmp_path: Path, architecture: str, template: str | None
) -> None:
    folder = ordinary_folder(tmp_path, architecture, template=template)
    model = CoconutModel.from_pretrained(folder, device="cpu")
    expected = [own_words(folder, model, question, 20) for question in ASKED]
    together = generate(model, ASKED, thoughts=0, max_new_tokens=20)
    assert [answer.token_ids for answer in together] == expected
    assert len({tuple(words) for words in expected}) > 1
    for question, words in zip(ASKED, expected, strict=True):
        session = Session(model, question, thoughts=0, max_new_tokens=20)
        session.finish()
        assert [step.token_id for step in session.steps] == words
        assert session.steps[0].ended == "number"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
@pytest.mark.parametrize("thoughts", [0, 2])
def test_a_batch_equals_single_runs_in_any_layout(layout: str, architecture: str, thoughts: int) -> None:
    (bot,) = tiny_model(architecture).config.fed_before
    model = in_layout(talkative_model(architecture, bot), layout)
    answers = assert_batch_equals_single(model, thoughts=thoughts, temperature=1.0, max_new_tokens=14)
    said_again = any(bot in answer.token_ids for answer in answers)
    assert said_again, "no row said <bot>"
    if thoughts:
        reopened = any(answer.thoughts > thoughts for answer in answers)
        assert reopened is (model.config.bot_id is not None)
    assert_batch_equals_single(model, thoughts=thoughts, answer_only=True, max_new_tokens=8)


def test_a_text_is_fed_and_opens_nothing_when_it_is_said() -> None:
    model = in_layout(tiny_model("llama"), "texts")
    assert model.encode_prompt(ASKED_TINY)[-3:] == [20, 21, 22]
    session = Session(model, ASKED_TINY, thoughts=2)
    for _ in range(4):
        session.step()
    assert [step.kind for step in session.steps] == ["thought", "thought", "marker", "marker"]
    assert [(step.token_id, step.index, step.ended) for step in session.steps[2:4]] == [
        (23, 1, "number"),
        (24, 2, None),
    ]
    for token in (20, 21, 22, 23, 24):
        session.speak(token)
        assert (session.mode, session.may_think) == (Mode.SPEAKING, False)


ASKED_TINY = "Bob is a sterpus. Is Bob a sterpus or impus?"


def test_ending_by_hand_where_nothing_stands_behind_the_thoughts() -> None:
    session = Session(in_layout(tiny_model("llama"), "nothing"), ASKED_TINY, thoughts=4)
    session.think()
    word = session.end_thinking()
    assert (word.kind, word.ended, session.mode) == ("token", "by hand", Mode.SPEAKING)
    session.rewind(1)
    assert session.may_think
    assert session.speak().token_id == word.token_id


def test_a_closing_text_cannot_be_broken_into() -> None:
    session = Session(in_layout(tiny_model("llama"), "texts"), ASKED_TINY, thoughts=1)
    session.think()
    session.end_thinking()
    assert not session.may_think
    for step in (session.think, session.speak):
        with pytest.raises(CoconutError, match="the model is"):
            step()
    session.end_thinking()
    assert session.speak().index == 1


def test_markers_are_read_from_text() -> None:
    config, tokenizer = CoconutConfig(1, 2, 3, trained=False), ordinary_tokenizer(thinking=True)
    none = with_markers(config, tokenizer, "none")
    assert (none.fed_before, none.fed_behind) == ((), ())
    thinking = with_markers(config, tokenizer, "<think>,</think>")
    assert [thinking.bot_id, thinking.eot_id] == tokenizer.convert_tokens_to_ids(["<think>", "</think>"])
    in_front = with_markers(config, tokenizer, "Let me think\\, slowly:\\n")
    assert marker_texts(in_front, tokenizer) == ("Let me think, slowly:\n", "")
    assert (in_front.bot_id, in_front.eot_id, in_front.fed_behind) == (None, None, ())
    behind = with_markers(config, tokenizer, ",\\n</think>")
    assert marker_texts(behind, tokenizer) == ("", "\n</think>")
    assert behind.eot_id is None
    for text in ("", ",", "a,b,c"):
        with pytest.raises(CoconutError, match="--markers takes none, a text, or two"):
            with_markers(config, tokenizer, text)


def test_a_reasoning_model_keeps_its_own_unless_told(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, template=OPENS_THINKING, thinking=True)
    assert marker_texts(*_layout(CoconutModel.from_pretrained(folder, device="cpu"))) == ("<think>", "</think>")
    bare = CoconutModel.from_pretrained(folder, device="cpu", markers="none")
    assert marker_texts(*_layout(bare)) == ("", "")
    assert str(bare.tokenizer.decode(bare.encode_prompt("?"))).endswith("assistant\n<think>\n")
    expected = own_words(folder, bare, "?", 12)
    assert generate(bare, ["?"], thoughts=0, max_new_tokens=12)[0].token_ids == expected


def _layout(model: CoconutModel) -> tuple[CoconutConfig, object]:
    return model.config, model.tokenizer


def test_a_folder_keeps_what_stands_around_the_thoughts(tmp_path: Path) -> None:
    model = CoconutModel.from_pretrained(
        ordinary_folder(tmp_path / "ordinary"), device="cpu", markers="Hm:,\\n"
    )
    model.save_pretrained(tmp_path / "saved")
    record = json.loads((tmp_path / "saved" / "coconut.json").read_text())
    assert (record["bot_id"], record["eot_id"]) == (None, None)
    assert record["before_ids"] == model.tokenizer.convert_tokens_to_ids(list("Hm:"))
    again = CoconutModel.from_pretrained(tmp_path / "saved", device="cpu")
    assert again.config == model.config
    assert generate(again, ["Why?"], thoughts=1) == generate(model, ["Why?"], thoughts=1)
    for name, value, message in (
        ("before_ids", [1.5], "the entry 'before_ids[0]' must be a whole number, not a number"),
        ("behind_ids", [99999], "is outside the vocabulary"),
        ("bot_id", 3, "cannot stand in one place"),
    ):
        (tmp_path / "saved" / "coconut.json").write_text(json.dumps(record | {name: value}))
        assert message in refusal(lambda: CoconutModel.from_pretrained(tmp_path / "saved", device="cpu"))


def test_a_trained_model_keeps_its_markers(tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path)
    assert "was trained with markers of its own" in refusal(
        lambda: CoconutModel.from_pretrained(tmp_path, markers="none")
    )
