"""The vocabulary of a model: a name for each token by which it can be told from all others, and what typed
names mean.

Where some token differs from another by the space in front of it alone, names show spaces: "·France" and
"France" are two tokens. In a vocabulary of whole words they do not, and a name is the word.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from coconut_core.common.errors import CoconutError
from coconut_core.common.quoting import unquoted
from coconut_core.common.token_names import SPACE, content_of, name_of
from coconut_core.latent.prompt import encode_text, unknown_words

METASPACE = "▁"  # a space within a token of a SentencePiece vocabulary
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # a byte of such a vocabulary
_NUMBER = re.compile(r"<#(\d{1,9})>")  # names a token by its id


_LETTERS: dict[int, str] = bytes_to_unicode()  # what byte-level vocabularies write bytes with
_BYTES = {letter: byte for byte, letter in _LETTERS.items()}


class Vocabulary:
    """The tokens of a tokenizer by id and by name. rows: how many ids the model has, perhaps more."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, rows: int | None = None) -> None:
        self._tokenizer = tokenizer
        self._rows = len(tokenizer) if rows is None else rows
        self._names: dict[int, str] = {}
        decoder = _decoder(tokenizer)
        self._byte_level = "ByteLevel" in decoder or hasattr(tokenizer, "byte_decoder")
        self._metaspace = METASPACE in decoder or hasattr(tokenizer, "sp_model")
        self._word_pieces = "WordPiece" in decoder

    @property
    def marked(self) -> bool:
        """Whether names show spaces."""
        return self._plain is None

    # -- names ---------------------------------------------------------------------------------------------

    def name(self, token_id: int) -> str:
        """The visible name of a token, another one for each; <#123> where the tokenizer has nothing for it."""
        name = self._names.get(token_id)
        if name is None:
            name = self._names[token_id] = (self._full_name if self.marked else self._short_name)(token_id)
        return name

    def names(self, token_ids: Iterable[int]) -> tuple[str, ...]:
        """The names of tokens."""
        return tuple(map(self.name, token_ids))

    def content(self, token_id: int) -> bytes:
        """What a token adds to a text as UTF-8, the space in front included; perhaps half a character."""
        piece = self._piece(token_id) or ""
        if token_id not in self._added:
            if self._byte_level and all(letter in _BYTES for letter in piece):
                return bytes(_BYTES[letter] for letter in piece)
            if self._word_pieces:
                piece = piece[2:] if piece.startswith("##") else f" {piece}"
        if self._metaspace:
            if byte := _BYTE.fullmatch(piece):
                return bytes.fromhex(byte[1])
            piece = piece.replace(METASPACE, " ")
        return piece.encode("utf-8", "surrogatepass")

    # -- what names mean -----------------------------------------------------------------------------------

    def meanings(self, typed: str) -> tuple[int, ...]:
        """The tokens that a typed word may mean: none, one, or those without and with a space in front.

        In quotes it is taken letter by letter. A name, or the vocabulary's own writing (ĠFrance, ▁France),
        means its token; but a word as it stands may also be the token with a space in front of it.
        """
        literal = unquoted(typed)
        if literal is not None:
            content = literal.encode("utf-8", "surrogatepass")
            return tuple([*self._of_content(content), *self._of_name(_shortened(name_of(content)))][:1])
        ids = self._of_name(typed)
        if self.marked and not typed.startswith(SPACE) and not (ids and ids[0] in self._added):
            ids += self._of_name(SPACE + typed)
        ids = ids or [*self._of_text(typed), *self._of_text(f" {typed}")]
        ids = ids or [number for number in [self._of_piece(typed)] if number is not None]
        return tuple(dict.fromkeys(ids or self._spelt_otherwise(typed)))

    def find(self, typed: str, at_hand: Iterable[int] = ()) -> int:
        """The one token that a typed word means: of several the one that comes first in at_hand, else the one
        without a space. Raises CoconutError where it is no single token, and says which ones it is made of."""
        ids = self.meanings(typed)
        if not ids:
            text = unquoted(typed)
            spaced = f" {typed}" if text is None and self._byte_level else text or typed
            pieces = self.names(encode_text(self._tokenizer, spaced))
            made_of = f": it is made of {', '.join(pieces)}" if len(pieces) > 1 else ""
            raise CoconutError(f"'{text or typed}' is not a single token of this model's vocabulary{made_of}")
        if len(ids) > 1:
            return next((number for number in at_hand if number in ids), ids[0])
        return ids[0]

    def places(self, typed: str, token_ids: Sequence[int]) -> list[int]:
        """Where a word stands among tokens: the positions of its variants, and of all tokens of it where it is
        several. In quotes, or named with its space, it is one token or text, wherever that stands."""
        literal, ids = unquoted(typed), self.meanings(typed)
        standing = [place for place, number in enumerate(token_ids) if number in ids]
        exact = literal is not None or typed.startswith(SPACE) or not self.marked
        if ids and exact:
            return standing
        return self._places_in_text(typed if literal is None else literal, token_ids, exact) or standing

    # -- inside --------------------------------------------------------------------------------------------

    def _places_in_text(self, word: str, token_ids: Sequence[int], exact: bool) -> list[int]:
        """Positions of the tokens that a word is made of; unless exact, not those of a longer word."""
        between = b"" if self._byte_level or self._metaspace or self._word_pieces else b" "
        text, spans = b"", []
        for number in token_ids:
            part = self.content(number)
            text += b"" if part.startswith(b" ") else between
            spans.append((len(text), len(text) + len(part)))
            text += part
        whole, begin, end = text.decode("utf-8", "surrogateescape"), "", ""
        if not exact and word:
            begin, end = (r"(?<!\w)" if word[0].isalnum() else ""), (r"(?!\w)" if word[-1].isalnum() else "")
        places: set[int] = set()
        for match in re.finditer(begin + re.escape(word) + end, whole):
            first, last = (len(whole[:n].encode("utf-8", "surrogateescape")) for n in match.span())
            places |= {place for place, (start, stop) in enumerate(spans) if start < last and first < stop}
        return sorted(places)

    @cached_property
    def _added(self) -> frozenset[int]:
        """Tokens whose text stands in the vocabulary as it is: special ones, and those added to it later."""
        added: dict[int, Any] = getattr(self._tokenizer, "added_tokens_decoder", {})
        return frozenset([*added, *self._tokenizer.all_special_ids])

    @cached_property
    def _plain(self) -> dict[str, int] | None:
        """The ids by name, where names that show no space tell all tokens apart; None where they do not."""
        owners: dict[str, int] = {}
        for number in range(len(self._tokenizer)):
            if owners.setdefault(self._short_name(number), number) != number:
                return None
        return owners

    def _short_name(self, token_id: int) -> str:
        return _shortened(self._full_name(token_id))

    def _full_name(self, token_id: int) -> str:
        piece = self._piece(token_id)
        if not piece:
            return f"<#{token_id}>"
        if self._metaspace and (byte := _BYTE.fullmatch(piece)):
            return f"<{byte[1]}>"
        content = self.content(token_id)
        name = name_of(piece.encode() if self._word_pieces else content)
        if token_id in self._added and any(number != token_id for number in self._of_content(content)):
            return f"{name}<#{token_id}>"  # the same text as a token of the vocabulary's own
        return name

    def _piece(self, token_id: int) -> str | None:
        """A token as it stands in the vocabulary."""
        try:
            piece = self._tokenizer.convert_ids_to_tokens(int(token_id))
        except (IndexError, KeyError, OverflowError):  # by tokenizers in Python; others give None
            return None
        return piece if isinstance(piece, str) else None

    def _of_piece(self, piece: str) -> int | None:
        number = self._tokenizer.convert_tokens_to_ids(piece)  # of others it gives the unknown token
        return number if isinstance(number, int) and self._piece(number) == piece else None

    def _of_content(self, content: bytes) -> list[int]:
        """Tokens that add this to a text, those of the vocabulary's own writing first."""
        text = content.decode("utf-8", "surrogateescape")
        writings = [text]
        if self._byte_level:
            writings.insert(0, "".join(_LETTERS[byte] for byte in content))
        if self._metaspace:
            writings.insert(0, text.replace(" ", METASPACE))
            writings += [f"<0x{content.hex().upper()}>"] if len(content) == 1 else []
        if self._word_pieces:
            writings.insert(0, text[1:] if text.startswith(" ") else f"##{text}")
        ids = (self._of_piece(writing) for writing in writings if _encodable(writing))
        return [number for number in ids if number is not None and self.content(number) == content]

    def _of_text(self, text: str) -> list[int]:
        return self._of_content(text.encode("utf-8", "surrogatepass"))

    def _of_name(self, name: str) -> list[int]:
        """The token of this name; any token by its number."""
        if number := _NUMBER.search(name):
            ids = [int(number[1])] if int(number[1]) < self._rows else []
            return [number for number in ids if _NUMBER.fullmatch(name) or self.name(number) == name]
        if self._plain is not None:
            return [self._plain[name]] if name in self._plain else []
        ids = self._of_content(content_of(name))
        if self._word_pieces and (piece := self._of_piece(content_of(name).decode())) is not None:
            ids.append(piece)
        return [number for number in ids if self.name(number) == name]

    def _spelt_otherwise(self, typed: str) -> list[int]:
        """What the tokenizer makes of it, which may write all letters small, say."""
        for variant in (typed, f" {typed}"):
            ids = encode_text(self._tokenizer, variant)
            if len(ids) == 1 and not unknown_words(self._tokenizer, variant):
                return ids
        return []


def _shortened(name: str) -> str:
    """A name that does not show the spaces around it, unless there is nothing else."""
    inner = name.strip(SPACE)
    return inner.replace(SPACE, " ") if inner else name


def _encodable(writing: str) -> bool:
    return bool(writing) and not any("\ud800" <= char <= "\udfff" for char in writing)


def _decoder(tokenizer: PreTrainedTokenizerBase) -> str:
    """How a tokenizer makes text of its tokens, as JSON; "" for a tokenizer in Python."""
    decoder: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    return "" if decoder is None else bytes(decoder.__getstate__()).decode()
