"""What a token adds to the text: the pieces together are the text, whatever the tokenizer."""

import random
from itertools import pairwise

import pytest
from transformers import PreTrainedTokenizerBase

from coconut_core.common.text_stream import TextStream
from coconut_core.problems.wording import build_tokenizer
from tests.core.tokenizers_of_kinds import KINDS, byte_level

TEXTS = (
    "Ann has 30 nuts, finds 12 and eats 5. How many are left?",
    "  Grüße, 東京都 😀\n\n\tx  =  1 ",
    "日本語 ### 37\n",
    "Every lempus is a rompus. Alex is a lempus.",
)


def told(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[str]:
    stream = TextStream(tokenizer)
    return [*map(stream.add, ids), stream.rest()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_pieces_together_are_the_text(kind: str, text: str) -> None:
    tokenizer = KINDS[kind]()
    ids = tokenizer.encode(text, add_special_tokens=False)
    whole = tokenizer.decode(ids, skip_special_tokens=True).strip()
    assert "".join(told(tokenizer, ids)) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_so_are_those_of_any_tokens(kind: str) -> None:
    tokenizer, rng = KINDS[kind](), random.Random(1)
    for _ in range(200):
        ids = [rng.randrange(len(tokenizer)) for _ in range(rng.randint(1, 30))]
        whole = tokenizer.decode(ids, skip_special_tokens=True).strip()
        assert "".join(told(tokenizer, ids)) == whole, ids


def test_a_half_character_is_held_back_until_it_is_whole() -> None:
    tokenizer = byte_level()
    ids = tokenizer.encode("x😀", add_special_tokens=False)
    assert len(ids) == 5  # the vocabulary has only bytes of it
    assert told(tokenizer, ids) == ["x", "", "", "", "😀", ""]
    assert told(tokenizer, ids[:-1])[-1] == "�"


def test_the_word_level_tokenizer_says_its_spaces() -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer.encode("Alex is a lempus. Every lempus")
    pieces = told(tokenizer, ids)
    assert pieces[:3] == ["Alex", " is a", " lempus"]
    assert all(not first.endswith(" ") for first, _ in pairwise(pieces))
