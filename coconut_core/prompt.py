"""From a question to the token ids that a run starts with."""

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
    try:
        return list(tokenizer.encode(text, add_special_tokens=special))
    except Exception as error:  # transformers and tokenizers raise bare Exceptions here
        raise CoconutError(f"the tokenizer cannot read the text: {one_line(error)}") from error


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
    unknown_id = model.tokenizer.unk_token_id
    if unknown_id is not None and unknown_id in ids:
        words = ", ".join(f"'{word}'" for word in unknown_words(model.tokenizer, question))
        where = "a word of the chat template" if model.config.chat else "a word of the question"
        raise CoconutError(f"the model's vocabulary does not have {words or where}")
    limit = model.max_positions
    if limit is not None and len(ids) + 1 > limit:
        raise CoconutError(
            f"the question has {len(ids) + 1} tokens, the model reads at most {limit}: shorten it"
        )
    return [*ids, model.config.bot_id]


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def unknown_words(tokenizer: PreTrainedTokenizerBase, text: str) -> list[str]:
    """The words of text that a closed-vocabulary tokenizer turns into its unknown token, each once."""
    encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    spans = [
        (start, end)
        for number, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        if number == tokenizer.unk_token_id
    ]
    words: list[str] = []
    for start, end in spans:
        token = text[start:end]
        if not token.strip():
            words.append(repr(token)[1:-1])
            continue
        start += len(token) - len(token.lstrip())  # a token may begin with a space
        while start > 0 and text[start - 1 : start + 1].isalnum():
            start -= 1
        while end < len(text) and text[end - 1 : end + 1].isalnum():
            end += 1
        words.append(text[start:end])
    return list(dict.fromkeys(words))
