"""Names of tokens: another one for each, and typed again they mean the same token."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis.strategies import binary, text
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from coconut_core.common.errors import CoconutError
from coconut_core.common.quoting import parts, quoted, unquoted, words
from coconut_core.common.token_names import content_of, name_of, typed_name
from coconut_core.latent.vocabulary import Vocabulary
from coconut_core.problems.wording import build_tokenizer
from tests.core.tokenizers_of_kinds import KINDS, byte_level, sentencepiece, trained_byte_level, word_pieces


def whole_vocabulary(tokenizer: PreTrainedTokenizerBase) -> Vocabulary:
    """Each token has a name of its own, in which all can be seen, and typed it means that token alone."""
    vocabulary, rows = Vocabulary(tokenizer, len(tokenizer) + 8), len(tokenizer) + 8
    names = [vocabulary.name(number) for number in range(rows)]
    assert len(set(names)) == rows
    assert all(name and name.isprintable() and name == name.strip() for name in names)
    for number, name in enumerate(names):
        typed = typed_name(name, vocabulary.marked)
        assert words(f"steer {typed} 4")[1] == typed
        assert vocabulary.meanings(typed)[:1] == (number,), (number, name, typed)
    return vocabulary


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_tokens_have_one_name(kind: str) -> None:
    whole_vocabulary(KINDS[kind]())


@pytest.mark.smollm2
def test_so_in_the_vocabulary_of_smollm2(smollm2_folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder)
    vocabulary = whole_vocabulary(tokenizer)
    assert (vocabulary.name(4649), vocabulary.name(33488)) == ("·France", "France")
    asked = tokenizer.encode("<|im_start|>user\nIs France (France) near Natalia?")
    france = [place for place, number in enumerate(asked) if number in (4649, 33488)]
    assert {asked[place] for place in france} == {4649, 33488}
    assert vocabulary.places("France", asked) == france
    assert [asked[place] for place in vocabulary.places("' France'", asked)] == [4649]
    assert [asked[place] for place in vocabulary.places("'France'", asked)] == [33488]
    natalia = vocabulary.places("Natalia", asked)
    assert len(natalia) > 1
    assert tokenizer.decode([asked[place] for place in natalia]) == " Natalia"
    with pytest.raises(CoconutError, match=r"'Natalia' is not a single token .*: it is made of ·Natal, ia$"):
        vocabulary.find("Natalia")


def test_names_in_a_byte_level_vocabulary() -> None:
    vocabulary, tokenizer = Vocabulary(byte_level()), byte_level()
    assert vocabulary.marked

    def named(text: str) -> list[str]:
        return list(vocabulary.names(tokenizer.encode(text, add_special_tokens=False)))

    assert named("France (France)") == ["France", "·(", "France", ")"]
    assert named(" France") == ["·France"]
    assert named("\x1b\x7f\n") == ["\\x1b", "\\x7f", "\\n"]
    assert named("日") == ["<E6>", "<97>", "<A5>"]
    assert named("東") == ["東"]
    assert named("ü") == ["ü"]
    assert named("\\·") == ["\\\\", "\\xb7"]
    assert named("<think>") == ["<think>"]
    assert vocabulary.name(0) == "<|endoftext|>"
    assert vocabulary.name(len(tokenizer) + 3) == f"<#{len(tokenizer) + 3}>"


def test_an_added_token_with_the_text_of_another_has_its_number_in_the_name() -> None:
    tokenizer = trained_byte_level()
    (own,) = tokenizer.encode(" is", add_special_tokens=False)
    tokenizer.add_tokens([" is"])
    added = len(tokenizer) - 1
    vocabulary = Vocabulary(tokenizer)
    assert vocabulary.names([own, added]) == ("·is", f"·is<#{added}>")
    assert vocabulary.meanings(f"·is<#{added}>") == vocabulary.meanings(f"<#{added}>") == (added,)


def test_a_byte_of_sentencepiece_is_not_the_letter() -> None:
    tokenizer = sentencepiece()
    vocabulary = Vocabulary(tokenizer)
    ids = tokenizer.convert_tokens_to_ids(["E", "<0x45>", "<0xE6>", "Alex", "▁Alex", "<0x0A>"])
    assert vocabulary.names(ids) == ("E", "<45>", "<E6>", "Alex", "·Alex", "<0A>")
    assert [vocabulary.find(name) for name in ("'E'", "<45>", "'Alex'", "▁Alex", "' Alex'")] == [
        ids[0],
        ids[1],
        ids[3],
        ids[4],
        ids[4],
    ]


def test_whole_words_keep_plain_names() -> None:
    vocabulary = Vocabulary(build_tokenizer())
    assert not vocabulary.marked
    numbers = vocabulary.meanings("rompus"), vocabulary.meanings("' rompus'"), vocabulary.meanings("'rompus'")
    assert len(set(numbers)) == 1
    assert vocabulary.name(numbers[0][0]) == "rompus"
    assert {"is a", ". Every", "\\n", "<|latent|>"} < set(vocabulary.names(range(72)))


def test_a_bare_word_is_the_variant_that_is_at_hand() -> None:
    tokenizer = byte_level()
    vocabulary = Vocabulary(tokenizer)
    (bare,), (spaced,) = (tokenizer.encode(text, add_special_tokens=False) for text in ("France", " France"))
    assert vocabulary.meanings("France") == (bare, spaced)
    assert vocabulary.find("France") == bare
    assert vocabulary.find("France", [5, spaced, bare]) == spaced
    for typed in ("·France", "ĠFrance", "' France'", '" France"'):
        assert vocabulary.meanings(typed) == (spaced,), typed
    assert vocabulary.meanings("'France'") == (bare,)
    assert vocabulary.meanings("<|endoftext|>") == (0,)
    assert vocabulary.meanings("nonsense") == ()


def test_where_a_word_stands() -> None:
    def named(tokenizer: PreTrainedTokenizerBase, text: str, typed: str) -> list[str]:
        vocabulary, ids = Vocabulary(tokenizer), tokenizer.encode(text, add_special_tokens=False)
        return list(vocabulary.names(ids[place] for place in vocabulary.places(typed, ids)))

    text = "Paris (Paris) in Frances France"
    assert named(byte_level(), text, "Paris") == ["Paris", "Paris"]
    assert named(byte_level(), text, "France") == ["·France"]
    assert named(byte_level(), text, "Frances") == ["·France", "s"]
    assert named(byte_level(), "eats 東京日", "東京日") == ["·東", "京", "<E6>", "<97>", "<A5>"]
    assert named(sentencepiece(), "Paris is in Paris", "Paris") == ["·Paris", "·Paris"]
    assert named(word_pieces(), "alex is a lempus.", "lempus") == ["lem", "##pus"]
    assert named(build_tokenizer(), "Every lempus is a rompus.", "rompus") == ["rompus"]
    assert named(byte_level(), text, "Rome") == []


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(text(), binary())
def test_any_bytes_can_be_read_from_their_name(some: str, more: bytes) -> None:
    for content in (some.encode("utf-8", "surrogatepass"), more, some.encode("utf-8", "surrogatepass") + more):
        name = name_of(content)
        assert (name.isprintable(), " " in name) == (True, False)
        assert content_of(name) == content


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("é", "e\u0301", "e\\u0301"),
        ("Å", "\u212b", "\\u212b"),
        ("❤", "❤\ufe0f", "❤\\ufe0f"),
        ("a", "a\u200b", "a\\u200b"),
        ("x", "x\u00ad", "x\\xad"),
        ("a", " a", "·a"),
    ],
)
def test_what_looks_the_same_is_escaped(one: str, other: str, shown: str) -> None:
    assert name_of(one.encode()) == one
    assert name_of(other.encode()) == shown


@given(text())
def test_quotes(some: str) -> None:
    typed = quoted(some)
    assert unquoted(typed) == some
    assert words(f"steer {typed} 4") == ["steer", typed, "4"]
    assert parts(f"steer {typed} 4; zero", ";") == [f"steer {typed} 4", " zero"]


def test_a_quote_within_a_word_is_a_letter() -> None:
    assert words("steer don't 4") == ["steer", "don't", "4"]
    assert words("add token:' a b'-\"c;d\" 1@2") == ["add", "token:' a b'-\"c;d\"", "1@2"]
    assert unquoted("don't") is None
