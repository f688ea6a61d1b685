"""From a problem and a curriculum stage to token ids and labels, in the official sequence layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from coconut_core.common.errors import CoconutError
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.losses import IGNORE, has_label
from coconut_core.latent.prompt import answer_end, encode_text, question_ids
from coconut_core.problems.base import Graph, Problem, names_in_steps
from coconut_core.problems.families import Family, family_named, is_family
from coconut_core.problems.graphs import walk_ends
from coconut_core.training.curriculum import ALL, Stage


class Part(IntEnum):
    """What a label belongs to; the loss is logged by part, which shows what has not been learned yet."""

    NONE = 0
    FIRST_STEP = 1
    LATER_STEPS = 2
    ANSWER = 3
    THOUGHTS = 4


CACHE_SIZE = 10_000  # texts whose tokens are kept
Label = int | tuple[int, ...]  # a token, or several of which each is right


@dataclass(frozen=True)
class Example:
    """One training sequence; the lists have the same length."""

    ids: list[int]
    labels: list[Label]
    parts: list[int]
    halts: list[int]  # at a latent: 1 where thinking should end after it, 0 where not; IGNORE elsewhere
    prompt_length: int  # up to and including <bot>: the column in front of the first latent
    marks: tuple[int, ...] = ()  # positions whose states in all layers the loss wants; as many in each example
    beside: "Mapping[str, Example]" = field(default_factory=dict)  # the same problem as other passes read it
    # What a loss has to know of each position, by name, besides what is read; the same names in each example.
    numbers: Mapping[str, list[float]] = field(default_factory=dict)

    @property
    def blank(self) -> "Example":
        """The same to read, but nothing is asked: it adds to no loss and no gradient."""
        nothing = [IGNORE] * len(self.ids)
        beside = {name: example.blank for name, example in self.beside.items()}
        parts = [int(Part.NONE)] * len(self.ids)
        return replace(self, labels=list(nothing), parts=parts, halts=list(nothing), beside=beside)

    @property
    def longest(self) -> int:
        """Positions of the longest sequence that some pass reads."""
        return max(len(self.ids), *(example.longest for example in self.beside.values()), 0)


@dataclass(frozen=True)
class Batch:
    """Padded examples, (batch, time) each; first latents stand in one column. labels are (batch, time, choices)
    where some position has several."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    parts: Tensor
    halts: Tensor
    marks: Tensor  # (batch, marks), columns
    numbers: Mapping[str, Tensor] = field(default_factory=dict)  # (batch, time) each, 0 at padding

    def to(self, device: torch.device) -> "Batch":
        tensors = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "numbers"}
        numbers = {name: values.to(device) for name, values in self.numbers.items()}
        return Batch(**{name: each.to(device) for name, each in tensors.items()}, numbers=numbers)

    @property
    def label_parts(self) -> Tensor:
        """Part of each labelled position, in the order of CoconutOutput.label_losses."""
        return self.parts[:, 1:][has_label(self.labels)[:, 1:]]


@dataclass(frozen=True)
class TokenizedProblem:
    """A problem as token ids: what stays the same at every stage."""

    prompt: list[int]  # question, line break, <bot>
    steps: list[list[int]]
    answer: list[int]  # answer prefix, answer, end of text or of the turn
    frontiers: tuple[tuple[int, ...], ...] = ()  # for each step of a chain: all nodes that it may have reached

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(map(len, self.steps)) + len(self.answer)


