"""Questions in a chat template: what stands in the prompt, and which models get one."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from coconut_core.checkpoints.official import save_official
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.cache.contexts import longest_sequence
from coconut_core.latent.config import CoconutConfig
from coconut_core.problems import Problem, example_problem, read_problems
from coconut_core.runs.generate import generate
from coconut_core.runs.session import Session
from coconut_core.terminal.options import Untrained
from coconut_core.training.encoding import Encoder
from coconut_core.training.start import build_model
from coconut_core.training.token_store import open_store
from tests.core.ordinary_models import CHATML, NO_SYSTEM, OPENS_THINKING, WITH_BEGIN, ordinary_folder
from tests.core.refusals import change_json, refusal
from tests.core.tiny_recipes import sums_file, tiny_recipe

QUESTION = "Is 7 a prime?"
USER = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
TURNS = f"<|im_start|>system\nBe brief.<|im_end|>\n{USER}"


@pytest.fixture(scope="module")
def instruct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a chat template; tests must copy it before they change it."""
    return ordinary_folder(tmp_path_factory.mktemp("instruct"), "qwen2", template=CHATML)


def prompt(model: CoconutModel, question: str = QUESTION) -> str:
    """What stands in front of the thoughts, without the marker of a model that has one, which is there once."""
    ids, marker = model.encode_prompt(question), model.config.bot_id
    assert marker is None or ids.count(marker) == 1
    return str(model.tokenizer.decode(ids if marker is None else ids[:-1]))


def test_the_question_is_a_users_turn_and_thinking_begins_where_the_answer_would(instruct: Path) -> None:
    model = CoconutModel.from_pretrained(instruct, device="cpu")
    assert model.config.chat is True
    assert prompt(model, f" {QUESTION}\n") == TURNS
    session = Session(model, QUESTION, thoughts=2, max_new_tokens=2)
    assert model.tokenizer.decode(session.prompt_ids) == TURNS


def test_a_system_prompt_stands_in_front(instruct: Path) -> None:
    assert prompt(CoconutModel.from_pretrained(instruct, device="cpu", system="Think.")) == TURNS.replace(
        "Be brief.", "Think."
    )
    assert prompt(CoconutModel.from_pretrained(instruct, device="cpu", system="")) == TURNS.replace(
        "Be brief.", ""
    )


def test_without_chat_the_question_stands_alone(instruct: Path) -> None:
    model = CoconutModel.from_pretrained(instruct, device="cpu", chat=False)
    assert prompt(model) == f"<s>{QUESTION}\n"
    assert "needs a chat template" in refusal(
        lambda: CoconutModel.from_pretrained(instruct, device="cpu", chat=False, system="Think.")
    )


def test_an_ordinary_model_without_a_template(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, "gpt2")
    model = CoconutModel.from_pretrained(folder, device="cpu")
    assert model.config.chat is None
    assert prompt(model) == f"<s>{QUESTION}\n"
    assert "has no chat template: ask without --chat" in refusal(
        lambda: CoconutModel.from_pretrained(folder, device="cpu", chat=True)
    )
    assert "needs a chat template" in refusal(
        lambda: CoconutModel.from_pretrained(folder, device="cpu", system="Think.")
    )


def test_the_beginning_of_the_text_is_there_once(tmp_path: Path) -> None:
    model = CoconutModel.from_pretrained(ordinary_folder(tmp_path, template=WITH_BEGIN), device="cpu")
    assert model.tokenizer.encode(QUESTION)[0] == model.tokenizer.bos_token_id  # the tokenizer adds one, too
    assert model.encode_prompt(QUESTION).count(model.tokenizer.bos_token_id) == 1
    assert prompt(model) == f"<s>{TURNS}"


