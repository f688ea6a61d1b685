"""Training batches as a pure function of recipe, step and where stages began: a resumed run sees what it would
have seen."""

import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import Problem, draw_in_split, read_problems, write_problems
from coconut_core.problems.base import Graph, Shape
from coconut_core.problems.families import family_named
from coconut_core.problems.sources import DataSource
from coconut_core.problems.trained_size import size_in
from coconut_core.training.curriculum import Stage
from coconut_core.training.encoding import Encoder, Example, TokenizedProblem
from coconut_core.training.limits import check_lengths
from coconut_core.training.lookup import lookup_example
from coconut_core.training.methods.table import method_named
from coconut_core.training.recipe import DataChoice, Recipe
from coconut_core.training.run_folder import RunFolder
from coconut_core.training.token_store import TokenStore, open_store

WINDOW = 50  # batches whose problems are sorted by length together: little padding, and still shuffled
WARMUP_WINDOW = 4  # the same for the warm-up, where all of them have to be made first
LARGEST_CHECKED = 20  # graphs of a pool, to see whether the model can read them

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]  # of problems


class Source(Protocol):
    """Where the problems of a step come from."""

    steps_per_epoch: int  # 0 where there are no epochs

    def draw(self, step: int, rng: random.Random) -> list[TokenizedProblem]:
        """The problems of an optimizer step's batch, with data.bucket of about the same length."""


