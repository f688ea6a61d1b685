"""Interventions as words: "zero@2; steer rompus 4@1". One table says what there is.

Reading is in two parts. `read_commands` needs no model and finds what is misspelt; `bind` looks up what the
words refer to (donors, tokens, files) and gives the Plan.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.common.quoting import partition, parts, words
from coconut_core.interventions.donors import DONORS, ZERO, Sources, thought_of
from coconut_core.latent.layers import head_size
from coconut_core.runs.edits import (
    Add,
    HiddenPositions,
    Intervention,
    Nearest,
    Noise,
    PatchHead,
    PatchLayer,
    ProjectOut,
    Replace,
    Scale,
    Zero,
    chain,
)
from coconut_core.runs.plan import Plan, shuffled, without
from coconut_core.runs.rows import Recording

Build = Callable[[Sources, Sequence[str], int], Intervention]
IN_PROMPT = "prompt:"  # in front of positions of the prompt, where thoughts are named else


@dataclass(frozen=True)
class Form:
    """A kind of intervention: its words, and what it does. `build` is None where it changes the row of thoughts
    rather than one of them."""

    usage: str
    description: str
    example: str
    build: Build | None = None
    in_prompt: Build | None = None  # the same at a position of the prompt, where it can be done there

    @property
    def name(self) -> str:
        return re.split(r"[ @]", self.usage)[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """Names of its arguments, those in brackets may be left out."""
        return tuple(self.usage.partition("@")[0].split(" ")[1:])

    @property
    def takes_places(self) -> bool:
        """Whether it says at which thoughts."""
        return "@" in self.usage


@dataclass(frozen=True)
class Command:
    """An intervention as it was written; `places` is None for all thoughts. `prompt` is what it says of places
    in the prompt, if anything."""

    form: Form
    arguments: tuple[str, ...]
    places: tuple[int, ...] | None
    prompt: str = ""

    def __str__(self) -> str:
        words = " ".join((self.form.name, *self.arguments))
        if not self.form.takes_places:
            return words
        if self.prompt:
            return f"{words}@{IN_PROMPT}{self.prompt}"
        return f"{words}@{'all' if self.places is None else ','.join(map(str, self.places))}"


def _vector(sources: Sources, words: str, place: int) -> Tensor:
    """A named vector, or a donor's thought, by default the one at that place."""
    if words.split(":")[0] in ("token", "file", "thought"):
        return sources.direction(words)
    return thought_of(*_donor(sources, words, place))


def _donor(sources: Sources, words: str, place: int) -> tuple[Recording, int]:
    name, _, number = words.partition(":")
    return sources.donor(name), _whole(number, "a thought") if number else place


def _inside(sources: Sources, words: str, place: int, layer: int, head: int | None) -> Tensor:
    """What a layer, or one of its heads, put out in the donor's run; zeros of their size for ZERO."""
    if words == ZERO:
        model = sources.model
        return torch.zeros(model.shape.hidden_size if head is None else head_size(model))
    run, number = _donor(sources, words, place)
    thought_of(run, number)  # refused where it is not there
    outputs = run.layers if head is None else run.heads
    if outputs is None:
        raise CoconutError(f"the donor '{words}' is no run, so that nothing inside can be taken from it")
    if not 0 <= layer < outputs.shape[1] or (head is not None and not 0 <= head < outputs.shape[2]):
        where = f"layer {layer}" if head is None else f"head {layer}.{head}"
        raise CoconutError(
            f"there is no {where}: layers are 0 to {outputs.shape[1] - 1}, counted like heads from 0"
        )
    vector: Tensor = outputs[number - 1, layer] if head is None else outputs[number - 1, layer, head]
    return vector


def _nearest(sources: Sources, words: Sequence[str], place: int) -> Intervention:
    return Nearest(sources.embeddings)