def test_a_reasoning_model_thinks_between_its_own_markers(tmp_path: Path) -> None:
    model = CoconutModel.from_pretrained(
        ordinary_folder(tmp_path, template=OPENS_THINKING, thinking=True), device="cpu"
    )
    markers = [model.config.bot_id, model.config.eot_id, model.config.latent_id]
    assert model.tokenizer.convert_ids_to_tokens(markers) == ["<think>", "</think>", "<|latent|>"]
    assert prompt(model) == TURNS  # the template's own <think> is the one at which thinking begins


def test_new_markers_are_the_mean_row_also_where_the_vocabulary_was_padded(tmp_path: Path) -> None:
    weights = ordinary_folder(tmp_path, vocab_size=300) / "model.safetensors"
    stored = weights.read_bytes()
    model = CoconutModel.from_pretrained(tmp_path, device="cpu")
    weight = model.base_lm.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)
    assert weight.shape[0] == 300
    torch.testing.assert_close(weight[model.config.latent_id], weight[:259].mean(dim=0))
    assert weights.read_bytes() == stored  # which are mapped into memory


def test_a_template_that_refuses_is_one_line(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, template=NO_SYSTEM)
    assert prompt(CoconutModel.from_pretrained(folder, device="cpu")) == TURNS
    model = CoconutModel.from_pretrained(folder, device="cpu", system="Think.")
    message = refusal(lambda: model.encode_prompt(QUESTION))
    assert "the chat template refuses this: no system role" in message


def test_a_question_too_long_with_its_template(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path, template=CHATML, max_position_embeddings=60)
    model = CoconutModel.from_pretrained(folder, device="cpu")
    length = len(model.encode_prompt("?"))
    assert len(model.encode_prompt("?" * (61 - length))) == 60
    assert "61 tokens, the model reads at most 60" in refusal(lambda: model.encode_prompt("?" * (62 - length)))


def test_rows_and_sessions_ask_alike(instruct: Path) -> None:
    model = CoconutModel.from_pretrained(instruct, device="cpu", feedback="mixture", system="Think.")
    questions = [QUESTION, "Why?"]
    answers = generate(model, questions, thoughts=2, max_new_tokens=4)
    for question, answer in zip(questions, answers, strict=True):
        session = Session(model, question, thoughts=2, max_new_tokens=4)
        session.finish()
        assert [step.token_id for step in session.steps if step.kind == "token"] == answer.token_ids


def test_a_trace_tells_how_was_asked(instruct: Path) -> None:
    model = CoconutModel.from_pretrained(instruct, device="cpu", feedback="mixture:top_k=3", system="Think.")
    session = Session(model, QUESTION, thoughts=1, max_new_tokens=1)
    session.finish()
    settings = session.trace().settings
    assert (settings["chat"], settings["system"]) == (True, "Think.")
    assert (settings["feedback"], settings["feedback_options"]) == ("mixture", {"top_k": 3})
    plain = Session(
        CoconutModel.from_pretrained(instruct, device="cpu", chat=False, feedback="hidden"),
        QUESTION,
        thoughts=1,
        max_new_tokens=1,
    )
    assert not {"chat", "system", "feedback_options"} & plain.trace().settings.keys()


def test_one_of_several_chat_templates_is_chosen_by_name(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path / "m", template={"rag": WITH_BEGIN, "tool_use": CHATML})  # type: ignore[arg-type]
    message = refusal(lambda: CoconutModel.from_pretrained(folder, device="cpu"))
    assert message.endswith(
        "has no chat template 'default' but rag, tool_use: give one of these as --chat-template, or --no-chat"
    )
    assert "has no chat template 'Rag' but rag, tool_use" in refusal(
        lambda: CoconutModel.from_pretrained(folder, chat="Rag")
    )
    assert prompt(CoconutModel.from_pretrained(folder, device="cpu", chat=False)) == f"<s>{QUESTION}\n"
    model = CoconutModel.from_pretrained(folder, device="cpu", chat="tool_use", system="Think.")
    assert prompt(model) == TURNS.replace("Be brief.", "Think.")
    assert prompt(CoconutModel.from_pretrained(folder, device="cpu", chat="rag")) == f"<s>{TURNS}"
    session = Session(model, QUESTION, thoughts=1, max_new_tokens=1)
    session.finish()
    assert session.trace().settings["chat_template"] == "tool_use"
    model.config = replace(model.config, trained=True)
    model.save_pretrained(tmp_path / "saved")
    saved = CoconutModel.from_pretrained(tmp_path / "saved", device="cpu")
    assert (saved.config.chat_template, prompt(saved)) == ("tool_use", prompt(model))
    assert "leave out --chat" in refusal(lambda: CoconutModel.from_pretrained(tmp_path / "saved", chat="rag"))
    change_json(tmp_path / "saved" / "coconut.json", chat_template="{{ messages }}")
    assert "has no chat template '{{ messages }}'" in refusal(
        lambda: CoconutModel.from_pretrained(tmp_path / "saved", device="cpu")
    )


