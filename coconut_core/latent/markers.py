"""What stands in front of the thoughts and behind them: markers, a text, or nothing.

A marker is a token of its own. A text is fed as it is and nothing more: a model that says it later says words.
"""

import re
from dataclasses import replace
from typing import Any

from transformers import PreTrainedTokenizerBase

from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import LAYOUTS, CoconutConfig
from coconut_core.latent.prompt import encode_text

NEW = ("<|start-latent|>", "<|end-latent|>")
LATENT = "<|latent|>"
THINKING = ("<think>", "</think>")
ESCAPES = {"n": "\n", "t": "\t"}


def own_markers(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int] | None:
    """The markers that a vocabulary has for thinking, in front and behind; None where it has none."""
    known = tokenizer.get_vocab()
    for pair in (NEW, THINKING):
        if known.keys() >= set(pair):
            return known[pair[0]], known[pair[1]]
    return None


def with_layout(
    base: Any, tokenizer: PreTrainedTokenizerBase, config: CoconutConfig, layout: str
) -> CoconutConfig:
    """The configuration with the markers of a layout and nothing else around the thoughts, for a model that is
    going to learn it. Markers that it has stay; others are added to the vocabulary."""
    own, needs = (config.bot_id, config.eot_id), LAYOUTS[layout]
    missing = [name for name, marker, needed in zip(NEW, own, needs, strict=True) if needed and marker is None]
    added = iter(add_tokens(base, tokenizer, tuple(missing)))
    bot, eot = (
        None if not needed else next(added) if marker is None else marker
        for marker, needed in zip(own, needs, strict=True)
    )
    return replace(config, bot_id=bot, eot_id=eot, before_ids=(), behind_ids=())


def add_tokens(base: Any, tokenizer: PreTrainedTokenizerBase, names: tuple[str, ...]) -> list[int]:
    """The ids of special tokens; those that the vocabulary does not have are added, and their rows are the
    mean row."""
    known = tokenizer.get_vocab()
    if new := [name for name in names if name not in known]:
        tokenizer.add_tokens(new, special_tokens=True)
        rows = base.get_input_embeddings().weight.shape[0]
        if len(tokenizer) > rows:
            base.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        places = tokenizer.convert_tokens_to_ids(new)  # perhaps rows that were there, but stood for nothing
        for embeddings in (base.get_input_embeddings(), base.get_output_embeddings()):
            embeddings.weight.data[places] = embeddings.weight.data[: len(known)].mean(dim=0)
    return list(tokenizer.convert_tokens_to_ids(list(names)))


def with_markers(config: CoconutConfig, tokenizer: PreTrainedTokenizerBase, text: str) -> CoconutConfig:
    """The configuration with what `--markers` says: "none", the text in front, or "FRONT,BEHIND".

    A text that is one added token of the vocabulary is a marker. \\n, \\t and \\, stand for a line break, a tab
    and a comma. Raises CoconutError for more than two texts.
    """
    if text == "none":
        return replace(config, bot_id=None, eot_id=None, before_ids=(), behind_ids=())
    texts = [_unescaped(part) for part in re.split(r"(?<!\\),", text)]
    if len(texts) > 2 or not any(texts):
        raise CoconutError(
            f"--markers takes none, a text, or two with a comma between them, not '{text}': write \\, for a "
            "comma that belongs to a text"
        )
    added = tokenizer.get_added_vocab()
    before, behind = texts[0], texts[1] if len(texts) == 2 else ""
    return replace(
        config,
        bot_id=added.get(before),
        eot_id=added.get(behind),
        before_ids=() if before in added else tuple(encode_text(tokenizer, before)),
        behind_ids=() if behind in added else tuple(encode_text(tokenizer, behind)),
    )


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[1]), text)


def marker_texts(config: CoconutConfig, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """What is fed in front of the thoughts and behind them, as text; empty where that is nothing."""
    before, behind = (
        "".join(str(tokenizer.decode([number])) for number in ids)
        for ids in (config.fed_before, config.fed_behind)
    )
    return before, behind


def markers_record(
    config: CoconutConfig, tokenizer: PreTrainedTokenizerBase
) -> dict[str, dict[str, str] | None]:
    """These texts as plain data: under "before" and "behind" {"marker": …}, {"text": …} or None."""
    before, behind = marker_texts(config, tokenizer)
    return {
        "before": _record("marker" if config.bot_id is not None else "text", before),
        "behind": _record("marker" if config.eot_id is not None else "text", behind),
    }


def _record(kind: str, text: str) -> dict[str, str] | None:
    return {kind: text} if text else None
