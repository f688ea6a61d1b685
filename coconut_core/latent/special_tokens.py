"""Token ids of a text in which a part is data: special tokens that the data spell out stay text, while those
that a chat template or we wrote are special."""

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

from coconut_core.common.errors import CoconutError, one_line

BYTE = re.compile("<0x[0-9A-F]{2}>")
Span = tuple[int, int]  # from a character of a text up to another, which is left out


@dataclass(frozen=True)
class PlacedToken:
    """A token, and where it stands in the text."""

    id: int
    span: Span | None  # None: the tokenizer put it there itself, or does not say where tokens stand
    special: bool  # a special token or a marker, as the model knows it


@dataclass(frozen=True)
class Encoded:
    """A text as tokens. data: the parts of it in which special tokens are only text."""

    text: str
    tokens: tuple[PlacedToken, ...]
    data: tuple[Span, ...] = ()

    @property
    def ids(self) -> list[int]:
        """Token ids, in order."""
        return [token.id for token in self.tokens]

    def is_data(self, token: PlacedToken) -> bool:
        """Whether a token stands in the data, with more than white space that it takes from there."""
        if token.span is None:
            return False
        first, last = token.span
        shared = [self.text[max(first, start) : min(last, end)] for start, end in self.data]
        return any(part.strip() or part == self.text[first:last] != "" for part in shared)


@contextmanager
def tokenizer_errors(what: str) -> Iterator[None]:
    """Turn whatever a tokenizer raises, a panic of the tokenizers library included, into a CoconutError of one
    line that begins with `what`."""
    try:
        yield
    except CoconutError:
        raise
    except BaseException as error:
        # A panic comes from Rust as a BaseException, whose class cannot be imported.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise CoconutError(f"{what}: {one_line(error)}") from error
        raise


def encode(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    data: Sequence[Span] = (),
    *,
    begin: bool = False,
    markers: Iterable[int] = (),
) -> Encoded:
    """The tokens of text. Where the data spell out no special token they are those that the tokenizer gives.

    begin: behind what the tokenizer starts a text with; what it ends one with is left out, as the text goes on.
    markers: ids that are special as well, where they are tokens that were added to the vocabulary.
    Raises CoconutError where the tokenizer, which may be a damaged one, cannot read the text, or cannot read as
    text a special token that the data spell out.
    """
    with tokenizer_errors("the tokenizer cannot read the text"):
        special = _special_tokens(tokenizer, len(tokenizer), frozenset(markers))
        if not tokenizer.is_fast:
            ids = _ids_in_python(tokenizer, text, data, begin, special)
            tokens = tuple(PlacedToken(number, None, number in special) for number in ids)
            return Encoded(text, tokens, tuple(data))
        encoding = tokenizer(text, add_special_tokens=begin).encodings[0]
        encoded = Encoded(text, _placed(encoding, special), tuple(data))
        if any(token.special and encoded.is_data(token) for token in encoded.tokens):
            return replace(encoded, tokens=_with_data_as_text(tokenizer, text, data, begin, special))
    return encoded


@lru_cache(maxsize=4)
def _special_tokens(tokenizer: PreTrainedTokenizerBase, size: int, markers: frozenset[int]) -> dict[int, str]:
    """Texts of special tokens and markers by id, kept for a tokenizer of that size: some have thousands."""
    reads_bytes = tokenizer.is_fast and getattr(tokenizer.backend_tokenizer.model, "byte_fallback", False)
    added = {number: str(token) for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    added |= {number: str(token) for number in markers if (token := tokenizer.added_tokens_decoder.get(number))}
    # Bytes are what a text is read as, also where a tokenizer was saved with them among its special tokens.
    return {number: text for number, text in added.items() if not (reads_bytes and BYTE.fullmatch(text))}


def _placed(encoding: Encoding, special: Iterable[int]) -> tuple[PlacedToken, ...]:
    """The tokens up to the last that stands in the text. A token of no sequence is the post-processor's."""
    tokens, last = [], 0
    for number, span, sequence in zip(encoding.ids, encoding.offsets, encoding.sequence_ids, strict=True):
        tokens.append(PlacedToken(number, None if sequence is None else span, number in special))
        last = last if sequence is None else len(tokens)
    return tuple(tokens[:last])


def _with_data_as_text(
    tokenizer: PreTrainedTokenizerBase, text: str, data: Sequence[Span], begin: bool, special: dict[int, str]
) -> tuple[PlacedToken, ...]:
    """The tokens where the data spell out a special token: read by a copy of the tokenizer to which special
    tokens have other names, that no text can guess, and those names outside the data."""
    copy, names = _renamed(tokenizer, len(tokenizer), tuple(special.items()))
    pattern = re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))
    written, places = "", []  # places: where each character of `written` stands in text
    for start, end, is_data in _parts(text, data):
        at = start
        for match in [] if is_data else pattern.finditer(text[start:end]):
            plain = text[at : start + match.start()]
            name = names[match[0]]
            places += [*range(at, at + len(plain)), *[start + match.start()] * len(name)]
            written += plain + name
            at = start + match.end()
        written += text[at:end]
        places += range(at, end)
    places.append(len(text))
    tokens = _placed(copy.encode(written, add_special_tokens=begin), special)
    return tuple(
        PlacedToken(token.id, token.span and (places[token.span[0]], places[token.span[1]]), token.special)
        for token in tokens
    )


def _parts(text: str, data: Sequence[Span]) -> Iterator[tuple[int, int, bool]]:
    """The text in parts, and whether each is data."""
    at = 0
    for start, end in sorted(data):
        yield at, start, False
        yield start, end, True
        at = end
    yield at, len(text), False


@lru_cache(maxsize=2)
def _renamed(
    tokenizer: PreTrainedTokenizerBase, size: int, special: tuple[tuple[int, str], ...]
) -> tuple[Tokenizer, dict[str, str]]:
    """A copy of the tokenizer's backend in which special tokens have new names, and these by the old ones."""
    names = {text: f"\ue000{number}-{secrets.token_hex(8)}\ue001" for number, text in special}
    state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    for token in state["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    model = state["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(piece, piece): number for piece, number in model["vocab"].items()}
    else:
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    copy = Tokenizer.from_str(json.dumps(state | {"truncation": None, "padding": None}))
    for number, text in special:
        if copy.token_to_id(names[text]) != number:
            raise _only_special(text)
    return copy, names


def _ids_in_python(
    tokenizer: PreTrainedTokenizerBase, text: str, data: Sequence[Span], begin: bool, special: dict[int, str]
) -> list[int]:
    """The ids from a tokenizer written in Python, which does not say where tokens stand: there special tokens
    become text everywhere or nowhere."""
    spelt = [token for start, end in data for token in special.values() if token in text[start:end]]
    ours = "".join(text[start:end] for start, end, is_data in _parts(text, data) if not is_data)
    split = bool(spelt)
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=split)
    hidden = special.keys() - {tokenizer.unk_token_id}  # the unknown token stands for words as well
    if spelt and (any(token in ours for token in special.values()) or hidden.intersection(ids)):
        raise _only_special(spelt[0])
    if not begin:
        return list(ids)
    whole = tokenizer.encode(text, add_special_tokens=True, split_special_tokens=split)
    starts = range(len(whole) - len(ids) + 1)
    front = next((start for start in starts if whole[start : start + len(ids)] == ids), 0)
    return [*whole[:front], *ids]


def _only_special(text: str) -> CoconutError:
    return CoconutError(f"this tokenizer can read {text} only as a special token, not as text: leave it out")
