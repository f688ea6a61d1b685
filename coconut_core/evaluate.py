"""How many answers are right: accuracy with its interval, tokens spent, by number of hops."""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from coconut_core.generate import Answer, generate
from coconut_core.model import CoconutModel
from coconut_core.problems.base import Problem


@dataclass(frozen=True)
class Evaluation:
    """The outcome on a set of problems."""

    right: tuple[bool, ...]  # one per problem, in order
    answers: tuple[Answer, ...]
    by_hops: dict[int, float]  # accuracy by number of reasoning steps
    seconds: float  # wall time

    @property
    def count(self) -> int:
        return len(self.right)

    @property
    def accuracy(self) -> float:
        return sum(self.right) / max(1, self.count)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        return wilson_interval(sum(self.right), self.count)

    @property
    def mean_tokens(self) -> float:
        """Mean number of tokens of an answer, thoughts included."""
        return sum(answer.tokens for answer in self.answers) / max(1, self.count)


def evaluate(
    model: CoconutModel,
    problems: Sequence[Problem],
    *,
    thoughts: int | None = None,
    answer_only: bool = True,
    max_new_tokens: int = 128,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Greedy answers to all problems, each right only if it is the expected text exactly.

    answer_only lets nothing but thoughts do the reasoning: the answer prefix follows <eot> at once, with
    and without thoughts alike. Otherwise the model may go on to reason in words.
    """
    began = time.perf_counter()
    answers = generate(
        model,
        [problem.question for problem in problems],
        thoughts=thoughts,
        answer_only=answer_only,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        progress=progress,
    )
    right = tuple(
        is_right(answer.text, problem, model.config.answer_prefix)
        for answer, problem in zip(answers, problems, strict=True)
    )
    hops = Counter(len(problem.steps) for problem in problems)
    right_by_hops = Counter(len(problem.steps) for problem, ok in zip(problems, right, strict=True) if ok)
    return Evaluation(
        right,
        tuple(answers),
        {number: right_by_hops[number] / count for number, count in sorted(hops.items())},
        time.perf_counter() - began,
    )


def final_answer(text: str, answer_prefix: str) -> str:
    """What stands behind the last answer prefix, white space folded; the whole text where there is none."""
    tail = text.rsplit(answer_prefix, 1)[-1] if answer_prefix else text
    return re.sub(r"\s+", " ", tail).strip()


def is_right(text: str, problem: Problem, answer_prefix: str) -> bool:
    """Whether a model's text ends in exactly the expected answer."""
    return final_answer(text, answer_prefix) == re.sub(r"\s+", " ", problem.answer).strip()


def wilson_interval(right: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson score interval of a share (Wilson 1927); (0, 1) for an empty sample."""
    if count == 0:
        return 0.0, 1.0
    share, square = right / count, z * z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = z / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