def test_the_template_named_default_is_taken(tmp_path: Path) -> None:
    templates: Any = {"default": CHATML, "rag": WITH_BEGIN}
    assert (
        prompt(CoconutModel.from_pretrained(ordinary_folder(tmp_path, template=templates), device="cpu"))
        == TURNS
    )


def test_a_name_where_there_is_one_template(instruct: Path) -> None:
    assert "has one chat template: ask without --chat-template" in refusal(
        lambda: CoconutModel.from_pretrained(instruct, chat="rag")
    )
    with pytest.raises(CoconutError, match="--no-chat uses no chat template"):
        Untrained(chat=False, chat_template="rag").chat_choice  # noqa: B018
    choices = [Untrained(chat=True, chat_template="rag"), Untrained(), Untrained(chat=False)]
    assert [choice.chat_choice for choice in choices] == ["rag", None, False]


# -- checkpoints -------------------------------------------------------------------------------------------


def test_a_checkpoint_asks_as_its_coconut_json_says(instruct: Path, tmp_path: Path) -> None:
    model = CoconutModel.from_pretrained(instruct, device="cpu", system="Think.")
    model.config = replace(model.config, trained=True)
    model.save_pretrained(tmp_path)
    loaded = CoconutModel.from_pretrained(tmp_path, device="cpu")
    assert prompt(loaded) == TURNS.replace("Be brief.", "Think.")
    for options in ({"chat": False}, {"system": "Other."}):
        message = refusal(partial(CoconutModel.from_pretrained, tmp_path, device="cpu", **options))
        assert "was trained with its chat template: leave out --chat" in message
    record = json.loads((tmp_path / "coconut.json").read_text(encoding="utf-8"))
    assert (record.pop("chat"), record.pop("system")) == (True, "Think.")
    (tmp_path / "coconut.json").write_text(json.dumps(record), encoding="utf-8")
    assert prompt(CoconutModel.from_pretrained(tmp_path, device="cpu")) == f"<s>{QUESTION}\n"
    assert "without a chat template" in refusal(
        lambda: CoconutModel.from_pretrained(tmp_path, device="cpu", chat=True)
    )


def test_what_was_chosen_for_an_ordinary_model_is_saved_with_it(instruct: Path, tmp_path: Path) -> None:
    CoconutModel.from_pretrained(instruct, device="cpu", chat=False).save_pretrained(tmp_path / "plain")
    assert CoconutModel.from_pretrained(tmp_path / "plain", device="cpu").config.chat is False
    CoconutModel.from_pretrained(instruct, device="cpu", system="Think.").save_pretrained(tmp_path / "chat")
    assert prompt(CoconutModel.from_pretrained(tmp_path / "chat", device="cpu")) == TURNS.replace(
        "Be brief.", "Think."
    )
    assert (
        prompt(CoconutModel.from_pretrained(tmp_path / "chat", device="cpu", chat=False)) == f"<s>{QUESTION}\n"
    )


