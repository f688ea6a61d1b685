"""Tokenizers as real models have them, with vocabularies made here: GPT-2's own class, the ways in which OPT
and OLMo 2 use one token for several things, and one that is written in Python."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import CTRLTokenizer, GPT2Tokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

END = "<|endoftext|>"
TEXTS = [
    "Ann has 30 nuts, finds 12 and eats 5. How many are left? ### 37\n<<30+12=42>> <<42-5=37>>",
    "Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or yumpus?",
] * 20
OLMO = "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}\n{% endfor %}<|assistant|>\n"


def byte_bpe(*special: str) -> Tokenizer:
    """Byte-level BPE as GPT-2's, in which END has the id 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=letters, special_tokens=[END, *special])
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def gpt2_tokenizer() -> PreTrainedTokenizerBase:
    """The class of openai-community/gpt2 and its defaults: END is unknown, beginning and end at once."""
    model = json.loads(byte_bpe().to_str())["model"]
    return GPT2Tokenizer(vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]])


def opt_tokenizer() -> PreTrainedTokenizerBase:
    """As OPT's: one token begins each text, ends it, pads and stands for what is unknown."""
    tokenizer = byte_bpe()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=END, bos_token=END, eos_token=END, pad_token=END
    )


def olmo_tokenizer() -> PreTrainedTokenizerBase:
    """As OLMo 2's: the chat template begins with the token that is unknown, beginning and end."""
    tokenizer = byte_bpe("<|user|>", "<|assistant|>")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=END, bos_token=END, eos_token=END, chat_template=OLMO
    )


def ctrl_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """CTRL's class, in Python: it says no offsets, and does not know the line break."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?"
    pieces = ["<unk>", *(letter + end for letter in letters for end in ("@@", "")), "<eos>"]
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    return CTRLTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), unk_token="<unk>", eos_token="<eos>"
    )
