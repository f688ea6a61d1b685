"""From a question to the token ids that a run starts with."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformers import PreTrainedTokenizerBase

from coconut_core.errors import CoconutError
from coconut_core.special_tokens import Encoded, Span, encode, tokenizer_errors

if TYPE_CHECKING:
    from coconut_core.config import CoconutConfig
    from coconut_core.model import CoconutModel

PLACE = "\ue000question\ue001"  # in a filled template; characters that no text uses, and no template changes


def encode_text(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    data: Span | None = None,
    config: "CoconutConfig | None" = None,
) -> list[int]:
    """Token ids of a piece of text, without any special tokens added.

    data is the part of it in which special tokens, and markers of config, are only text. Raises CoconutError as
    coconut_core.special_tokens.encode does.
    """
    return encode(tokenizer, text, [] if data is None else [data], markers=_markers(config)).ids


def _markers(config: "CoconutConfig | None") -> tuple[int, ...]:
    markers = () if config is None else (config.bot_id, config.eot_id, config.latent_id)
    return tuple(marker for marker in markers if marker is not None)


@dataclass(frozen=True)
class PromptText:
    """What stands in front of <bot>, as text, and where in it the question stands."""

    text: str
    questions: tuple[Span, ...]
    begins: bool  # behind what the tokenizer starts a text with


def prompt_text(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> PromptText:
    """The question and its end, or with config.chat the tokenizer's chat template up to where the assistant
    begins. The template is filled around the question: it cannot look into it.

    Raises CoconutError where the template cannot be filled in, or has no place for a question.
    """
    question = question.strip()
    if not config.chat:
        return PromptText(question + config.question_end, ((0, len(question)),), begins=True)
    parts = _filled_template(tokenizer, config).split(PLACE)
    if len(parts) == 1:
        raise CoconutError("the chat template leaves the question out: ask without it (--no-chat)")
    text, questions = parts[0], []
    for part in parts[1:]:
        questions.append((len(text), len(text) + len(question)))
        text += question + part
    # The template writes the beginning of the text itself, so the tokenizer must not add one.
    return PromptText(text, tuple(questions), begins=False)


def _filled_template(tokenizer: PreTrainedTokenizerBase, config: "CoconutConfig") -> str:
    """The chat template with PLACE where the question belongs."""
    messages = [] if config.system is None else [{"role": "system", "content": config.system}]
    messages.append({"role": "user", "content": PLACE})
    with tokenizer_errors("the chat template refuses this"):  # it may raise whatever its author wanted
        filled = tokenizer.apply_chat_template(
            messages, chat_template=config.chat_template, tokenize=False, add_generation_prompt=True
        )
    text = str(filled)
    if config.bot_id is None:
        return text
    opening = str(tokenizer.convert_ids_to_tokens(config.bot_id))
    # Templates of reasoning models may open the thinking themselves; <bot> follows here in any case.
    opened = text.rstrip()
    return opened.removesuffix(opening) if opened.endswith(opening) else text


def read_prompt(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> Encoded:
    """The tokens in front of <bot> and where they stand in prompt_text. Special tokens that the question spells
    out stay text. Raises CoconutError where the question cannot be put or read."""
    prompt = prompt_text(tokenizer, question, config)
    return encode(tokenizer, prompt.text, prompt.questions, begin=prompt.begins, markers=_markers(config))


def question_ids(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> list[int]:
    """Token ids of everything in front of <bot>; see read_prompt."""
    return read_prompt(tokenizer, question, config).ids


def encode_prompt(model: "CoconutModel", question: str) -> list[int]:
    """question_ids and what stands in front of the thoughts, such as <bot>. Raises CoconutError where the
    model cannot read the question."""
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
    ids, limit = [*ids, *model.config.fed_before], model.max_positions
    if limit is not None and len(ids) > limit:
        raise CoconutError(f"the question has {len(ids)} tokens, the model reads at most {limit}: shorten it")
    return ids


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
    encoded = encode(tokenizer, text, [(0, len(text))])  # the unknown token, spelt out, is no unknown word
    ids = encoded.ids
    if unknown not in ids:
        return []
    if tokenizer.is_fast:
        spans = [token.span for token in encoded.tokens if token.id == unknown]
        words = [_word_at(text, *span) for span in spans if span is not None]
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