class GeneratedSource:
    """A pool of generated graphs, or chains of sums, sorted by size; each use tells one anew."""

    steps_per_epoch = 0

    def __init__(self, recipe: Recipe, encoder: Encoder) -> None:
        self.encoder, self.batch_size = encoder, recipe.batch_size
        self.retell = family_named(recipe.data.family).retell
        self.shapes = draw_shapes(recipe.data)
        window = max(recipe.batch_size * 4, len(self.shapes) // 64)
        self.window = min(len(self.shapes), window) if recipe.data.bucket else len(self.shapes)

    def largest(self) -> Iterator[tuple[int, TokenizedProblem]]:
        """The problems of the graphs with most edges, or sums of most steps, and their numbers in the pool."""
        rng = random.Random("largest")
        for number in range(len(self.shapes))[-LARGEST_CHECKED:]:
            yield number + 1, self.encoder.tokenize(self.retell(self.shapes[number], rng))

    def draw(self, step: int, rng: random.Random) -> list[TokenizedProblem]:
        start = rng.randrange(len(self.shapes) - self.window + 1)
        shapes = rng.choices(self.shapes[start : start + self.window], k=self.batch_size)
        return [self.encoder.tokenize(self.retell(shape, rng)) for shape in shapes]


class Warmup:
    """The examples of the look-up warm-up, made for some steps at once: a batch has some of one length."""

    def __init__(self, recipe: Recipe, encoder: Encoder) -> None:
        self.encoder, self.seed, self.batch_size = encoder, recipe.seed, recipe.batch_size
        self.problems = family_named(recipe.data.family).lookup if recipe.curriculum.lookup else None
        if recipe.curriculum.lookup and self.problems is None:
            raise CoconutError(
                f"there is no warm-up for data.family '{recipe.data.family}': set curriculum.lookup=0"
            )
        self._window: tuple[int, list[list[Example]]] = (-1, [])  # its number and its batches

    def draw(self, step: int) -> list[Example]:
        """The examples of a step's batch."""
        window, place = divmod(step, WARMUP_WINDOW)
        if self._window[0] != window:
            self._window = (window, self._batches(random.Random(f"warm-up {self.seed} {window}")))
        return self._window[1][place]

    def _batches(self, rng: random.Random) -> list[list[Example]]:
        assert self.problems is not None
        count = WARMUP_WINDOW * self.batch_size
        examples = [lookup_example(self.encoder, self.problems(rng)) for _ in range(count)]
        examples.sort(key=lambda example: len(example.ids))
        batches = [examples[start : start + self.batch_size] for start in range(0, count, self.batch_size)]
        rng.shuffle(batches)
        return batches


class FileSource:
    """Every problem of a file once an epoch, in an order that follows from the seed."""

    def __init__(self, recipe: Recipe, store: TokenStore) -> None:
        self.store, self.seed = store, recipe.seed
        self.batch_size, self.bucket = recipe.batch_size, recipe.data.bucket
        self.steps_per_epoch = -(-len(store) // recipe.batch_size)
        self._lengths = store.lengths
        self._epoch: tuple[int, list[Numbers]] = (-1, [])  # its number and its batches

    def draw(self, step: int, rng: random.Random) -> list[TokenizedProblem]:
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._epoch[0] != epoch:
            self._epoch = (epoch, self._batches(epoch))
        return [self.store[int(number)] for number in self._epoch[1][place]]

    def _batches(self, epoch: int) -> list[Numbers]:
        shuffle = np.random.default_rng([self.seed % 2**64, epoch])  # which takes no negative number
        order = shuffle.permutation(len(self.store))
        if not self.bucket:
            return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        batches: list[Numbers] = []
        for start in range(0, len(order), WINDOW * self.batch_size):
            window = order[start : start + WINDOW * self.batch_size]
            window = window[np.argsort(self._lengths[window], kind="stable")]
            chunks = range(0, len(window), self.batch_size)
            batches += [window[chunk : chunk + self.batch_size] for chunk in chunks]
        shuffle.shuffle(batches)
        return batches


def _long_problems(
    store: TokenStore, encoder: Encoder, stages: Sequence[Stage], most: int | None
) -> Iterator[tuple[int, TokenizedProblem]]:
    """The problems of a file that may be longer than `most`, and their numbers from 1."""
    if most is None:
        return
    room = most - max(stage.thoughts for stage in stages) - len(encoder.config.fed_behind)
    for number in np.flatnonzero(store.lengths > room):
        yield int(number) + 1, store[int(number)]


def draw_shapes(choice: DataChoice) -> list[Shape]:
    """The pool of a recipe, sorted by size so that neighbours make batches with little padding."""
    rng = random.Random(f"pool {choice.seed}")
    shapes = [problem.shape for problem in _generated(choice, rng, choice.problems, choice.split)]
    return sorted(shapes, key=lambda shape: len(shape.edges if isinstance(shape, Graph) else shape))


def held_out_problems(choice: DataChoice, count: int, run: RunFolder) -> list[Problem]:
    """Problems to select checkpoints by: those of the validation file, or from another seed than the pool.

    Those of a file are kept in the run's folder, and a resumed run takes them from there.
    """
    if choice.validation:
        if run.steps() and run.held_out.is_file():
            return read_problems(run.held_out)
        problems = DataSource(choice.validation, choice.columns, "validation").first(count)
        write_problems(run.held_out, problems)
        return problems
    if choice.train:
        return []  # never those trained on
    return _generated(choice, random.Random(f"held out {choice.seed}"), count, choice.split and "valid")


def _generated(choice: DataChoice, rng: random.Random, count: int, split: str) -> list[Problem]:
    family = family_named(choice.family)
    size = size_in(family, asdict(choice))
    return [draw_in_split(family, rng, split or None, size) for _ in range(count)]


def encoder_of(model: CoconutModel, recipe: Recipe) -> Encoder:
    """What lays out problems as the recipe's method says."""
    lay_out = method_named(recipe.method).lay_out
    return Encoder(
        model.tokenizer,
        model.config,
        recipe.step_style,
        recipe.label_thoughts,
        recipe.curriculum.thoughts_per_step,
        recipe.curriculum.pad_to_longest,
        lay_out and (lambda encoder, problem, stage: lay_out(encoder, problem, stage, recipe.options)),
    )


@dataclass(frozen=True)
class StepExamples:
    """The examples of one optimizer step, the stage that they are of, and what the log says of them."""

    stage: int
    examples: list[Example]
    measures: Mapping[str, float] = field(default_factory=dict)


class Batches:
    """Draws the batch of any step of a recipe. Lengths of stages are in steps here, whatever the unit."""

    def __init__(self, recipe: Recipe, encoder: Encoder, folder: Path, most: int | None = None) -> None:
        """most: positions that the model reads, None without a limit. Raises CoconutError for problems that
        cannot be read, or are too long."""
        self.recipe, self.encoder = recipe, encoder
        self.source: Source
        if recipe.data.train:
            run, source = RunFolder(folder), DataSource(recipe.data.train, recipe.data.columns)
            store = open_store(source, encoder, run.tokens, resuming=bool(run.steps()))
            check_lengths(
                _long_problems(store, encoder, recipe.stages, most),
                encoder,
                recipe.stages,
                most,
                recipe.data.train,
            )
            self.source = FileSource(recipe, store)
        else:
            self.source = pool = GeneratedSource(recipe, encoder)
            check_lengths(pool.largest(), encoder, recipe.stages, most, "the generated problems")
        self.warmup = Warmup(recipe, encoder)
        unit = self._steps_of(recipe.curriculum.unit)
        self.evaluation_period = recipe.evaluate_every * self._steps_of(recipe.evaluate_unit)  # in steps
        self.stages: tuple[Stage, ...] = tuple(
            replace(stage, length=stage.length * unit) for stage in recipe.stages
        )
        *ends, self._planned_steps = accumulate(stage.length for stage in self.stages)
        self.starts = [0, *ends]  # the step that each stage begins with; part of a run's state

    def _steps_of(self, unit: str) -> int:
        return self.source.steps_per_epoch if unit == "epochs" else 1

    def stage_at(self, step: int) -> int:
        """Number of the stage that an optimizer step (from 0) belongs to."""
        return bisect_right(self.starts, step) - 1

    @property
    def total_steps(self) -> int:
        """Steps of the whole run: the last stage is as long as it was to be, whenever it began."""
        return self.starts[-1] + self.stages[-1].length

    @property
    def saved_steps(self) -> int:
        """Steps that are not taken because stages ended early."""
        return self._planned_steps - self.total_steps

    def end_stage(self, steps: int) -> None:
        """End the stage of the step taken last, after so many steps in all; those behind it begin as much
        earlier. The last stage goes on."""
        following = self.stage_at(steps - 1) + 1
        if following < len(self.stages):
            saved = self.starts[following] - steps
            self.starts[following:] = [start - saved for start in self.starts[following:]]

    def at(self, step: int) -> StepExamples:
        """The batch of a step: mostly of its own stage, sometimes of another, or with examples of others."""
        stage = self.stage_at(step)
        if self.stages[stage].kind == "lookup":
            return StepExamples(stage, self.warmup.draw(step))
        rng = random.Random(f"step {self.recipe.seed} {step}")
        share, by_example = self.recipe.curriculum.other_stages, self.recipe.curriculum.mix != "batch"
        earlier = [number for number in range(stage) if self.stages[number].kind == "thoughts"]
        if not by_example and earlier and rng.random() < share:
            stage = rng.choice(earlier)
        examples = []
        for problem in self.source.draw(step, rng):
            problem_stage = self.stages[stage]
            if by_example and rng.random() < share:
                problem_stage = self._other_stage(problem, earlier or [stage], rng)
            examples.append(self.encoder.encode(problem, problem_stage))
        return StepExamples(stage, examples)

    def _other_stage(self, problem: TokenizedProblem, earlier: Sequence[int], rng: random.Random) -> Stage:
        """One of the earlier stages, or for mix "example" of all from the first up to the one with as many
        steps gone as a problem has; each is as likely."""
        if self.recipe.curriculum.mix == "earlier":
            return self.stages[rng.choice(earlier)]
        stages = [stage for stage in self.stages if stage.kind == "thoughts"]
        number = rng.randint(0, len(problem.steps)) - self.recipe.curriculum.skipped
        return stages[min(max(0, number), len(stages) - 1)]


def seed_of(recipe: Recipe, step: int, process: int) -> int:
    """Seed of a step's dropout; the same in a resumed run."""
    return random.Random(f"dropout {recipe.seed} {step} {process}").getrandbits(63)
