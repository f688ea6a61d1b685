"""Looking inside one run: its layers through a lens, and where its attention goes, place by place."""

from dataclasses import dataclass

import torch
from torch import Tensor

from coconut_core.analysis.lens import Lens
from coconut_core.layers import Seen, watching
from coconut_core.model import CoconutModel
from coconut_core.readout import Readout
from coconut_core.session import Session, Step, read_again

BOT = "<bot>"


@dataclass(frozen=True)
class Place:
    """One position of a run: the last of the prompt, or one behind it. It reads something and gives a state,
    which the next step uses."""

    read: str  # "<bot>", "thought 3", "<eot>" or the word that was read
    gives: str  # what its state is used for: "thought 4", "<eot>", a word, or "" where nothing has used it
    state: Tensor  # (hidden,), after the final norm
    layers: Tensor  # (layers, hidden), the residual stream after each layer
    lens: tuple[Readout, ...]  # what each layer would say, first to last; the last is the state's own readout
    attention: Tensor | None = None  # (layers, heads, positions up to this one); None where not asked for


@dataclass(frozen=True)
class Word:
    """A word of the prompt and the positions of its tokens."""

    text: str
    positions: tuple[int, ...]


@dataclass(frozen=True)
class Insight:
    """A run seen from inside. Place i reads what step i fed (place 0: the end of the prompt), and its state is
    what step i + 1 uses, so there is one place more than there are steps."""

    places: tuple[Place, ...]
    words: tuple[Word, ...]  # of the prompt, the line break and <bot> at its end included

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
    chosen = Lens(session.model) if lens is None else lens
    passes = _replay(session, attention=False)
    looked = (
        [each.attention for each in _replay(session, attention=True)] if attention else [None] * len(passes)
    )
    reads = [BOT, *map(_named, session.steps)]
    gives = [*map(_named, session.steps), ""]
    with torch.inference_mode():
        states = [chosen.states(seen.layers[0]) for seen in passes]
    places = tuple(
        Place(
            read,
            use,
            state=through[-1],
            layers=seen.layers[0],
            lens=tuple(Readout(session.model, each) for each in through),
            attention=None if weights is None else weights[0],
        )
        for read, use, seen, through, weights in zip(reads, gives, passes, states, looked, strict=True)
    )
    return Insight(places, prompt_words(session.model, session.question))


def _replay(session: Session, *, attention: bool) -> list[Seen]:
    """What was seen at the end of the prompt and at each step; every pass is fed what the session fed."""
    with watching(session.model, attention=attention) as watch:
        read_again(session.model, session.prompt_ids, session.steps)
    return watch.passes


def _named(step: Step) -> str:
    if step.kind == "thought":
        return f"thought {step.index}"
    return "<eot>" if step.kind == "marker" else step.token


def prompt_words(model: CoconutModel, question: str) -> tuple[Word, ...]:
    """The words of a question's prompt and where they stand. Tokens that share a word are put together."""
    text = question.strip() + "\n"
    encoded = model.tokenizer(text, add_special_tokens=True, return_offsets_mapping=True)
    spans: list[tuple[int, int]] = []
    places: list[list[int]] = []
    for position, (start, end) in enumerate(encoded["offset_mapping"]):
        inside = bool(spans) and spans[-1][1] == start < end and text[start - 1 : start + 1].isalnum()
        if inside and spans[-1][0] < spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
            places[-1].append(position)
        else:
            spans.append((start, end))
            places.append([position])
    words = [
        Word(
            text[start:end].strip(" ") or model.token_text(encoded["input_ids"][positions[0]]), tuple(positions)
        )
        for (start, end), positions in zip(spans, places, strict=True)
    ]
    return (*words, Word(BOT, (len(encoded["input_ids"]),)))
