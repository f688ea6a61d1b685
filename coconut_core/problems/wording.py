"""Lossless word-level tokenizers for the wordings of the problem families: each name and each fixed phrase is
one token."""

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from coconut_core.problems.families import TABLE, family_named

BOT, EOT, LATENT = "<|start-latent|>", "<|end-latent|>", "<|latent|>"
PAD, UNKNOWN, EOS = "<|pad|>", "<|unknown|>", "<|endoftext|>"

PHRASES = TABLE.built_in["prosqa"].wording.phrases  # so that importing this asks for no plugins


def build_tokenizer(family: str = "prosqa") -> PreTrainedTokenizerFast:
    """The tokenizer of a family's from-scratch models; that of ProsQA is the one of models/prosqa.

    A word carries the space before it, so the start of each line gets one (taken away again on decoding), and
    so does a word right behind one of the wording's tight marks: a name is then the same token wherever it
    stands. A word it does not know becomes the unknown token.
    Raises CoconutError for an unknown family.
    """
    wording = family_named(family).wording
    words = [f" {name}" for name in wording.names]
    vocabulary = [PAD, UNKNOWN, EOS, BOT, EOT, LATENT, *wording.phrases, *words]
    tokenizer = Tokenizer(WordLevel({token: number for number, token in enumerate(vocabulary)}, UNKNOWN))
    behind = "".join(rf"|(?<={_pattern(mark)})(?=\w)" for mark in wording.tight)
    tokenizer.normalizer = normalizers.Replace(Regex(rf"^(?=\w){behind}"), " ")
    phrases = "|".join(_pattern(phrase) for phrase in wording.phrases)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(rf"{phrases}|{wording.word}|."), behavior="isolated")
    tight = [decoders.Replace(f"{mark} ", mark) for mark in ("\n", *wording.tight)]
    tokenizer.decoder = decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 1, 0), *tight])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=EOS,
        additional_special_tokens=[BOT, EOT, LATENT],
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def _pattern(phrase: str) -> str:
    escaped = "".join(f"\\{char}" if char in ".?|[]+*" else char for char in phrase)
    return escaped + (r"(?!\w)" if phrase[-1].isalpha() else "")