def _patch_head(sources: Sources, words: Sequence[str], place: int) -> Intervention:
    layer, _, head = words[0].partition(".")
    numbers = _whole(layer, "a layer"), _whole(head, "a head")
    return PatchHead(*numbers, _inside(sources, words[1], place, *numbers), words[1])


def _patch_layer(sources: Sources, words: Sequence[str], place: int) -> Intervention:
    layer = _whole(words[0], "a layer")
    return PatchLayer(layer, _inside(sources, words[1], place, layer, None), words[1])


def _patch_prompt(sources: Sources, words: Sequence[str], position: int) -> Intervention:
    layer = _whole(words[0], "a layer")
    if words[1] == ZERO:
        return PatchLayer(layer, torch.zeros(sources.model.shape.hidden_size), ZERO, position)
    stream = sources.prompt_stream(words[1])
    if not 0 <= layer < stream.shape[1]:
        raise CoconutError(f"there is no layer {layer}: layers are 0 to {stream.shape[1] - 1}")
    if not 0 <= position < len(stream):
        raise CoconutError(f"there is no position {position} in the prompt: it has {len(stream)}")
    return PatchLayer(layer, stream[position, layer], words[1], position)


def _knockout(sources: Sources, words: Sequence[str], place: int) -> Intervention:
    prompt = sources.prompt
    if words[0] == "prompt":
        positions: Sequence[int] = range(len(prompt))
    elif words[0] == "thoughts":
        positions = range(len(prompt), len(prompt) + place - 1)
    elif match := re.fullmatch(r"thought:(\d{1,9})", words[0]):
        if not 1 <= int(match[1]) < place:
            raise CoconutError(f"thought {place} does not see thought {match[1]}: name one in front of it")
        positions = [len(prompt) + int(match[1]) - 1]
    elif re.fullmatch(r"[\d,-]+", words[0]):
        positions = _numbers(words[0], "a position")
    else:
        positions = sources.model.vocabulary.places(words[0], prompt)
        if not positions:
            raise CoconutError(f"'{words[0]}' does not stand in the question")
    return HiddenPositions(tuple(positions), words[0])


FORMS = (
    Form("zero@THOUGHTS", "the zero vector", "zero@2", lambda sources, words, place: Zero()),
    Form(
        "mean@THOUGHTS",
        "the mean of that thought over other problems",
        "mean@all",
        lambda sources, words, place: Replace(_vector(sources, "mean", place), "mean"),
    ),
    Form(
        "noise [SEED]@THOUGHTS",
        "a random direction with the thought's norm",
        "noise 7@2",
        lambda sources, words, place: Noise(int(words[0]) if words else sources.draw, place),
    ),
    Form(
        "pause@THOUGHTS",
        "the embedding of the latent marker, a token that says nothing",
        "pause@all",
        lambda sources, words, place: Replace(sources.embedding(sources.model.config.latent_id), "pause"),
    ),
    Form("nearest@THOUGHTS", "the nearest token's embedding, by cosine", "nearest@1-3", _nearest),
    Form(
        "scale FACTOR@THOUGHTS",
        "the thought times a factor; 1 changes nothing",
        "scale 0.5@2",
        lambda sources, words, place: Scale(_number(words[0])),
    ),
    Form(
        "replace VECTOR@THOUGHTS",
        f"another vector: a donor's thought ({', '.join(DONORS)}; own:3 is the third), token:NAME or file:PATH",
        "replace twin@all",
        lambda sources, words, place: Replace(_vector(sources, words[0], place), f"replace {words[0]}"),
    ),
    Form(
        "steer TOKEN FACTOR@THOUGHTS",
        "the thought plus a token's embedding times a factor",
        "steer rompus 4@1",
        lambda sources, words, place: Add(
            sources.direction(f"token:{words[0]}"), _number(words[1]), f"token:{words[0]}"
        ),
    ),
    Form(
        "add VECTOR FACTOR@THOUGHTS",
        "the thought plus a vector times a factor: token:NAME, token:NAME-NAME, thought:3-2, file:PATH",
        "add thought:3-2 1@2",
        lambda sources, words, place: Add(sources.direction(words[0]), _number(words[1]), words[0]),
    ),
    Form(
        "remove VECTOR@THOUGHTS",
        "the thought without its part along a vector",
        "remove token:rompus@2",
        lambda sources, words, place: ProjectOut(sources.direction(words[0]), words[0]),
    ),
    Form(
        "patch LAYER DONOR@THOUGHTS",
        f"a donor's residual stream after a layer, or {ZERO}; @{IN_PROMPT}3-9 at positions of the prompt",
        "patch 0 twin@2",
        _patch_layer,
        _patch_prompt,
    ),
    Form(
        "patch-head LAYER.HEAD DONOR@THOUGHTS",
        f"a donor's output of one head, or {ZERO}",
        "patch-head 1.0 twin@2",
        _patch_head,
    ),
    Form(
        "knockout WHAT@THOUGHTS",
        "no attention to positions (3-9), a word wherever it stands, the prompt, thoughts before, or thought:2",
        "knockout thoughts@3",
        _knockout,
    ),
    Form("drop@THOUGHTS", "the run's own thoughts without these, the others as they were", "drop@2"),
    Form("shuffle [SEED]", "the run's own thoughts in another order", "shuffle 1"),
    Form("truncate COUNT", "only so many thoughts", "truncate 3"),
    Form("extend COUNT", "so many thoughts, more than usual", "extend 9"),
)
_BY_NAME = {form.name: form for form in FORMS}