def test_coconut_json_names_a_chat_only_where_one_was_chosen(tmp_path: Path) -> None:
    CoconutConfig(bot_id=1, eot_id=2, latent_id=3).save(tmp_path)
    record = json.loads((tmp_path / "coconut.json").read_text(encoding="utf-8"))
    assert not {"chat", "system"} & record.keys()
    change_json(tmp_path / "coconut.json", chat="yes")
    message = refusal(lambda: CoconutConfig.load(tmp_path))
    assert message.endswith("the entry 'chat' must be true or false or null, not a text")
    change_json(tmp_path / "coconut.json", chat=None, system="Think.")
    assert "a system prompt needs a chat template" in refusal(lambda: CoconutConfig.load(tmp_path))


def test_training_reads_the_prompt_that_a_run_reads(instruct: Path) -> None:
    model = CoconutModel.from_pretrained(instruct, device="cpu")
    problem = replace(example_problem("prosqa", 1), question=QUESTION)
    prompt_ids = Encoder(model.tokenizer, model.config).prompt(problem)
    assert prompt_ids == model.encode_prompt(problem.question)


def started(base: Path, **model: Any) -> CoconutModel:
    """The model of a recipe before its first step."""
    return build_model(
        tiny_recipe(
            step_style="sentence",
            curriculum={"lookup": 0},
            data={"train": "sums.json"},
            model={"base": str(base), **model},
        )
    )


def test_a_recipe_trains_an_instruct_model_in_its_chat_unless_it_says_otherwise(instruct: Path) -> None:
    in_chat, alone = started(instruct), started(instruct, chat="no")
    assert (in_chat.config.chat, prompt(in_chat)) == (True, TURNS)
    assert (alone.config.chat, prompt(alone)) == (None, f"<s>{QUESTION}\n")
    with_system = started(instruct, system="Think.")
    assert prompt(with_system) == TURNS.replace("Be brief.", "Think.")
    assert with_system.config.system == "Think."


def test_a_run_goes_on_in_the_chat_of_the_checkpoint_that_it_begins_as(instruct: Path, tmp_path: Path) -> None:
    started(instruct, system="Think.").save_pretrained(tmp_path / "chat")
    started(instruct, chat="no").save_pretrained(tmp_path / "alone")
    assert prompt(started(tmp_path / "chat")) == TURNS.replace("Be brief.", "Think.")
    assert prompt(started(tmp_path / "alone")) == f"<s>{QUESTION}\n"
    assert prompt(started(tmp_path / "alone", chat="yes")) == TURNS


def test_a_chat_that_cannot_be_had_is_refused_in_a_line(instruct: Path, tmp_path: Path) -> None:
    plain = ordinary_folder(tmp_path / "plain", "qwen2")
    assert "has no chat template: leave it out" in refusal(lambda: started(plain, chat="yes"))
    assert "is not asked in a chat here: leave it out" in refusal(lambda: started(plain, system="Think."))
    assert "is not asked in a chat here" in refusal(lambda: started(instruct, chat="no", system="Think."))
    assert "need model.base: a fresh model has no chat template" in refusal(
        lambda: tiny_recipe(model={"chat": "yes"})
    )
    assert "the entry 'model.chat' must be one of auto, yes, no" in refusal(
        lambda: tiny_recipe(model={"chat": "always"})
    )


def test_the_end_of_the_turn_is_learned_where_it_is_another_than_the_end_of_text(tmp_path: Path) -> None:
    """As with Gemma: <eos> ends texts, <end_of_turn> a turn, and what stands behind that is not said."""
    folder = ordinary_folder(tmp_path / "base", "qwen2", template=CHATML)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turn_end = tokenizer.eos_token_id
    tokenizer.eos_token = "<s>"
    tokenizer.save_pretrained(folder)
    for file in ("config.json", "generation_config.json"):
        change_json(folder / file, eos_token_id=tokenizer.eos_token_id)
    model = started(folder)
    encoder = Encoder(model.tokenizer, model.config)
    said = encoder.answer(Problem(QUESTION, (), "yes"))
    assert model.tokenizer.decode(said) == "### yes<|im_end|>"
    assert said[-1] == turn_end != model.tokenizer.eos_token_id
    assert model.eos_ids == {turn_end, model.tokenizer.eos_token_id}, "a run ends there"
    assert model.base_lm.generation_config.eos_token_id == [turn_end, model.tokenizer.eos_token_id]
    plain = started(folder, chat="no")
    assert Encoder(plain.tokenizer, plain.config).end == plain.tokenizer.eos_token_id


