"""The text that tokens say, and what each of them adds to it, for whoever shows an answer while it is said."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

HALF = "�"  # what decoding puts where bytes of a character are still to come


def spoken_text(tokenizer: PreTrainedTokenizerBase, token_ids: Sequence[int]) -> str:
    """What words say: decoded as a whole, without markers, white space at both ends left off."""
    return str(tokenizer.decode(token_ids, skip_special_tokens=True)).strip()


class TextStream:
    """The text of a run, piece by piece. All pieces one behind the other, that of `rest` last, are the text
    that a run gives in the end, its spoken_text.

    A token decoded alone is not what it adds: the space in front of a word may be lost, and of a character of
    several bytes there is nothing yet. So what is emitted is the decoded text with the token less
    the one without.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._behind = 0  # tokens from here on are decoded; those before change nothing any more
        self._emitted = 0  # of those from _behind on, so many are emitted
        self._begun = False
        self._space = ""  # white space that is emitted once something follows

    def add(self, token_id: int) -> str:
        """Say a token; returns what it adds to the text, "" while a character is still half."""
        self._ids.append(token_id)
        return self._next(whole=False)

    def rest(self) -> str:
        """What is still held back once the run is over: half a character, shown as such; "" mostly."""
        return self._next(whole=True)

    def _next(self, whole: bool) -> str:
        before = self._decoded(self._ids[self._behind : self._behind + self._emitted])
        now = self._decoded(self._ids[self._behind :])
        if now.endswith(HALF) and not whole:
            return ""
        if not now.startswith(before):  # a decoder that tidies up the text has changed the end of it
            return ""
        # A window that says nothing by itself makes the next token the first of a text: it loses its space.
        if before and self._decoded(self._ids[self._behind + self._emitted :]).strip():
            self._behind += self._emitted
        self._emitted = len(self._ids) - self._behind
        return self._without_ends(now[len(before) :])

    def _decoded(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True)) if ids else ""

    def _without_ends(self, text: str) -> str:
        text = self._space + text
        if not self._begun:
            text = text.lstrip()
        trimmed = text.rstrip()
        self._space = text[len(trimmed) :]
        self._begun = self._begun or bool(trimmed)
        return trimmed