def read_commands(text: str) -> list[Command]:
    """Read interventions separated by ";". Raises CoconutError in one line for what is misspelt."""
    commands = [_read_command(part.strip()) for part in parts(text, ";") if part.strip()]
    if not commands:
        raise CoconutError(f"no intervention in '{text}': write one such as zero@2")
    return commands


def bind(commands: Sequence[Command], sources: Sources) -> Plan:
    """The plan for one question; its text and notes say which token a word is taken for, of several.

    Raises CoconutError for a donor, token, layer or thought that is not there.
    """
    sources.notes.clear()
    commands = [_exact(command, sources) for command in commands]
    planned = sources.model.config.thoughts if sources.thoughts is None else sources.thoughts
    slots: list[Intervention | None] = [None] * planned
    in_prompt: Intervention | None = None
    for command in commands:
        if command.prompt:
            in_prompt = _in_prompt(command, in_prompt, sources)
            continue
        if command.form.build is None:
            slots = _rearrange(command, slots, sources)
            continue
        places = range(1, len(slots) + 1) if command.places is None else command.places
        for place in places:
            sources.interrupt()
            if not 1 <= place <= len(slots):
                raise CoconutError(f"'{command}': there is no thought {place}, the run takes {len(slots)}")
            slots[place - 1] = chain(slots[place - 1], command.form.build(sources, command.arguments, place))
    edits = {place: edit for place, edit in enumerate([in_prompt, *slots]) if edit is not None}
    thoughts = len(slots) if len(slots) != planned else None
    return Plan(edits, thoughts, "; ".join(map(str, commands)), tuple(sources.notes))


def _in_prompt(command: Command, before: Intervention | None, sources: Sources) -> Intervention:
    """What a command does in the prompt, behind what is done there already."""
    build = command.form.in_prompt
    if build is None:
        able = ", ".join(form.name for form in FORMS if form.in_prompt is not None)
        raise CoconutError(f"'{command}' cannot be done in the prompt, only {able}: name thoughts behind @")
    for position in _numbers(command.prompt, "a position"):
        sources.interrupt()
        before = chain(before, build(sources, command.arguments, position))
    assert before is not None  # as there is a position at least
    return before


def parse_plan(text: str, sources: Sources) -> Plan:
    """The plan that words describe, for one question; see FORMS for what can be said."""
    return bind(read_commands(text), sources)


