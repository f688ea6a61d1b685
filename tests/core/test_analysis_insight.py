"""Looking inside a run: the same numbers as the run's own, layer by layer, edits and all."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from coconut_core.analysis.insight import Insight, Word, look_inside, prompt_words
from coconut_core.analysis.lens import Lens, final_norm
from coconut_core.analysis.runs import gather, think
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import HiddenPositions, PatchHead, PatchLayer, Scale, Zero
from coconut_core.runs.session import Session
from tests.core.ordinary_models import CHATML, ordinary_folder
from tests.core.precision import EXACT, FLOAT32
from tests.core.real_tokenizers import ctrl_tokenizer
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model


def finished(model: CoconutModel, question: str = QUESTIONS[0]) -> Session:
    session = Session(model, question, thoughts=3, max_new_tokens=4)
    session.finish()
    return session


def attention_of(insight: Insight, place: int) -> Tensor:
    attention = insight.places[place].attention
    assert attention is not None
    return attention


def test_the_last_layer_through_the_lens_is_the_plain_readout(model: CoconutModel) -> None:
    session = finished(model)
    insight = look_inside(session)
    readouts = [*(step.readout for step in session.steps), session.next_readout]
    assert len(insight.places) == len(readouts)
    for place, readout in zip(insight.places, readouts, strict=True):
        assert torch.equal(place.state, readout.hidden)
        assert torch.equal(place.lens[-1].logits, readout.logits)
        assert place.lens[-1].top(5) == readout.top(5)
        assert len(place.lens) == model.base_lm.config.num_hidden_layers == place.layers.shape[0]
        assert not torch.allclose(place.lens[0].logits, readout.logits, atol=1e-2), (
            "a first layer is not the last"
        )


def test_layers_are_what_transformers_calls_hidden_states(model: CoconutModel) -> None:
    """All but the last, which transformers gives after the final norm."""
    session = finished(model)
    with torch.inference_mode():
        output = model.base_lm(torch.tensor([session.prompt_ids]), output_hidden_states=True)
    place = look_inside(session).places[0]
    torch.testing.assert_close(place.layers[0], output.hidden_states[1][0, -1], **EXACT)
    torch.testing.assert_close(place.state, output.hidden_states[2][0, -1], **EXACT)


def test_places_say_what_they_read_and_what_their_state_is_used_for(llama: CoconutModel) -> None:
    session = finished(llama)
    insight = look_inside(session)
    assert [place.read for place in insight.places[:5]] == [
        "<bot>",
        "thought 1",
        "thought 2",
        "thought 3",
        "<eot>",
    ]
    assert [place.gives for place in insight.places[:4]] == ["thought 1", "thought 2", "thought 3", "<eot>"]
    assert insight.places[5].read == insight.places[4].gives == session.steps[4].token
    assert insight.places[-1].gives == ""


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_edits_are_replayed_inside_too(architecture: str) -> None:
    model = tiny_model(architecture, dtype=torch.float64)
    width, size = model.base_lm.config.hidden_size, 8
    generator = torch.Generator().manual_seed(1)
    for edit in (
        Zero(),
        Scale(3.0),
        PatchLayer(0, torch.randn(width, generator=generator)),
        PatchLayer(1, torch.randn(width, generator=generator)),
        PatchHead(1, 2, torch.randn(size, generator=generator)),
        HiddenPositions((0, 3, 4)),
    ):
        session = finished(model)
        untouched = look_inside(session)
        session.edit(2, edit)
        session.finish()
        insight = look_inside(session, attention=True)
        states = [*(step.state for step in session.steps), session.next_readout.hidden]
        assert all(torch.equal(place.state, state) for place, state in zip(insight.places, states, strict=True))
        assert torch.equal(insight.places[1].state, untouched.places[1].state)
        assert not torch.equal(insight.places[2].state, untouched.places[2].state)
        if isinstance(edit, PatchLayer):
            assert torch.equal(insight.places[2].layers[edit.layer], edit.vector), (
                "what was put in is what is seen"
            )
        if isinstance(edit, HiddenPositions):
            assert attention_of(insight, 2)[..., [0, 3, 4]].abs().max() == 0
            assert attention_of(insight, 3)[..., [0, 3, 4]].min() > 0


def test_after_going_back_and_forth_it_still_sees_the_run(model: CoconutModel) -> None:
    rng = random.Random(3)
    session = Session(model, QUESTIONS[2], thoughts=3, max_new_tokens=4)
    for _ in range(30):
        move = rng.choice(["step", "step", "rewind", "edit"])
        if move == "step":
            session.step()
        elif move == "rewind":
            session.rewind(rng.randint(0, len(session.steps)))
        elif thoughts := session.thought_steps():
            session.edit(rng.choice(thoughts).index, rng.choice([Zero(), Scale(0.5), None]))
    steps = list(session.steps)
    insight = look_inside(session)
    assert session.steps == steps, "looking changes nothing"
    for place, step in zip(insight.places, session.steps, strict=False):
        torch.testing.assert_close(place.state, step.state, **EXACT)
    torch.testing.assert_close(insight.places[-1].state, session.next_readout.hidden, **EXACT)


def test_attention_is_over_all_positions_so_far(model: CoconutModel) -> None:
    session = finished(model)
    assert look_inside(session).places[0].attention is None
    insight = look_inside(session, attention=True)
    shape = (model.base_lm.config.num_hidden_layers, model.base_lm.config.num_attention_heads)
    for number in range(len(insight.places)):
        attention = attention_of(insight, number)
        assert attention.shape == (*shape, len(session.prompt_ids) + number)
        torch.testing.assert_close(attention.sum(dim=-1), torch.ones(shape), **EXACT)
    words = insight.attention_to_words(2)
    assert words.shape == (*shape, len(insight.words))
    behind = attention_of(insight, 2)[..., len(session.prompt_ids) :].sum(dim=-1)
    torch.testing.assert_close(words.sum(dim=-1) + behind, torch.ones(shape), **EXACT)


def test_words_cover_the_prompt(llama: CoconutModel) -> None:
    words = prompt_words(llama, QUESTIONS[0])
    positions = [position for word in words for position in word.positions]
    assert positions == list(range(len(llama.encode_prompt(QUESTIONS[0]))))
    assert [word.text for word in words[:4]] == ["Every", "lempus", "is a", "rompus"]
    assert words[-1].text == "<bot>"


def test_tokens_of_one_word_stand_together() -> None:
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import WordPiece
    from transformers import PreTrainedTokenizerFast

    pieces = ["[UNK]", "lem", "##pus", "Is", "a", "?", "or", "\n"]
    tokenizer = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    model = tiny_model("llama", dtype=torch.float64)
    model.tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")
    words = prompt_words(model, "Is a lempus or lempus?")
    assert [(word.text, word.positions) for word in words] == [
        ("Is", (0,)),
        ("a", (1,)),
        ("lempus", (2, 3)),
        ("or", (4,)),
        ("lempus", (5, 6)),
        ("?", (7,)),
        ("<bot>", (8,)),
    ]


def test_a_batch_of_runs_equals_single_sessions(model: CoconutModel) -> None:
    runs = gather(model, QUESTIONS, 3, batch_size=3)
    assert runs.states.shape == (4, 4, 32)
    assert runs.thoughts.shape == (4, 3, 32)
    for row, question in enumerate(QUESTIONS):
        session = Session(model, question, thoughts=3, max_new_tokens=1)
        session.finish()
        insight = look_inside(session)
        for place in range(4):
            torch.testing.assert_close(runs.states[row, place], insight.places[place].state, **EXACT)
            torch.testing.assert_close(runs.layers[row, place], insight.places[place].layers, **EXACT)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attention_in_a_batch_equals_that_of_single_sessions(architecture: str) -> None:
    model = tiny_model(architecture)  # behind padding the library's own attention is NaN in float64
    prompts = [model.encode_prompt(question) for question in QUESTIONS]
    passes = think(model, prompts, 2, attention=True)
    for row, question in enumerate(QUESTIONS):
        session = Session(model, question, thoughts=2, max_new_tokens=1)
        session.finish()
        insight = look_inside(session, attention=True)
        for place in range(3):
            own = attention_of(insight, place)
            padded = passes.attention[place][row]
            torch.testing.assert_close(padded[..., -own.shape[-1] :], own, **FLOAT32)
            assert padded[..., : -own.shape[-1]].abs().sum() < 1e-6


def test_no_room_for_the_thoughts_is_said() -> None:
    model = tiny_model("gpt2", max_positions=20, dtype=torch.float64)
    with pytest.raises(CoconutError, match="leaves no room for 9 more"):
        gather(model, [QUESTIONS[1]], 9)


def test_a_model_without_a_known_norm_is_refused() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    assert isinstance(final_norm(model), torch.nn.Module)
    model.base_lm.base_model.scale = model.base_lm.base_model.norm
    del model.base_lm.base_model.norm
    with pytest.raises(CoconutError, match="no final norm of a known name"):
        Lens(model)


# -- the words of prompts as real models have them -------------------------------------------------------------

ASKED = "Hät er $2, 日本 oder 😀?"


def chat_model(folder: Path, **options: Any) -> CoconutModel:
    """One token for each byte, so that most characters of the question have one and some have several."""
    path = ordinary_folder(folder, "qwen2", template=CHATML, max_position_embeddings=1024)
    return CoconutModel.from_pretrained(path, device="cpu", feedback="mixture", **options)


@pytest.mark.parametrize("system", [None, "Think."])
def test_words_of_a_chat_prompt_stand_where_its_tokens_stand(tmp_path: Path, system: str | None) -> None:
    model = chat_model(tmp_path, system=system)
    words, ids = prompt_words(model, ASKED), model.encode_prompt(ASKED)
    assert [place for word in words for place in word.positions] == list(range(len(ids)))
    asked = [word for word in words if not word.template]
    assert all(word.span is not None for word in asked if word.text.strip())
    assert [word.text for word in asked if word.text != " "] == [
        "Hät",
        "er",
        "$",
        "2",
        ",",
        "日",
        "本",
        "oder",
        "😀",
        "?",
    ]
    for word in words:
        assert word.template or word.span is None or ASKED[slice(*word.span)] == word.text
        assert model.tokenizer.decode([ids[place] for place in word.positions]).strip(" ") == word.text.strip(
            " "
        )
    template = [word.text for word in words if word.template]
    said = ["<|im_start|>", "system", "\n", *("Think." if system else "Be brief.").replace(".", " .").split()]
    assert [text for text in template if text != " "][: len(said)] == said
    assert template[-5:] == ["<|im_end|>", "\n", "<|im_start|>", "assistant", "\n"]


def test_shares_of_a_chat_prompt_add_up_to_one(tmp_path: Path) -> None:
    session = Session(chat_model(tmp_path), ASKED, thoughts=2, max_new_tokens=2)
    session.finish()
    insight = look_inside(session, attention=True)
    shares = insight.attention_to_words(0)
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(shares.shape[:-1]))
    behind = attention_of(insight, 2)[..., len(session.prompt_ids) :].sum(dim=-1)
    torch.testing.assert_close(
        insight.attention_to_words(2).sum(dim=-1) + behind, torch.ones(shares.shape[:-1])
    )


@pytest.mark.parametrize("question_end", ["", "\n"])
def test_words_of_a_prompt_with_another_end(question_end: str) -> None:
    llama = tiny_model("llama")
    llama.config = replace(llama.config, question_end=question_end)
    words = prompt_words(llama, QUESTIONS[1])
    length = len(llama.encode_prompt(QUESTIONS[1]))
    assert [place for word in words for place in word.positions] == list(range(length))
    assert words[-1] == Word("<bot>", (length - 1,), template=True)
    assert [word.text for word in words if word.template] == [question_end, "<bot>"][question_end == "" :]
    session = Session(llama, QUESTIONS[1], thoughts=2, max_new_tokens=2)
    session.finish()
    shares = look_inside(session, attention=True).attention_to_words(0)
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(shares.shape[:-1]))


def test_what_the_tokenizer_puts_in_front_is_an_entry_of_its_own(tmp_path: Path) -> None:
    words = prompt_words(chat_model(tmp_path, chat=False), "Why?")
    assert [(word.text, word.template) for word in words] == [
        ("<s>", True), ("Why", False), ("?", False), ("\n", True),
    ]  # fmt: skip


def test_words_from_a_tokenizer_in_python_are_its_tokens(tmp_path: Path) -> None:
    llama = tiny_model("llama")
    llama.tokenizer = ctrl_tokenizer(tmp_path)
    words = prompt_words(llama, "Ann has 3")
    assert [word.positions for word in words] == [
        (place,) for place in range(len(llama.encode_prompt("Ann has 3")))
    ]


def test_words_stand_where_the_question_has_them_though_the_prompt_is_stripped() -> None:
    llama = tiny_model("llama")
    question = f"  {QUESTIONS[1]} "
    words = prompt_words(llama, question)
    asked = [word for word in words if not word.template]
    assert [question[slice(*word.span)] for word in asked if word.span] == [word.text for word in asked]
