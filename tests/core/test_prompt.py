"""From a question to token ids, and the questions that are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Regex, normalizers
from transformers import PreTrainedTokenizerBase

from coconut_core.errors import CoconutError
from coconut_core.model import CoconutModel
from coconut_core.prompt import unknown_words
from tests.core.real_tokenizers import END, ctrl_tokenizer, gpt2_tokenizer, olmo_tokenizer, opt_tokenizer
from tests.core.tiny_models import QUESTIONS, tiny_model


def refusal(model: CoconutModel, question: str) -> str:
    with pytest.raises(CoconutError) as caught:
        model.encode_prompt(question)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_prompt_is_question_line_break_bot(llama: CoconutModel) -> None:
    ids = llama.encode_prompt(f"  {QUESTIONS[0]}\n")
    assert ids[-1] == llama.config.bot_id
    assert llama.token_text(ids[-2]) == "\n"
    assert llama.tokenizer.decode(ids[:-2]) == QUESTIONS[0]


@pytest.mark.parametrize("question", ["", " ", "\n\t "])
def test_an_empty_question(llama: CoconutModel, question: str) -> None:
    assert "the question is empty: give one" in refusal(llama, question)


def test_a_question_longer_than_the_context() -> None:
    length = len(tiny_model("llama").encode_prompt(QUESTIONS[0]))
    assert len(tiny_model("llama", max_positions=length).encode_prompt(QUESTIONS[0])) == length
    message = refusal(tiny_model("llama", max_positions=length - 1), QUESTIONS[0])
    assert f"{length} tokens, the model reads at most {length - 1}: shorten it" in message


def test_every_unknown_word_is_named_once(llama: CoconutModel) -> None:
    message = refusal(llama, "Every unicorn is a lempus. Alex is a unicorn. Is Alex a qübit or Zoe2?")
    assert "'unicorn', 'qübit', 'Zoe2'" in message
    assert message.count("unicorn") == 1
    assert "lempus" not in message


def test_words_that_only_begin_like_known_ones(llama: CoconutModel) -> None:
    message = refusal(llama, "Alexa is a lempuses. Every isabel is an orc, ok!")
    for word in ("'Alexa'", "'lempuses'", "'isabel'", "'an'", "'orc'", "','", "'ok'", "'!'"):
        assert word in message
    assert unknown_words(llama.tokenizer, QUESTIONS[0]) == []


def test_white_space_that_is_unknown_stays_on_one_line(llama: CoconutModel) -> None:
    message = refusal(llama, "Alex is\ta lempus.\r\nIs Alex a lempus or yumpus?")
    assert "'\\t'" in message
    assert "'\\r'" in message
    assert message.isprintable()


def test_a_question_of_several_lines(llama: CoconutModel) -> None:
    assert "Zoe" in refusal(llama, "Alex is a lempus.\nIs Zoe a lempus or yumpus?")


def test_a_tokenizer_that_cannot_read_says_so_in_one_line() -> None:
    model = tiny_model("gpt2")
    model.tokenizer.model_max_length = []  # as a damaged tokenizer_config.json may have it
    with pytest.raises(CoconutError, match=r"^the tokenizer cannot read the text: [^\n]+$"):
        model.start(QUESTIONS[0])


# -- an unknown token that stands for other things as well ---------------------------------------------------

ANY_TEXT = "Ann hät 30 日本 😀\x01\tnuts.\nHow many?"


def model_with(tokenizer: PreTrainedTokenizerBase) -> CoconutModel:
    model = tiny_model("llama")
    model.tokenizer = tokenizer
    model.config = replace(model.config, chat=tokenizer.chat_template is not None, bot_id=79)
    return model


@pytest.mark.parametrize("make", [gpt2_tokenizer, opt_tokenizer, olmo_tokenizer])
def test_an_unknown_token_that_template_and_tokenizer_put_there_is_no_unknown_word(make) -> None:
    model = model_with(make())
    assert model.tokenizer.unk_token_id == model.tokenizer.eos_token_id
    assert unknown_words(model.tokenizer, ANY_TEXT) == []
    ids = model.encode_prompt(ANY_TEXT)
    assert ids.count(model.tokenizer.unk_token_id) == (0 if make is gpt2_tokenizer else 1)
    assert ANY_TEXT in model.tokenizer.decode(ids[:-1])


@pytest.mark.parametrize("make", [gpt2_tokenizer, opt_tokenizer])
def test_the_unknown_token_spelt_out_is_known_to_a_tokenizer_that_reads_bytes(make) -> None:
    model = model_with(make())
    assert unknown_words(model.tokenizer, f"What is {END}?") == []
    assert model.token_id(END) == model.tokenizer.unk_token_id  # a token may be named
    assert model.token_id("?") != model.tokenizer.unk_token_id


def test_a_closed_vocabulary_does_not_know_its_unknown_token_spelt_out(llama: CoconutModel) -> None:
    with pytest.raises(CoconutError, match="is not a single token"):
        llama.token_id("unicorn")
    assert llama.token_id("lempus") == llama.token_id(" lempus")


def test_a_tokenizer_in_python_names_unknown_words_without_offsets(tmp_path: Path) -> None:
    model = model_with(ctrl_tokenizer(tmp_path))
    assert unknown_words(model.tokenizer, "Ann has ☃ nüts and ☃ more") == ["☃", "nüts"]
    assert "vocabulary does not have '☃'" in refusal(model, "Ann has ☃ nuts")
    assert model.encode_prompt("Ann has 3 nuts")[-1] == model.config.bot_id  # the line break is not the user's


def test_an_unknown_word_of_the_system_prompt_is_named() -> None:
    model = tiny_model("llama")
    model.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    model.config = replace(model.config, chat=True, system="Alex is a wizard.")
    assert refusal(model, QUESTIONS[0]) == "the model's vocabulary does not have 'wizard'"


def test_a_panic_of_the_tokenizers_library_is_one_line() -> None:
    model = tiny_model("llama")
    backtracks = normalizers.Replace(Regex(r"((\? ?)+)+!$"), "")
    model.tokenizer.backend_tokenizer.normalizer = backtracks
    assert "the tokenizer cannot read the text: " in refusal(model, "? " * 40)
    with pytest.raises(CoconutError, match=r"^the tokenizer cannot read the text: [^\n]+$"):
        unknown_words(model.tokenizer, "? " * 40)