@dataclass(frozen=True)
class Encoder:
    """Encodes problems for one tokenizer, configuration and step style.

    step_style: "sentence" keeps the steps as they are told, one a line (the official layout);
    "chain" names the node that the chain starts from and then each node reached, one token a step in a
    word-level tokenizer (the symbolic layout of arXiv 2505.12514, with the root as its first step), or what the
    family says instead (ProntoQA: the kinds, at the end "is cold" or "is not cold"); of sums as <<48/2=24>>
    it says their numbers, the first one of all and then each result;
    "nodes" is the same without the root, or the first number.
    label_thoughts: whether each thought, too, is asked for what it takes the place of, and the position in
    front of <eot> for what comes next; step-level supervision as in SIM-CoT (arXiv 2509.20317), but through the
    model's own LM head. "path": for the first token of the step replaced (past the end of the chain: of the
    last step). "frontier", for chains through a graph: thought k for all nodes at which walks of as many hops
    from the root can end as step k stands for, each being right, and for nothing where there are none. "last":
    no thought is asked for anything; only the state in front of <eot>, that of <bot> where there is no thought,
    is asked for the first token of the step that comes next, as the last thought is in arXiv 2505.12514.
    In a layout without <eot> the last thought is asked for the next word, whatever label_thoughts says of it.
    Where the last steps are gone first (Curriculum.order), thoughts stand for those, and what comes next, in
    front of <eot>, is the first step as long as it is in words.
    thoughts_per_step, pad_to_longest: see Curriculum; they say how many thoughts a short problem gets.
    """

    tokenizer: PreTrainedTokenizerBase
    config: CoconutConfig
    step_style: str = "sentence"
    label_thoughts: str = "no"
    thoughts_per_step: int = 1
    pad_to_longest: bool = True
    # The sequences of a problem at a stage by names of passes, "main" among them; None: `sequence` alone.
    lay_out: "Callable[[Encoder, TokenizedProblem, Stage], Mapping[str, Example]] | None" = None
    _cache: dict[str, list[int]] = field(
        default_factory=dict, repr=False, compare=False
    )  # steps and answers recur
    _prefixes: dict[tuple[int, ...], int] = field(default_factory=dict, repr=False, compare=False)

    def prompt(self, problem: Problem) -> list[int]:
        """What a run begins with: the question, as question_ids writes it, and <bot>."""
        return [*question_ids(self.tokenizer, problem.question, self.config), *self.config.fed_before]

    def step_texts(self, problem: Problem) -> list[str]:
        """Each reasoning step as it is trained."""
        if self.step_style == "sentence":
            return [step + "\n" for step in problem.steps]
        chain = names_in_steps if self._family is None else self._family.chain
        nodes = chain(problem.steps)[self._first_hops :]
        return [f" {node}" for node in nodes[:-1]] + [f" {node}\n" for node in nodes[-1:]]

    def answer_text(self, problem: Problem) -> str:
        """Answer prefix and answer."""
        return f"{self.config.answer_prefix} {problem.answer}"

    def steps(self, problem: Problem) -> list[list[int]]:
        """Token ids of each reasoning step."""
        return [self.ids(text) for text in self.step_texts(problem)]

    def answer(self, problem: Problem) -> list[int]:
        """Answer prefix, answer, end of text; in a chat the end of the assistant's turn."""
        text = self.answer_text(problem)
        return [*self.ids(text, data_from=len(text) - len(problem.answer)), self.end]

    def tokenize(self, problem: Problem) -> TokenizedProblem:
        """The parts of a problem as token ids."""
        return TokenizedProblem(
            self.prompt(problem), self.steps(problem), self.answer(problem), self._frontiers(problem.graph)
        )

    def ids(self, text: str, data_from: int = 0) -> list[int]:
        """Token ids of a text that is data from some place on: special tokens spelt out there stay text."""
        if text not in self._cache:
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            data = (data_from, len(text))
            self._cache[text] = encode_text(self.tokenizer, text, data=data, config=self.config)
        return self._cache[text]

    def _frontiers(self, graph: Graph | None) -> tuple[tuple[int, ...], ...]:
        if graph is None or self.label_thoughts != "frontier":
            return ()
        in_chain = str if self._family is None else self._family.in_chain
        return tuple(
            tuple(self.ids(f" {in_chain(graph.names[node])}")[0] for node in nodes)
            for nodes in walk_ends(graph)[self._first_hops :]
        )

    @cached_property
    def end(self) -> int:
        """The token with which an answer ends."""
        return answer_end(self.tokenizer, self.config)

    @property
    def _family(self) -> Family | None:
        return family_named(self.config.family) if is_family(self.config.family) else None

    @property
    def _first_hops(self) -> int:
        """How many hops from the root the first step of a chain stands for."""
        return int(self.step_style == "nodes")

    def thoughts(self, problem: TokenizedProblem, stage: Stage) -> int:
        """How many thoughts a problem has at a stage, in training and where it is evaluated."""
        if self.pad_to_longest or stage.removed < ALL:
            return stage.thoughts
        return min(stage.thoughts, self.thoughts_per_step * len(problem.steps))

    @staticmethod
    def gone(problem: TokenizedProblem, stage: Stage) -> range:
        """Numbers, from 0, of the whole steps gone at a stage, for which its thoughts stand in order."""
        count = len(problem.steps)
        removed = min(stage.removed, count)
        return range(count - removed, count) if stage.from_end else range(removed)

    @classmethod
    def in_words(cls, problem: TokenizedProblem, stage: Stage) -> list[list[int]]:
        """The steps, or parts of steps, that a problem still has in words at a stage."""
        gone = cls.gone(problem, stage)
        if stage.from_end:
            return _without_end(problem.steps[: gone.start], stage.removed_tokens)
        return _without(problem.steps[gone.stop :], stage.removed_tokens)

    def encode(self, problem: TokenizedProblem, stage: Stage) -> Example:
        """What is read of a problem at a stage of the curriculum: the sequence of the main pass, and beside it
        those of others."""
        if self.lay_out is None:
            return self.sequence(problem, stage)
        beside = dict(self.lay_out(self, problem, stage))
        if "main" not in beside:
            raise CoconutError(
                f"the method of training lays out {', '.join(beside)}, and no pass called 'main'"
            )
        return replace(beside.pop("main"), beside=beside)

    def sequence(self, problem: TokenizedProblem, stage: Stage) -> Example:
        """The sequence of a problem at a stage: prompt, thoughts, the steps that are left, answer."""
        thoughts, remaining = self.thoughts(problem, stage), self.in_words(problem, stage)
        start = len(problem.prompt)
        ids = [*problem.prompt, *[self.config.latent_id] * thoughts, *self.config.fed_behind]
        labels: list[Label] = [IGNORE] * len(ids)
        parts = [int(Part.NONE)] * len(ids)
        # Where nothing stands behind the thoughts the last one is asked for the next word, as by its place.
        of_thoughts = self._thought_labels(problem, thoughts, remaining, self.gone(problem, stage))
        of_thoughts = of_thoughts[: thoughts + bool(self.config.fed_behind)]
        end = start + len(of_thoughts)
        labels[start:end] = of_thoughts
        parts[start:end] = [int(Part.NONE if label == IGNORE else Part.THOUGHTS) for label in of_thoughts]
        said, said_parts = _said(remaining, problem.answer)
        halts = [IGNORE] * (len(ids) + len(said))
        thoughts_needed = self.thoughts_per_step * len(problem.steps)
        halts[start : start + thoughts] = [int(place + 1 >= thoughts_needed) for place in range(thoughts)]
        return Example([*ids, *said], [*labels, *said], [*parts, *said_parts], halts, start)

    def in_words_only(self, problem: TokenizedProblem, steps: Sequence[Sequence[int]]) -> Example:
        """The sequence of a problem without thoughts and markers: question, these steps, answer."""
        question = problem.prompt[: len(problem.prompt) - len(self.config.fed_before)]
        nothing: list[Label] = [IGNORE] * len(question)
        said, parts = _said(steps, problem.answer)
        return Example(
            [*question, *said],
            [*nothing, *said],
            [*[int(Part.NONE)] * len(question), *parts],
            [IGNORE] * (len(question) + len(said)),
            len(question),
        )

    def without_line_break(self, tokens: Sequence[int]) -> list[int]:
        """The tokens of a step, or of several, without the line break behind them, where that is a token."""
        kept = list(tokens)
        while kept and not str(self.tokenizer.decode([kept[-1]])).strip():
            kept.pop()
        return kept

    def prefix_length(self, problem: TokenizedProblem) -> int:
        """How many tokens of a problem's answer stand in front of the answer itself, spaces among them."""
        answer, prefix = problem.answer, self.config.answer_prefix.strip()
        text = tuple(answer)
        if text not in self._prefixes:
            if len(self._prefixes) >= CACHE_SIZE:
                self._prefixes.clear()
            said = [str(self.tokenizer.decode(answer[:count])).strip() for count in range(len(answer))]
            self._prefixes[text] = max(count for count, each in enumerate(said) if each in ("", prefix))
        return self._prefixes[text]

    def _thought_labels(
        self, problem: TokenizedProblem, thoughts: int, remaining: Sequence[Sequence[int]], gone: range
    ) -> list[Label]:
        """Labels of the thoughts and of <eot>, which is asked of the last thought, if there is one."""
        if self.label_thoughts == "last":
            return [*[IGNORE] * thoughts, remaining[0][0]] if remaining else []
        places = [gone.start + place // self.thoughts_per_step for place in range(thoughts + 1)]
        if gone.start:  # what comes behind the thoughts is then the first step, and not the one after theirs
            places[-1] = 0
        if self.label_thoughts == "path" and problem.steps:
            last = len(problem.steps) - 1
            return [problem.steps[min(place, last)][0] for place in places]
        known = problem.frontiers
        labels: list[Label] = [known[place] if place < len(known) else IGNORE for place in places]
        while labels and labels[-1] == IGNORE:
            labels.pop()
        return labels


def _said(steps: Sequence[Sequence[int]], answer: Sequence[int]) -> tuple[list[int], list[int]]:
    """Tokens of steps and answer, which are all asked for, and the part of each."""
    ids: list[int] = []
    parts: list[int] = []
    for number, step in enumerate(steps):
        ids += step
        parts += [int(Part.LATER_STEPS if number else Part.FIRST_STEP)] * len(step)
    return [*ids, *answer], [*parts, *[int(Part.ANSWER)] * len(answer)]


def _without(steps: list[list[int]], count: int) -> list[list[int]]:
    """The steps without their first `count` tokens."""
    remaining = []
    for step in steps:
        if tokens := step[count:]:
            remaining.append(tokens)
        count = max(0, count - len(step))
    return remaining


def _without_end(steps: list[list[int]], count: int) -> list[list[int]]:
    """The steps without their last `count` tokens."""
    left = sum(map(len, steps)) - count
    remaining = []
    for step in steps:
        if left > 0:
            remaining.append(step[:left])
        left -= len(step)
    return remaining


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """Pad on the left so that prompts end in one column, and on the right to the longest rest."""
    left = max(example.prompt_length for example in examples)
    right = max(len(example.ids) - example.prompt_length for example in examples)
    size = (len(examples), left + right)
    input_ids, mask = torch.full(size, pad_id), torch.zeros(size, dtype=torch.long)
    labels, halts = torch.full(size, IGNORE), torch.full(size, IGNORE)
    parts = torch.full(size, int(Part.NONE))
    numbers = {name: torch.zeros(size) for name in examples[0].numbers}
    marks = torch.tensor(
        [[left - each.prompt_length + mark for mark in each.marks] for each in examples], dtype=torch.long
    )
    for row, example in enumerate(examples):
        start = left - example.prompt_length
        place = slice(start, start + len(example.ids))
        input_ids[row, place] = torch.tensor(example.ids)
        mask[row, place] = 1
        labels[row, place] = torch.tensor([_first(label) for label in example.labels])
        parts[row, place] = torch.tensor(example.parts)
        halts[row, place] = torch.tensor(example.halts)
        for name, values in numbers.items():
            values[row, place] = torch.tensor(example.numbers[name])
    return Batch(input_ids, mask, _with_choices(labels, examples, left), parts, halts, marks, numbers)


def _first(label: Label) -> int:
    return label[0] if isinstance(label, tuple) else label


def _with_choices(labels: Tensor, examples: Sequence[Example], left: int) -> Tensor:
    """labels (batch, time) as (batch, time, choices) where some position has several."""
    several = [
        (row, left - example.prompt_length + place, label)
        for row, example in enumerate(examples)
        for place, label in enumerate(example.labels)
        if isinstance(label, tuple)
    ]
    if not several:
        return labels
    choices = max(len(label) for _, _, label in several)
    wide = torch.full((*labels.shape, choices), IGNORE)
    wide[..., 0] = labels
    for row, column, label in several:
        wide[row, column, : len(label)] = torch.tensor(label)
    return wide
