"""Tokenizers as they are in use, their vocabularies trained here: each writes its tokens in its own way."""

from collections.abc import Callable
from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, GPT2Tokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from coconut_core.problems.wording import build_tokenizer

END = "<|endoftext|>"
TEXT = [
    "Ann has 30 nuts, finds 12 and eats 5. How many are left? ### 37\n<<30+12=42>> <<42-5=37>>",
    "Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or yumpus?",
    "The capital of France is Paris. (France) (Paris) x = y \\ z · <E6>\t\t    (東) (京) 東京都 ü Grüße",
] * 50


def _trained_byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, special_tokens=[END])
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def trained_byte_level() -> PreTrainedTokenizerBase:
    """A new one, to be changed."""
    return PreTrainedTokenizerFast(tokenizer_object=_trained_byte_level(), eos_token=END)


@cache
def byte_level() -> PreTrainedTokenizerBase:
    """Byte-level BPE as most models have it."""
    tokenizer = trained_byte_level()
    tokenizer.add_tokens(["<think>", "    x"])
    return tokenizer


@cache
def gpt2() -> PreTrainedTokenizerBase:
    """GPT-2's own class, whose unknown token is the end of text."""
    import json

    model = json.loads(_trained_byte_level().to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    return GPT2Tokenizer(vocab=model["vocab"], merges=merges)


@cache
def sentencepiece() -> PreTrainedTokenizerBase:
    """As Llama 2's: a word carries its space as ▁, and what is not in the vocabulary becomes bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    trainer = trainers.BpeTrainer(vocab_size=520, special_tokens=special, max_token_length=8)
    tokenizer.train_from_iterator(TEXT + ["(Alex)(rompus)(Ann)(has)"] * 60, trainer)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = None
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@cache
def word_pieces() -> PreTrainedTokenizerBase:
    """As BERT's: what goes on in a word is written ##like ##this."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "alex", "is", "a", "lem", "##pus", "pus", "."]
    return BertTokenizer(vocab={name: number for number, name in enumerate(names)})


KINDS: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "byte level": byte_level,
    "GPT-2": gpt2,
    "SentencePiece": sentencepiece,
    "word pieces": word_pieces,
    "word level": build_tokenizer,
}