def _exact(command: Command, sources: Sources) -> Command:
    """The same with words that may be several tokens written so that they are one."""
    exact = {"TOKEN": sources.exact_token, "VECTOR": sources.exact_vector}
    names = (argument.strip("[]") for argument in command.form.arguments)
    pairs = zip(names, command.arguments, strict=False)
    return replace(
        command,
        arguments=tuple(exact[name](word, command.places) if name in exact else word for name, word in pairs),
    )


def _rearrange(
    command: Command, slots: list[Intervention | None], sources: Sources
) -> list[Intervention | None]:
    """Drop, shuffle, truncate or extend a row of thoughts, each of which may have its intervention already."""
    name, count = command.form.name, len(slots)
    if name in ("truncate", "extend"):
        length = _whole(command.arguments[0], "a number of thoughts")
        if (length > count) != (name == "extend") and length != count:
            raise CoconutError(f"'{command}': the run takes {count} thoughts")
        return [*slots[:length], *[None] * (length - count)]
    # As recorded: the state that a thought comes from is another one once the row has changed.
    recorded = sources.own.thoughts
    places = torch.arange(recorded.shape[0])[:, None]
    if name == "drop":
        rows = without(places, range(1, count + 1) if command.places is None else command.places)
    else:
        rows = shuffled(places, int(command.arguments[0]) if command.arguments else sources.draw)
    order = rows[:, 0].tolist()
    moved = [slot for slot, place in enumerate(order) if slot != place]
    first = len(order) if not moved else moved[0] if name == "drop" else 0  # of those fed as recorded
    return [
        slots[place] if slot < first else _as_recorded(recorded[place], slots[place], f"own:{place + 1}")
        for slot, place in enumerate(order)
    ]


def _as_recorded(thought: Tensor, intervention: Intervention | None, label: str) -> Intervention:
    replacement = Replace(thought, f"replace {label}")
    return replacement if intervention is None else chain(replacement, intervention)


# -- reading -----------------------------------------------------------------------------------------------


def _read_command(text: str) -> Command:
    before, at, places = partition(text, "@")
    name, *arguments = words(before) or [""]
    form = _BY_NAME.get(name)
    if form is None:
        raise CoconutError(f"'{text}' is no intervention: there are {', '.join(_BY_NAME)}")
    needed = [argument for argument in form.arguments if not argument.startswith("[")]
    if not len(needed) <= len(arguments) <= len(form.arguments) or bool(at) != form.takes_places:
        raise CoconutError(f"'{text}' cannot be read: write {form.usage}, such as {form.example}")
    for argument, word in zip(form.arguments, arguments, strict=False):
        if argument in ("FACTOR",):
            _number(word)
        elif argument.strip("[]") in ("SEED", "COUNT", "LAYER"):
            _whole(word, argument.strip("[]").lower())
    if (where := places.strip()).startswith(IN_PROMPT):
        _numbers(where.removeprefix(IN_PROMPT), "a position")
        return Command(form, tuple(arguments), (), where.removeprefix(IN_PROMPT))
    numbers = None if not at or where == "all" else _numbers(where, "a thought")
    return Command(form, tuple(arguments), numbers)


LARGEST = 10_000  # thoughts or positions; more is a slip of the keyboard


@lru_cache(maxsize=32)
def _numbers(text: str, what: str) -> tuple[int, ...]:
    """Numbers and ranges, each number once and in order: 1,3-5."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, mark, last = part.partition("-")
        low = _whole(first, what)
        high = _whole(last, what) if mark else low
        if high < low:
            raise CoconutError(f"'{part}' is no range of numbers")
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))


def _whole(text: str, what: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or int(text) > LARGEST:
        raise CoconutError(f"'{text}' is not {what}: write a whole number up to {LARGEST}")
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise CoconutError(f"'{text}' is no factor: write a number such as 0.5")
    return number