def test_tokens_on_disk_are_of_one_chat(instruct: Path, tmp_path: Path) -> None:
    data = sums_file(tmp_path, 2)
    for settings in ({}, {"system": "Think."}, {"chat": "no"}):
        model = started(instruct, **settings)
        encoder = Encoder(model.tokenizer, model.config)
        assert open_store(data, encoder, tmp_path / "tokens")[0].prompt == encoder.prompt(
            read_problems(data)[0]
        )


def test_the_official_code_has_no_chat(instruct: Path, tmp_path: Path) -> None:
    model = started(instruct)
    assert "has a chat template, which the official code does not know" in refusal(
        lambda: save_official(model, tmp_path / "model.pt")
    )


# -- long contexts -----------------------------------------------------------------------------------------


def scaled(kind: str, **more: Any) -> dict[str, Any]:
    return {"max_position_embeddings": 64, "rope_parameters": {"rope_type": kind, "rope_theta": 1e4, **more}}


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        (scaled("yarn", factor=4.0, original_max_position_embeddings=32), 128),
        (scaled("llama3", factor=2.0, original_max_position_embeddings=32, low_freq_factor=1.0,
                high_freq_factor=4.0), 64),
        (scaled("longrope", factor=2.0, original_max_position_embeddings=48, short_factor=[1.0] * 4,
                long_factor=[4.0] * 4), 48),
        (scaled("linear", factor=4.0), 64),
        (scaled("dynamic", factor=4.0, original_max_position_embeddings=64), 64),
        (scaled("dynamic", factor=4.0, original_max_position_embeddings=32), 64),
    ],
)  # fmt: skip
def test_scaled_rotary_positions(tmp_path: Path, settings: dict[str, Any], limit: int) -> None:
    model = CoconutModel.from_pretrained(
        ordinary_folder(tmp_path, **settings), device="cpu", feedback="mixture"
    )
    assert model.max_positions == limit
    ids = model.encode_prompt("?" * 40)
    with pytest.raises(CoconutError, match=f"the model reads at most {limit}"):
        model.encode_prompt("?" * limit)
    with torch.inference_mode():
        context = model.start_context(torch.tensor([ids]))
        embedded = model.embed(torch.tensor([ids]))
        while context.length < min(limit, 70):  # cached, and everything read again
            embedded = torch.cat([embedded, model.feedback(context.hidden)[:, None]], dim=1)
            state = model.latent_step(context)
        whole = model.feed(model.empty_context(1), embedded)[:, -1]
    torch.testing.assert_close(state, whole, rtol=0, atol=1e-4)


def test_scalings_of_several_kinds_of_layers_end_where_the_first_does() -> None:
    plain = {"rope_type": "default", "rope_theta": 1e4}
    long = {"rope_type": "longrope", "factor": 2.0, "original_max_position_embeddings": 48}
    parameters = {"sliding_attention": plain, "full_attention": long}
    shape = SimpleNamespace(max_position_embeddings=64, rope_parameters=parameters)
    assert longest_sequence(shape) == 48
    shape.rope_parameters = {"sliding_attention": plain, "full_attention": plain}
    assert longest_sequence(shape) == 64


def test_a_run_ends_at_the_end_of_text_of_the_model_or_of_the_tokenizer(tmp_path: Path) -> None:
    model = CoconutModel.from_pretrained(ordinary_folder(tmp_path, eos_token_id=[7, 9]), device="cpu")
    assert model.tokenizer.eos_token_id not in (7, 9)
    assert model.eos_ids == {7, 9, model.tokenizer.eos_token_id}
