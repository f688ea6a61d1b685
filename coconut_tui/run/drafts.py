"""Interventions that are being put together: from a form and its dials to the text, and back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from coconut_core.common.quoting import partition, words
from coconut_core.common.token_names import typed_name
from coconut_core.records.trace import StepRecord
from coconut_tui.run.state import FormFacts, ModelFacts, RunView

_PLACES = "THOUGHTS"  # the name of the last argument, behind the @
_STRONGEST = 20.0  # how far the slider of a factor goes, either way
_RUNS = ("own", "twin", "random", "same-hop")  # donors whose inside was recorded


@dataclass(frozen=True)
class Choice:
    """What an argument can be: a word, perhaps one of several values with descriptions; with a step, a number
    from low to high."""

    argument: str
    options: tuple[tuple[str, str], ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float = 0.0


@dataclass(frozen=True)
class Draft:
    """One intervention, its arguments by name."""

    form: FormFacts
    arguments: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        written = [(name, value or name) for name, value in self.arguments]
        words = " ".join([self.form.name, *(value for name, value in written if name != _PLACES)])
        places = dict(written).get(_PLACES)
        return words if places is None else f"{words}@{places}"

    @property
    def missing(self) -> str:
        """The first argument that still has its name in place of a value; empty where all have one."""
        return next((name for name, value in self.arguments if value in ("", name)), "")

    @property
    def places(self) -> str:
        """The thoughts that are meant, as they are written: "2", "1-3" or "all"; empty where none are named."""
        return dict(self.arguments).get(_PLACES, "")

    def turned(self, argument: str, value: str) -> "Draft":
        """The same with another value of an argument."""
        return Draft(
            self.form, tuple((name, value if name == argument else old) for name, old in self.arguments)
        )


@dataclass(frozen=True)
class Workshop:
    """What interventions can be made of in a run: the model's forms, the tokens at hand, the thought meant."""

    facts: ModelFacts
    view: RunView
    step: StepRecord | None  # the thought that is meant where nothing else is said

    @property
    def thought(self) -> int:
        """The number of the thought meant; before the first thought, that of the next one."""
        if self.step is not None:
            return self.step.index
        return 1 + sum(step.kind == "thought" for step in self.view.steps)

    def form(self, name: str) -> FormFacts | None:
        """A form by its name."""
        return next((form for form in self.facts.forms if form.name == name), None)

    def begun(self, form: FormFacts) -> Draft:
        """A draft with usual values: those of the form's example, made to fit this run."""
        example = self.read(form.example)
        values = dict(example.arguments) if example is not None else {}
        arguments = []
        for name in _names(form):
            choice = self.choice(form, name)
            value = str(self.thought) if name == _PLACES else values.get(name, "")
            if form.name in ("truncate", "extend"):
                value = str(max(0, self.view.thoughts + (1 if form.name == "extend" else -1)))
            elif not choice.step and value not in dict(choice.options):
                value = choice.options[0][0] if choice.options else name  # the name: to be typed over
            arguments.append((name, value))
        return Draft(form, tuple(arguments))

    def read(self, text: str) -> Draft | None:
        """The draft that a text is, as far as it has a known form; missing arguments are left out."""
        before, at, places = partition(text.strip(), "@")
        name, *values = words(before) or [""]
        form = self.form(name)
        if form is None:
            return None
        names = [name for name in _names(form) if name != _PLACES]
        arguments = list(zip(names, values, strict=False))
        return Draft(form, (*arguments, (_PLACES, places.strip())) if at else tuple(arguments))

    def choice(self, form: FormFacts, argument: str) -> Choice:
        """What an argument can be."""
        name = argument.strip("[]")
        if name == "FACTOR":
            high = 2.0 if form.name == "scale" else _STRONGEST
            return Choice(argument, low=-high, high=high, step=high / 40)
        if name in ("SEED", "COUNT"):
            return Choice(argument, low=0, high=max(20, 2 * self.view.thoughts), step=1)
        return Choice(argument, tuple(self._options(form, name)))

    def known(self) -> dict[str, list[str]]:
        """Values of arguments that can be said beforehand, by the argument's name."""
        donors = [name for name, _ in self.facts.donors]
        return {
            "TOKEN": self._tokens,
            "DONOR": [*(name for name in donors if name in _RUNS), "zero"],
            "VECTOR": [*donors, *(f"token:{token}" for token in self._tokens)],
        }

    # -- inside --------------------------------------------------------------------------------------------

    def _options(self, form: FormFacts, name: str) -> list[tuple[str, str]]:
        if name == _PLACES:
            places = [str(self.thought), "all", *map(str, range(1, self.view.thoughts + 1))]
            return [(place, "all thoughts" if place == "all" else "") for place in dict.fromkeys(places)]
        if name == "TOKEN":
            return [(token, "") for token in self._tokens]
        if name == "DONOR":
            runs = [(donor, about) for donor, about in self.facts.donors if donor in _RUNS]
            return [*runs, ("zero", "the zero vector")]
        if name == "VECTOR":
            tokens = [(f"token:{token}", "the embedding of that token") for token in self._tokens]
            return ([*self.facts.donors] if form.name == "replace" else []) + tokens
        if name == "LAYER":
            return [(str(layer), "counted from 0") for layer in range(self.facts.layers)]
        if name == "LAYER.HEAD":
            pairs = ((layer, head) for layer in range(self.facts.layers) for head in range(self.facts.heads))
            return [(f"{layer}.{head}", "layer and head, counted from 0") for layer, head in pairs]
        in_question = [(token, "where that word stands in the question") for token in self._graph_names]
        return [("prompt", "the whole question"), ("thoughts", "the thoughts before"), *in_question]

    @property
    def _graph_names(self) -> Sequence[str]:
        return () if self.view.graph is None else self.view.graph.names

    @property
    def _tokens(self) -> list[str]:
        """Tokens at hand: what the selected thought would say, and the names of the graph."""
        marked = self.facts.spaces_shown
        likely = [] if self.step is None else [typed_name(item.name, marked) for item in self.step.top[:10]]
        names = [name for name in self._graph_names if re.fullmatch(r"[^\s;@]+", name)]
        return list(dict.fromkeys((*likely, *names)))


def _names(form: FormFacts) -> tuple[str, ...]:
    return (*form.arguments, _PLACES) if form.takes_places else form.arguments
