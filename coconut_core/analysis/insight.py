"""Looking inside one run: its layers through a lens, and where its attention goes, place by place."""

from dataclasses import dataclass
from unicodedata import east_asian_width

import torch
from torch import Tensor

from coconut_core.analysis.lens import Lens
from coconut_core.common.reprs import record_repr
from coconut_core.latent.layers import Activations, watching
from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import read_prompt
from coconut_core.latent.readout import Readout, readouts
from coconut_core.latent.special_tokens import Encoded, PlacedToken, Span
from coconut_core.runs.session import Session
from coconut_core.runs.steps import Step, read_again

BOT = "<bot>"


@dataclass(frozen=True)
class Place:
    """One position of a run: the last of the prompt, or one behind it. It reads something and gives a state,
    which the next step uses."""

    read: str  # "<bot>", "thought 3", "<eot>" or the word that was read
    gives: str  # what its state is used for: "thought 4", "<eot>", a word, or "" where nothing has used it
    state: Tensor  # (hidden,), after the final norm
    layers: Tensor  # (layers, hidden), the residual stream after each layer
    lens: tuple[Readout, ...]  # the logit lens: what each layer would say; the last is the state's own readout
    attention: Tensor | None = None  # (layers, heads, positions up to this one); None where not asked for

    __repr__ = record_repr


@dataclass(frozen=True)
class Word:
    """A word of the prompt and the positions of its tokens."""

    text: str
    positions: tuple[int, ...]
    spaced: bool = False  # white space stands in front of it
    template: bool = False  # not the question's: of the chat template, a line break behind it, a marker
    span: Span | None = None  # where it stands in the question, from a character up to another; None: nowhere


@dataclass(frozen=True)
class Insight:
    """A run seen from inside. Place i reads what step i fed (place 0: the end of the prompt), and its state is
    what step i + 1 uses, so there is one place more than there are steps."""

    places: tuple[Place, ...]
    words: tuple[Word, ...]  # of the whole prompt: chat template, line break and <bot> included

    __repr__ = record_repr

    def attention_to_words(self, place: int) -> Tensor:
        """Attention from a place to each word of the prompt, (layers, heads, words): the sum over its tokens.

        What is missing to 1 went to the thoughts and words behind the prompt. Only where it was asked for.
        """
        attention = self.places[place].attention
        assert attention is not None, "look_inside(session, attention=True) keeps it"
        return torch.stack([attention[..., list(word.positions)].sum(dim=-1) for word in self.words], dim=-1)


def look_inside(session: Session, *, lens: Lens | None = None, attention: bool = False) -> Insight:
    """Read a session's prompt and steps again on a fresh cache, edits included, and keep what is inside.

    The session is left as it is, and the states are the same as its own. Attention is taken from a second pass
    in which the base model computes it step by step; its numbers agree with those of the first up to rounding.
    """
    lens = Lens(session.model) if lens is None else lens
    passes = _replay(session, attention=False)
    attentions = (
        [seen.attention for seen in _replay(session, attention=True)] if attention else [None] * len(passes)
    )
    last = BOT if session.model.config.bot_id is not None else session.model.token_text(session.prompt_ids[-1])
    reads = [last, *map(_named, session.steps)]
    gives = [*map(_named, session.steps), ""]
    with torch.inference_mode():
        states = [lens.states(seen.layers[0]) for seen in passes]
    places = tuple(
        Place(
            read,
            use,
            state=through[-1],
            layers=seen.layers[0],
            lens=readouts(session.model, through),
            attention=None if weights is None else weights[0],
        )
        for read, use, seen, through, weights in zip(reads, gives, passes, states, attentions, strict=True)
    )
    return Insight(places, prompt_words(session.model, session.question))


def _replay(session: Session, *, attention: bool) -> list[Activations]:
    """What was seen at the end of the prompt and at each step; every pass is fed what the session fed."""
    with watching(session.model, attention=attention) as watch:
        read_again(session.model, session.prompt_ids, session.steps, session.in_prompt)
    return watch.passes


def _named(step: Step) -> str:
    if step.kind == "thought":
        return f"thought {step.index}"
    return "<eot>" if step.kind == "marker" and not step.index else step.token


def prompt_words(model: LatentModel, question: str) -> tuple[Word, ...]:
    """The words of a question's prompt and where they stand: every position is in exactly one of them. Tokens
    that share a word, or a character, are put together; special tokens stand alone. Raises CoconutError where
    the prompt cannot be read."""
    prompt = read_prompt(model.tokenizer, question, model.config)
    groups: list[list[int]] = []
    for position, token in enumerate(prompt.tokens):
        if groups and _share_a_word(prompt, prompt.tokens[position - 1], token):
            groups[-1].append(position)
        else:
            groups.append([position])
    words, end = [], 0
    for positions in groups:
        first, last = prompt.tokens[positions[0]], prompt.tokens[positions[-1]]
        start = end if first.span is None else first.span[0]
        text = "" if first.span is None or last.span is None else prompt.text[start : last.span[1]]
        words.append(
            Word(
                text.strip(" ") or model.token_text(first.id),
                tuple(positions),
                spaced=prompt.text[end:start].isspace() or text[:1] == " " != text,
                template=first.special if first.span is None else not prompt.is_data(first),
                span=_in_question(prompt, question, start, start + len(text)) if text else None,
            )
        )
        end = end if last.span is None else last.span[1]
    before = model.config.fed_before
    names = [BOT] if model.config.bot_id is not None else [model.token_text(number) for number in before]
    places = range(len(prompt.tokens), len(prompt.tokens) + len(names))
    return (*words, *(Word(name, (place,), template=True) for name, place in zip(names, places, strict=True)))


def _in_question(prompt: Encoded, question: str, start: int, end: int) -> Span | None:
    """Where a part of the prompt stands in the question, white space around it left out."""
    indent = len(question) - len(question.lstrip())  # the prompt has the question without it
    for first, last in prompt.data:
        shared = prompt.text[max(start, first) : min(end, last)]
        if max(start, first) < min(end, last) and shared.strip():
            begin = indent + max(start, first) - first + len(shared) - len(shared.lstrip())
            return begin, begin + len(shared.strip())
    return None


def _share_a_word(prompt: Encoded, first: PlacedToken, following: PlacedToken) -> bool:
    if first.span is None or following.span is None or first.special or following.special:
        return False
    if prompt.is_data(first) != prompt.is_data(following):
        return False
    at = following.span[0]
    if at < first.span[1]:  # each has some bytes of one character
        return True
    # Wide characters, as the Chinese ones, are written without spaces: each token may be a word.
    letters = prompt.text[at - 1 : at + 1]
    return at == first.span[1] > first.span[0] and letters.isalnum() and not any(map(_is_wide, letters))


def _is_wide(letter: str) -> bool:
    return east_asian_width(letter) in "WF"
