"""From a question to token ids, and the questions that are refused."""

import pytest

from coconut_core.errors import CoconutError
from coconut_core.model import CoconutModel
from coconut_core.prompt import unknown_words
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
