"""The command line: what a typed line means, and how it can be completed. Plain text in, plain data out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coconut_core.common.errors import CoconutError
from coconut_core.common.quoting import masked, parts, words
from coconut_tui.run.action import AnyAction
from coconut_tui.run.state import FormFacts

_EDITORS = {"q": "quit", "q!": "quit", "w": "save"}  # as they are typed in vi


@dataclass(frozen=True)
class Completion:
    """What a line can be completed to."""

    text: str
    usage: str
    description: str


@dataclass(frozen=True)
class Command:
    """What a typed line asks for: an action with its argument; for an intervention the action is `edit`."""

    action: AnyAction
    argument: str


def read_line(text: str, actions: Sequence[AnyAction], forms: Sequence[FormFacts]) -> Command:
    """What a line asks for. Raises CoconutError for an unknown name, a missing or a needless argument."""
    text = text.strip()
    name, _, argument = text.partition(" ")
    by_name = {action.name: action for action in actions}
    action = by_name.get(_EDITORS.get(name, name))
    if action is None:
        if re.split(r"[ @]", text)[0] in {form.name for form in forms}:
            return Command(by_name["edit"], text)
        raise CoconutError(f"'{name}' is no action and no intervention: tab completes a name")
    argument = argument.strip()
    if action.needs_argument and not argument:
        raise CoconutError(f"write {action.usage}")
    if argument and not action.argument:
        raise CoconutError(f"'{action.name}' takes no argument")
    return Command(action, argument)


def completions(
    text: str,
    actions: Sequence[AnyAction],
    forms: Sequence[FormFacts],
    arguments: Mapping[str, Sequence[str]],
) -> list[Completion]:
    """What a line can become; arguments are known values by the name that an action gives its argument."""
    text = text.lstrip()
    name, space, argument = text.partition(" ")
    if not space:
        every = [
            Completion(action.name + (" " if action.argument else ""), action.usage, action.description)
            for action in actions
        ]
        every += [
            Completion(form.name + (" " if form.arguments else "@"), form.usage, form.description)
            for form in forms
        ]
        return [completion for completion in every if completion.text.startswith(name)]
    action = next((action for action in actions if action.name == name), None)
    if action is not None:
        known = arguments.get(action.argument.strip("[]"), ())
        values = [value for value in known if value.startswith(argument.lstrip())]
        return [Completion(f"{name} {value}", value, "") for value in values] or [
            Completion(text, action.usage, action.description)
        ]
    return [
        Completion(line, form.usage, form.description)
        for form in forms
        if form.name == name
        for line in _with_arguments(text, form, arguments) or [text]
    ]


def _with_arguments(text: str, form: FormFacts, known: Mapping[str, Sequence[str]]) -> list[str]:
    """An intervention with its last argument written out, as far as its values are known."""
    start = masked(text).rfind(" ") + 1
    before, last = text[: max(0, start - 1)], text[start:]
    place = len(words(before)) - 1
    argument = form.arguments[place] if place < len(form.arguments) else ""
    end = "" if place + 1 < len(form.arguments) else "@" if form.takes_places else ""
    return [f"{before} {value}{end}" for value in known.get(argument, ()) if value.startswith(last)]


def completed(text: str, possible: Sequence[Completion]) -> str:
    """The line as far as all completions agree."""
    if not possible:
        return text
    texts = [completion.text for completion in possible]
    first, last = min(texts), max(texts)
    agreed = next(
        (first[:place] for place, char in enumerate(first) if place >= len(last) or last[place] != char), first
    )
    return agreed if len(agreed) > len(text) else text


def with_places(text: str, forms: Sequence[FormFacts], thought: int) -> str:
    """Interventions with the given thought where they do not say at which thoughts."""
    by_name = {form.name: form for form in forms}

    def place(part: str) -> str:
        form = by_name.get(re.split(r"[ @]", part)[0])
        return (
            f"{part}@{thought}" if form is not None and form.takes_places and "@" not in masked(part) else part
        )

    return "; ".join(place(part.strip()) for part in parts(text, ";") if part.strip())
