"""From a question to the token ids that a run starts with."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from transformers import PreTrainedTokenizerBase

from coconut_core.errors import CoconutError, one_line

if TYPE_CHECKING:
    from coconut_core.config import CoconutConfig
    from coconut_core.model import CoconutModel


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a piece of text, without any special tokens added. Raises CoconutError where the tokenizer,
    which may be a damaged one, cannot read it."""
    return _encoded(tokenizer, text, special=False)


def _encoded(tokenizer: PreTrainedTokenizerBase, text: str, special: bool) -> list[int]:
    with tokenizer_errors("the tokenizer cannot read the text"):
        return list(tokenizer.encode(text, add_special_tokens=special))


@contextmanager
def tokenizer_errors(what: str) -> Iterator[None]:
    """Turn whatever a tokenizer raises, a panic of the tokenizers library included, into a CoconutError of one
    line that begins with `what`."""
    try:
        yield
    except BaseException as error:
        # A panic comes from Rust as a BaseException, whose class cannot be imported.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise CoconutError(f"{what}: {one_line(error)}") from error
        raise


def question_ids(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> list[int]:
    """Token ids of everything in front of <bot>: the question and its end behind whatever the tokenizer starts
    a text with, or with config.chat the tokenizer's chat template up to where the assistant begins.

    Raises CoconutError where the template cannot be filled in.
    """
    if not config.chat:
        return _encoded(tokenizer, question.strip() + config.question_end, special=True)
    # The template writes the beginning of the text itself, so the tokenizer must not add one.
    return encode_text(tokenizer, _chat_text(tokenizer, question.strip(), config))


def _chat_text(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> str:
    messages = [] if config.system is None else [{"role": "system", "content": config.system}]
    messages.append({"role": "user", "content": question})
    try:
        filled = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # a template may raise whatever its author wanted
        raise CoconutError(f"the chat template refuses this: {one_line(error)}") from error
    text, opening = str(filled), str(tokenizer.convert_ids_to_tokens(config.bot_id))
    # Templates of reasoning models may open the thinking themselves; <bot> follows here in any case.
    opened = text.rstrip()
    return opened.removesuffix(opening) if opened.endswith(opening) else text


def encode_prompt(model: "CoconutModel", question: str) -> list[int]:
    """question_ids and <bot>. Raises CoconutError where the model cannot read the question."""
    if not question.strip():
        raise CoconutError("the question is empty: give one as text, or - to read it from standard input")
    if not _is_unicode(question):  # bytes of another encoding on a command line, half a pair in JSON
        raise CoconutError("the question has a character that is no Unicode: write it in UTF-8")
    ids = question_ids(model.tokenizer, question, model.config)
    if model.tokenizer.unk_token_id in ids:  # perhaps one that the tokenizer or a template put there
        texts = [question] if model.config.system is None else [model.config.system, question]
        if words := [word for text in texts for word in unknown_words(model.tokenizer, text)]:
            named = ", ".join(f"'{word}'" for word in dict.fromkeys(words))
            raise CoconutError(f"the model's vocabulary does not have {named}")
    limit = model.max_positions
    if limit is not None and len(ids) + 1 > limit:
        raise CoconutError(
            f"the question has {len(ids) + 1} tokens, the model reads at most {limit}: shorten it"
        )
    return [*ids, model.config.bot_id]


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def unknown_words(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """The words of a text that the tokenizer cannot know, each once; empty where it knows all of them.

    Only what stands in the text counts. So a tokenizer that reads bytes knows every text, whatever else its
    unknown token is for: that of GPT-2 is its end of text as well. Raises CoconutError as encode_text does.
    """
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return []
    with tokenizer_errors("the tokenizer cannot read the text"):
        encoded = tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=True,  # the unknown token, spelt out, is no word that is unknown
            return_offsets_mapping=tokenizer.is_fast,
        )
    ids = encoded["input_ids"]
    if unknown not in ids:
        return []
    if tokenizer.is_fast:
        offsets = zip(ids, encoded["offset_mapping"], strict=True)
        words = [_word_at(text, start, end) for number, (start, end) in offsets if number == unknown]
    else:  # written in Python, it does not say where a token stands
        parts = re.findall(r"\s|\S+", text)
        words = [part for part in parts if len(parts) == 1 or unknown_words(tokenizer, part)] or [text]
    return list(dict.fromkeys(word if word.isprintable() else repr(word)[1:-1] for word in words))


def _word_at(text: str, start: int, end: int) -> str:
    """The whole word of which text[start:end], a token, is a part."""
    token = text[start:end]
    if not token.strip():
        return token
    start += len(token) - len(token.lstrip())  # a token may begin with a space
    while start > 0 and text[start - 1 : start + 1].isalnum():
        start -= 1
    while end < len(text) and text[end - 1 : end + 1].isalnum():
        end += 1
    return text[start:end]
