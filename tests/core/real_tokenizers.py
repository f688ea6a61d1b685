"""Tokenizers as real models have them, with vocabularies made here: GPT-2's own class, the ways in which OPT
and OLMo 2 use one token for several things, and one that is written in Python."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import CTRLTokenizer, GPT2Tokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tests.core.ordinary_models import CHATML

END = "<|endoftext|>"
INST = "{{ bos_token }}{% for m in messages %}[INST] {{ m.content | trim }} [/INST]{% endfor %}"  # as Llama 2's
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


def llama_tokenizer(scheme: str = "first") -> PreTrainedTokenizerBase:
    """As Llama's: a word carries its space as ▁, which the beginning of a text gets as well; what is not in the
    vocabulary is read as bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, max_token_length=8)
    tokenizer.train_from_iterator(TEXTS, trainer)
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < 3]  # no bytes among them
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=INST
    )


def appending_tokenizer() -> PreTrainedTokenizerBase:
    """Saved with add_eos_token: it puts the end of text behind each text."""
    tokenizer = byte_bpe()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A {END}", special_tokens=[(END, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END)


def chatml_tokenizer() -> PreTrainedTokenizerBase:
    """A chat model's whose <|im_start|> and <|im_end|> are special, and whose <think> is an added token."""
    tokenizer = byte_bpe()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens(["<think>", "</think>", "lempus"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", chat_template=CHATML)
