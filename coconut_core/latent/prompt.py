"""From a question to the token ids that a run starts with."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from transformers import PreTrainedTokenizerBase

from coconut_core.common.errors import CoconutError
from coconut_core.latent.special_tokens import Encoded, Span, encode, tokenizer_errors

if TYPE_CHECKING:
    from coconut_core.latent.config import CoconutConfig

# In a filled template; characters that no text uses, and no template changes.
PLACE, SYSTEM_PLACE, ANSWER_PLACE = (f"\ue000{name}\ue001" for name in ("question", "system", "answer"))


def encode_text(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    data: Span | None = None,
    config: "CoconutConfig | None" = None,
) -> list[int]:
    """Token ids of a piece of text, without any special tokens added.

    data is the part of it in which special tokens, and markers of config, are only text. Raises CoconutError as
    coconut_core.latent.special_tokens.encode does.
    """
    return encode(tokenizer, text, [] if data is None else [data], markers=_markers(config)).ids


def _markers(config: "CoconutConfig | None") -> tuple[int, ...]:
    markers = () if config is None else (config.bot_id, config.eot_id, config.latent_id)
    return tuple(marker for marker in markers if marker is not None)


@dataclass(frozen=True)
class PromptText:
    """What stands in front of <bot>, as text, and where in it the question and the system prompt stand."""

    text: str
    questions: tuple[Span, ...]
    begins: bool  # behind what the tokenizer starts a text with
    systems: tuple[Span, ...] = ()


def prompt_text(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> PromptText:
    """The question and its end, or with config.chat the tokenizer's chat template up to where the assistant
    begins. The template is filled around the question: it cannot look into it.

    Raises CoconutError where the template cannot be filled in, or has no place for a question.
    """
    question = question.strip()
    if not config.chat:
        return PromptText(question + config.question_end, ((0, len(question)),), begins=True)
    parts = re.split(f"({PLACE}|{SYSTEM_PLACE})", _filled_template(tokenizer, config))
    if PLACE not in parts:
        raise CoconutError("the chat template leaves the question out: ask without it (--no-chat)")
    texts = {PLACE: question, SYSTEM_PLACE: config.system or ""}
    text, places = "", dict[str, list[Span]]({PLACE: [], SYSTEM_PLACE: []})
    for part in parts:
        if part in places:
            places[part].append((len(text), len(text) + len(texts[part])))
        text += texts.get(part, part)
    # The template writes the beginning of the text itself, so the tokenizer must not add one.
    return PromptText(text, tuple(places[PLACE]), begins=False, systems=tuple(places[SYSTEM_PLACE]))


def _filled_template(tokenizer: PreTrainedTokenizerBase, config: "CoconutConfig") -> str:
    """The chat template with PLACE where the question belongs, SYSTEM_PLACE where the system prompt does.

    Where a template looks into the system prompt (for "/no_think"), that is filled in itself, and CoconutError
    is raised if it has special tokens.
    """
    system = config.system
    text = _fill(tokenizer, config, SYSTEM_PLACE if system else system)
    if system and text.replace(SYSTEM_PLACE, system) != (looked := _fill(tokenizer, config, system)):
        if any(token in system for token in tokenizer.get_added_vocab()):
            raise CoconutError("the chat template changes a system prompt with special tokens: leave them out")
        text = looked
    if config.bot_id is None:
        return text
    opening = str(tokenizer.convert_ids_to_tokens(config.bot_id))
    # Templates of reasoning models may open the thinking themselves; <bot> follows here in any case.
    opened = text.rstrip()
    return opened.removesuffix(opening) if opened.endswith(opening) else text


def _fill(
    tokenizer: PreTrainedTokenizerBase, config: "CoconutConfig", system: str | None, answer: str | None = None
) -> str:
    """The chat template with these turns, up to where the assistant begins, or with its turn as well."""
    messages = [] if system is None else [{"role": "system", "content": system}]
    messages.append({"role": "user", "content": PLACE})
    if answer is not None:
        messages.append({"role": "assistant", "content": answer})
    with tokenizer_errors("the chat template refuses this"):  # it may raise whatever its author wanted
        filled = tokenizer.apply_chat_template(
            messages,
            chat_template=config.chat_template,
            tokenize=False,
            add_generation_prompt=answer is None,
        )
    return str(filled)


def answer_end(tokenizer: PreTrainedTokenizerBase, config: "CoconutConfig") -> int:
    """The token that ends what a model says: with config.chat the special token that the chat template writes
    behind the assistant's words, else, or where it writes none, the tokenizer's end of text.

    Raises CoconutError where there is neither, and for a template that cannot be filled in.
    """
    if config.chat:
        behind = _fill(tokenizer, config, config.system, ANSWER_PLACE).rpartition(ANSWER_PLACE)[2]
        for token in encode(tokenizer, behind).tokens:
            if token.special:
                return token.id
    if not isinstance(tokenizer.eos_token_id, int):
        raise CoconutError("the tokenizer has no end-of-text token, with which an answer ends")
    return tokenizer.eos_token_id


def read_prompt(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> Encoded:
    """The tokens in front of <bot> and where they stand in prompt_text; the question is its data. Special
    tokens that question or system prompt spell out stay text. Raises CoconutError for what cannot be read."""
    prompt = prompt_text(tokenizer, question, config)
    data = sorted((*prompt.questions, *prompt.systems))
    encoded = encode(tokenizer, prompt.text, data, begin=prompt.begins, markers=_markers(config))
    return replace(encoded, data=prompt.questions)


def question_ids(tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig") -> list[int]:
    """Token ids of everything in front of <bot>; see read_prompt."""
    return read_prompt(tokenizer, question, config).ids


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, question: str, config: "CoconutConfig", limit: int | None
) -> list[int]:
    """question_ids and what stands in front of the thoughts, such as <bot>. limit is the most tokens that the
    model reads, None where there is no limit. Raises CoconutError where the model cannot read the question."""
    if not question.strip():
        raise CoconutError("the question is empty: give one as text, or - to read it from standard input")
    if not _is_unicode(question):  # bytes of another encoding on a command line, half a pair in JSON
        raise CoconutError("the question has a character that is no Unicode: write it in UTF-8")
    ids = [*question_ids(tokenizer, question, config), *config.fed_before]
    if limit is not None and len(ids) > limit:
        raise CoconutError(f"the question has {len(ids)} tokens, the model reads at most {limit}: shorten it")
    if tokenizer.unk_token_id in ids:  # perhaps one that the tokenizer or a template put there
        texts = [question] if config.system is None else [config.system, question]
        if words := [word for text in texts for word in unknown_words(tokenizer, text)]:
            named = ", ".join(f"'{word}'" for word in dict.fromkeys(words))
            raise CoconutError(f"the model's vocabulary does not have {named}")
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
