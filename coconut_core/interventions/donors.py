"""Where an intervention's vectors come from: this run itself, other problems' runs, means, tokens, files."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from coconut_core.common.errors import CoconutError
from coconut_core.common.paths import user_path
from coconut_core.common.quoting import partition
from coconut_core.common.token_names import typed_name
from coconut_core.latent.feedback import rule_named
from coconut_core.latent.layers import watching_stream
from coconut_core.problems.base import Problem
from coconut_core.runs.generate import run
from coconut_core.runs.plan import check_numbers
from coconut_core.runs.rows import Recording

if TYPE_CHECKING:
    from coconut_core.latent.model import LatentModel


@dataclass(frozen=True)
class Donor:
    """Whose thoughts an intervention takes.

    missing: why a question may have none. fits: where it is drawn, whether a problem can be given another's.
    """

    description: str
    missing: str = ""
    fits: Callable[[Problem, Problem], bool] = lambda problem, donor: False

    def among(self, problem: Problem, others: Sequence[Problem]) -> list[int]:
        """Which of the others it can be drawn from for a problem: their numbers, from 0."""
        return [
            number
            for number, candidate in enumerate(others)
            if candidate.question != problem.question and self.fits(problem, candidate)
        ]


DONORS = {
    "own": Donor("this run's own, as it thinks when left alone"),
    "twin": Donor(
        "of the minimal twin: the least change to the question that flips the answer",
        "no minimal twin is known",
    ),
    "random": Donor(
        "of another problem, drawn at random", "there are no other problems", lambda problem, donor: True
    ),
    "same-hop": Donor(
        "of another problem whose chain is as long",
        "no other problem with as long a chain",
        lambda problem, donor: 0 < len(problem.steps) == len(donor.steps),
    ),
    "mean": Donor(
        "the mean over other problems, thought by thought", "there are no other problems to take a mean over"
    ),
}
ZERO = "zero"  # in place of a donor, where something inside is patched: the zero vector
POOL = 64  # problems drawn for donors and means where a caller gives none


def record(
    model: "LatentModel",
    questions: Sequence[str],
    thoughts: int | None = None,
    *,
    inside: bool = False,
    interrupt: Callable[[], None] | None = None,
) -> list[Recording]:
    """Let the model think over each question and keep its thoughts; with inside also what its layers and
    heads put out while each was read."""
    keep: Literal["thoughts", "inside"] = "inside" if inside else "thoughts"
    return run(model, questions, thoughts=thoughts, speak=False, keep=keep, interrupt=interrupt).recordings


@dataclass
class Sources:
    """What the words of an intervention refer to, for one question. Donors' runs are made when first needed.

    problem: what is known of the question; needed for a twin and for same-hop donors.
    others: problems to draw donors from and to take means over; by default drawn from the family of the model.
    thoughts: how many thoughts a run takes, None for what the checkpoint says.
    interrupt: called before each step of a donor's run and each change of a thought: what it raises ends that.
    draw: the seed of noise and of an order where the words say none.
    """

    model: "LatentModel"
    question: str
    problem: Problem | None = None
    others: Sequence[Problem] | None = None
    thoughts: int | None = None
    seed: int = 0
    interrupt: Callable[[], None] = lambda: None
    draw: int = 0
    notes: dict[str, None] = field(default_factory=dict)  # what a word was taken for, in order
    runs: dict[str, Recording] = field(default_factory=dict)  # those that are known, by the donor's name
    streams: dict[str, Tensor] = field(default_factory=dict)  # of prompts, likewise; see prompt_stream

    @property
    def own(self) -> Recording:
        """This run, left alone."""
        return self.donor("own")

    def donor(self, name: str) -> Recording:
        """A donor's run by its name in DONORS. Raises CoconutError where there is no such donor."""
        if name not in DONORS:
            raise CoconutError(f"unknown donor '{name}': choose one of {', '.join(DONORS)}")
        if name not in self.runs:
            self.runs[name] = self.make_run(name)
        return self.runs[name]

    def make_run(self, name: str) -> Recording:
        """A donor's run that is not known yet; that of `mean` is the mean of many."""
        if name == "mean":
            runs = self._record([problem.question for problem in self.pool], inside=False)
            return Recording(mean_thoughts([run.thoughts for run in runs]))
        return self._record([self.donor_question(name)], inside=True)[0]

    def prompt_stream(self, name: str) -> Tensor:
        """The residual stream of a donor's prompt, (positions, layers, hidden). Raises CoconutError where the
        donor is no run, or its prompt has not as many positions as this one."""
        if name not in DONORS or name == "mean":
            self.donor(name)  # refused where it is unknown
            raise CoconutError(f"the donor '{name}' is no run, so that nothing inside can be taken from it")
        if name not in self.streams:
            self.streams[name] = stream_of(self.model, self.donor_question(name))
        stream = self.streams[name]
        if len(stream) != len(self.prompt):
            raise CoconutError(
                f"the prompt of the donor '{name}' has {len(stream)} positions, this one {len(self.prompt)}: "
                "only prompts of one length can be patched position by position"
            )
        return stream

    def donor_question(self, name: str) -> str:
        """What a donor was asked; `own` is this question."""
        return self.question if name == "own" else self.donor_problem(name).question

    def donor_problem(self, name: str) -> Problem:
        """The problem whose thoughts a donor gives that is drawn, or is a twin."""
        if name not in DONORS:
            raise CoconutError(f"unknown donor '{name}': choose one of {', '.join(DONORS)}")
        rng = random.Random(f"{name} {self.seed} {self.question}")
        if name == "twin":
            from coconut_core.problems.twins import twin_of

            twin = None if self.problem is None else twin_of(self.problem, rng)
            if twin is None:
                raise CoconutError("this question has no minimal twin: it is of no family that knows one")
            return twin
        numbers = DONORS[name].among(self.problem or Problem(self.question, (), ""), self.pool)
        if not numbers:
            why = DONORS[name].missing
            raise CoconutError(f"there is no donor '{name}' among {len(self.pool)} problems: {why}")
        return self.pool[rng.choice(numbers)]

    @cached_property
    def pool(self) -> Sequence[Problem]:
        """Problems to draw donors from."""
        if self.others is not None:
            return self.others
        from coconut_core.problems import generate_problems, is_family, trained_size

        family = self.model.config.family
        if not is_family(family):
            raise CoconutError(
                "this model names no problem family to draw donors from: give problems with --data"
            )
        size = trained_size(family, self.model.config.recipe)
        return generate_problems(family, POOL, self.seed + 1, size=size)

    def direction(self, text: str) -> Tensor:
        """A vector (hidden,) by name: token:NAME, token:NAME-NAME, thought:3, thought:3-2, or file:PATH#KEY."""
        kind, _, name = text.partition(":")
        if kind == "token":
            return self._token_direction(name)
        if kind == "thought" and (match := re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", name)):
            first, second = (
                None if number is None else thought_of(self.own, int(number)) for number in match.groups()
            )
            assert first is not None
            return first if second is None else first - second
        if kind == "file":
            return _from_file(name)
        raise CoconutError(
            f"'{text}' names no vector: write token:NAME, token:NAME-NAME, thought:3, thought:3-2 or file:PATH"
        )

    def exact_token(self, name: str, places: Sequence[int] | None = None) -> str:
        """A token's name, written so that it means one token. Of several it may mean, it is one that stands in
        the question, else the one that the thoughts at these places (None: all) say rather; `notes` says which.

        Raises CoconutError where it is no single token.
        """
        vocabulary = self.model.vocabulary
        meanings = vocabulary.meanings(name)
        if len(meanings) < 2:
            vocabulary.find(name)
            return name
        prompt = self.model.encode_prompt(self.question)
        standing = [number for number in prompt if number in meanings]
        token_id = standing[0] if standing else self._likeliest(meanings, places)
        why = "which stands in the question" if standing else "which its thoughts say rather"
        alternative = next(number for number in meanings if number != token_id)
        exact, other = (typed_name(vocabulary.name(number), marked=True) for number in (token_id, alternative))
        self.notes[f"{name} is taken for {exact}, {why}; the other one is {other}"] = None
        return exact

    def exact_vector(self, words: str, places: Sequence[int] | None = None) -> str:
        """A vector's name with its tokens as exact_token has them; any other as it is."""
        kind, mark, name = words.partition(":")
        if kind != "token" or not mark:
            return words
        return f"token:{'-'.join(self.exact_token(token, places) for token in self._tokens_of(name))}"

    def _tokens_of(self, name: str) -> list[str]:
        """The tokens of NAME or NAME-NAME."""
        first, _, second = partition(name, "-")
        return [first, second] if first and second and not self.model.vocabulary.meanings(name) else [name]

    def _likeliest(self, tokens: Sequence[int], places: Sequence[int] | None) -> int:
        """The token that this run's own thoughts at these places give the largest share, on the whole."""
        own = self.own.thoughts.to(self.model.device, self.model.dtype)
        numbers = range(1, len(own) + 1) if places is None else [n for n in places if 1 <= n <= len(own)]
        if not numbers:
            return tokens[0]
        thoughts = own[[number - 1 for number in numbers]]
        with torch.inference_mode():
            shares = torch.softmax(self.model.logits(thoughts).float(), dim=-1).sum(dim=0)[list(tokens)]
        return tokens[int(shares.argmax())]

    def _token_direction(self, name: str) -> Tensor:
        """The embedding of a token, or the difference of two: NAME or NAME-NAME."""
        first, *second = (self.embedding(self.model.token_id(token)) for token in self._tokens_of(name))
        return first - second[0] if second else first

    def _record(self, questions: Sequence[str], inside: bool) -> list[Recording]:
        return record(self.model, questions, self.thoughts, inside=inside, interrupt=self.interrupt)

    @cached_property
    def prompt(self) -> list[int]:
        """Token ids of the question as a run starts with them."""
        return self.model.encode_prompt(self.question)

    @cached_property
    def embeddings(self) -> Tensor:
        """What each token is read as, (vocabulary, hidden). Raises CoconutError as embedding does."""
        self.embedding(0)
        return self.model.embedding_table()

    def embedding(self, token_id: int) -> Tensor:
        """A token's embedding (hidden,) as a vector that can stand for a thought.

        Raises CoconutError where the thought is not what the model is fed, so that an embedding cannot.
        """
        feedback = self.model.config.feedback
        if not rule_named(feedback).identity:
            raise CoconutError(
                f"with feedback '{feedback}' a thought is not fed as it is: no embedding can stand for it"
            )
        token = torch.tensor([token_id], device=self.model.device)
        return self.model.embed(token)[0].detach()


@torch.inference_mode()
def stream_of(model: "LatentModel", question: str) -> Tensor:
    """The residual stream after each layer along a question's prompt, (positions, layers, hidden)."""
    prompt = model.encode_prompt(question)
    with watching_stream(model, len(prompt)) as passes:
        model.start_context(torch.tensor([prompt], device=model.device))
    return passes[0][0, :, 1:]


def thought_of(run: Recording, number: int) -> Tensor:
    """A run's thought (hidden,), numbered from 1. Raises CoconutError where it took fewer."""
    check_numbers(run.thoughts, [number])
    return run.thoughts[number - 1]


def mean_thoughts(runs: Sequence[Tensor]) -> Tensor:
    """The mean of each thought over runs (count, hidden), over those that took it: (most, hidden)."""
    most = max((run.shape[0] for run in runs), default=0)
    by_place = ([run[place] for run in runs if run.shape[0] > place] for place in range(most))
    means = [torch.stack(thoughts).float().mean(dim=0) for thoughts in by_place]
    return torch.stack(means) if means else torch.zeros(0, 0)


def _from_file(name: str) -> Tensor:
    """A vector of a safetensors file, by key where it holds several."""
    path, _, key = name.partition("#")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(user_path(path), framework="pt") as file:
            keys = list(file.keys())
            if not key and len(keys) != 1:
                raise CoconutError(f"{path} holds {len(keys)} vectors: write file:{path}#KEY")
            if key and key not in keys:
                raise CoconutError(f"{path} holds no '{key}': there are {', '.join(sorted(keys)[:8])}")
            vector: Tensor = file.get_tensor(key or keys[0])
    except (OSError, SafetensorError) as error:
        raise CoconutError(f"cannot read a vector from {path}: {' '.join(str(error).split())}") from error
    return vector.squeeze()
