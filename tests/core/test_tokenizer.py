"""The word-level tokenizer: nothing is lost, and a name is one token wherever it stands."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from coconut_core.problems import generate_problems
from coconut_core.problems.prosqa import CONCEPTS, PERSONS
from coconut_core.problems.wording import BOT, EOS, EOT, LATENT, PHRASES, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer()


def test_every_generated_text_survives(tokenizer: PreTrainedTokenizerFast) -> None:
    for problem in generate_problems("prosqa", 100, seed=2):
        # As a whole, too: the start of a line is like the start of a text.
        lines = "\n".join([problem.question, *problem.steps, f"### {problem.answer}"])
        for text in (problem.question, *problem.steps, problem.answer, lines):
            ids = tokenizer.encode(text)
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text


def test_each_name_is_one_token_wherever_it_stands(tokenizer: PreTrainedTokenizerFast) -> None:
    numbers = set()
    for name in (*PERSONS, *CONCEPTS):
        (number,) = tokenizer.encode(name)
        numbers.add(number)
        assert tokenizer.encode(f" {name}") == [number]
        assert number in tokenizer.encode(f"Every lempus is a {name}.")
        assert number in tokenizer.encode(f"Is {name} a rompus or {name}?")
        assert tokenizer.decode([number]) == name
    assert len(numbers) == len(PERSONS) + len(CONCEPTS) == 55
    assert len(tokenizer) == 6 + len(PHRASES) + 55 == 72


def test_a_sentence_is_three_tokens_and_a_stop(tokenizer: PreTrainedTokenizerFast) -> None:
    pieces = [
        tokenizer.convert_ids_to_tokens(number)
        for number in tokenizer.encode("Every lempus is a rompus. Every")
    ]
    assert pieces == [" Every", " lempus", " is a", " rompus", ". Every"]


def test_markers_are_single_tokens_and_unsaid(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer.encode(f"Alex is a lempus.\n{BOT}{LATENT}{LATENT}{EOT}### Alex is a lempus.{EOS}")
    assert tokenizer.unk_token_id not in ids
    assert [tokenizer.convert_tokens_to_ids(marker) for marker in (BOT, EOT, LATENT, EOS)] == [3, 4, 5, 2]
    assert ids.count(5) == 2
    said = tokenizer.decode(ids, skip_special_tokens=True)
    assert said == "Alex is a lempus.\n### Alex is a lempus."


@pytest.mark.parametrize("word", ["unicorn", "lempuses", "Alexa", "an", "ora", "Isa", "Everyone", "lempus2"])
def test_words_it_does_not_know_become_unknown(tokenizer: PreTrainedTokenizerFast, word: str) -> None:
    assert tokenizer.unk_token_id in tokenizer.encode(f"Alex is a {word}.")
    assert tokenizer.unk_token_id in tokenizer.encode(word)


def test_saving_keeps_it(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    text = "Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or yumpus?"
    assert again.encode(text) == tokenizer.encode(text)
    assert again.decode(again.encode(text)) == text
    assert (again.pad_token_id, again.eos_token_id, again.unk_token_id) == (0, 2, 1)
