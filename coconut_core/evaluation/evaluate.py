"""How many answers are right: accuracy with its interval, by number of hops; what the answers cost."""

import copy
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, overload

from coconut_core.common.errors import CoconutError
from coconut_core.common.plots import Figure, Line, Stack, draw_lines, draw_stacks
from coconut_core.evaluation.outcomes import Outcome, classify, has_classes
from coconut_core.evaluation.significance import Share
from coconut_core.evaluation.sweep import answers_by_plan
from coconut_core.interventions.plans import Do, plans_for
from coconut_core.latent.model import LatentModel, Work
from coconut_core.problems.base import Problem
from coconut_core.records.answers import has_answer, is_right, is_right_officially
from coconut_core.runs.generate import Answer
from coconut_core.runs.halting import StopRule, endings_of

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Evaluation:
    """The outcome on a set of problems; the tuples have one entry per problem, in order."""

    right: tuple[bool, ...]
    answers: tuple[Answer, ...]
    outcomes: tuple[Outcome | None, ...]  # None where a problem asks for no way through a graph
    hops: tuple[int, ...]  # number of reasoning steps
    seconds: float  # wall time
    work: Work  # forward passes and positions, all problems together
    no_answer: int = 0  # in how many texts nothing could be taken for an answer

    def __repr__(self) -> str:
        low, high = (100 * bound for bound in self.interval)
        shares = {hops: f"{share.right}/{share.count}" for hops, share in self.shares_by_hops.items()}
        by_hops = ", ".join(f"{hops}: {share}" for hops, share in shares.items())
        score = f"{self.share.right} of {self.count} right, {100 * self.accuracy:.1f} % ({low:.1f}–{high:.1f})"
        return f"Evaluation({score}; by steps {by_hops})"

    @property
    def share(self) -> Share:
        """All problems together."""
        return Share(sum(self.right), len(self.right))

    @property
    def count(self) -> int:
        return self.share.count

    @property
    def accuracy(self) -> float:
        return self.share.accuracy

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the accuracy."""
        return self.share.interval

    @property
    def shares_by_hops(self) -> dict[int, Share]:
        """What is right by number of reasoning steps."""
        counts = Counter(self.hops)
        right = Counter(number for number, ok in zip(self.hops, self.right, strict=True) if ok)
        return {number: Share(right[number], count) for number, count in sorted(counts.items())}

    @property
    def by_hops(self) -> dict[int, float]:
        """Accuracy by number of reasoning steps."""
        return {number: share.accuracy for number, share in self.shares_by_hops.items()}

    @property
    def outcome_counts(self) -> dict[Outcome, int]:
        """How many answers are of each class; empty where the classes apply to none."""
        counts = Counter(outcome for outcome in self.outcomes if outcome is not None)
        return {outcome: counts[outcome] for outcome in Outcome} if counts else {}

    @property
    def mean_tokens(self) -> float:
        """Mean number of tokens of an answer, thoughts included."""
        return sum(answer.tokens for answer in self.answers) / max(1, self.count)

    @property
    def cut_off(self) -> int:
        """How many answers did not come to their end within max_new_tokens or the model's context."""
        return sum(not answer.finished and not answer.error for answer in self.answers)

    @property
    def errors(self) -> list[str]:
        """What went wrong where there is no answer, one entry for each such problem; it counts as not right."""
        return [answer.error for answer in self.answers if answer.error]

    def to_json(self) -> dict[str, Any]:
        """All figures as one JSON object; shares between 0 and 1."""
        return {
            "n": self.count,
            "right": self.share.right,
            "right_by_problem": list(self.right),
            "accuracy": self.accuracy,
            "interval_95": list(self.interval),
            "by_hops": self.by_hops,
            "hops": {
                number: {"n": share.count, "right": share.right, "interval_95": list(share.interval)}
                for number, share in self.shares_by_hops.items()
            },
            "outcomes": {outcome.value: count for outcome, count in self.outcome_counts.items()},
            "mean_answer_tokens": self.mean_tokens,
            "cut_off": self.cut_off,
            "no_answer": self.no_answer,
            "failed": len(self.errors),
            "seconds": round(self.seconds, 3),
            "forward_passes": self.work.passes,
            "positions": self.work.positions,
        }


@overload
def evaluate(
    model: LatentModel,
    problems: Sequence[Problem],
    *,
    do: Do | None = ...,
    plans: None = ...,
    thoughts: int | Sequence[int] | None = ...,
    answer_only: bool = ...,
    max_new_tokens: int = ...,
    batch_size: int = ...,
    stop: StopRule | None = ...,
    progress: Callable[[int], None] | None = ...,
    official: bool = ...,
) -> Evaluation: ...


@overload
def evaluate(
    model: LatentModel,
    problems: Sequence[Problem],
    *,
    plans: Mapping[Name, Do | None],
    thoughts: int | Sequence[int] | None = ...,
    answer_only: bool = ...,
    max_new_tokens: int = ...,
    batch_size: int = ...,
    stop: StopRule | None = ...,
    progress: Callable[[int], None] | None = ...,
    official: bool = ...,
) -> dict[Name, Evaluation]: ...


def evaluate(
    model: LatentModel,
    problems: Sequence[Problem],
    *,
    do: Do | None = None,
    plans: Mapping[Name, Do | None] | None = None,
    thoughts: int | Sequence[int] | None = None,
    answer_only: bool = True,
    max_new_tokens: int = 128,
    batch_size: int = 64,
    stop: StopRule | None = None,
    progress: Callable[[int], None] | None = None,
    official: bool = False,
) -> Evaluation | dict[Name, Evaluation]:
    """Greedy answers to all problems; see is_right for which of them are right, and generate for thoughts and
    stop. A problem at which something goes wrong, as numbers that overflow, has no answer and is not right.

    do: what is done to the thoughts of each problem, see CoconutModel.run; plans: several such by name (None
    does nothing), for a sweep with an Evaluation for each. A problem's prompt is read once for all of them, so
    that seconds and work are those of the whole sweep; batch_size and progress count runs.
    answer_only lets nothing but thoughts do the reasoning: the answer prefix follows <eot> at once, with
    and without thoughts alike. Otherwise the model may go on to reason in words.
    official decodes and scores as the official evaluation does: the model goes on in words, does not think
    again where it says <bot>, and is_right_officially says which answers are right.
    Raises CoconutError for an intervention that cannot be done.
    """
    if do is not None and plans is not None:
        raise CoconutError("do= is one intervention and plans= are several by name: give one of the two")
    model = without_reopening(model) if official else model
    began, before = time.perf_counter(), replace(model.work)
    asked: Mapping[Any, Do | None] = {None: do} if plans is None else plans
    bound = {
        name: plans_for(model, problems, what, thoughts=thoughts, stop=stop) for name, what in asked.items()
    }
    answers: dict[Hashable, dict[int, Answer]] = {name: {} for name in asked}
    for number, name, answer in answers_by_plan(
        model,
        [problem.question for problem in problems],
        [{name: each[number] for name, each in bound.items()} for number in range(len(problems))],
        endings_of(model, len(problems), thoughts, stop),
        answer_only=answer_only and not official,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        progress=progress,
        raising=False,
    ):
        answers[name][number] = answer
    seconds = time.perf_counter() - began
    work = Work(model.work.passes - before.passes, model.work.positions - before.positions)
    results: dict[Any, Evaluation] = {
        name: judge(problems, in_order(said), model.config.answer_prefix, seconds, work, official=official)
        for name, said in answers.items()
    }
    return results if plans is not None else results[None]


def in_order(answers: Mapping[int, Answer]) -> list[Answer]:
    """Answers by number of the problem, in order."""
    return [answers[number] for number in sorted(answers)]


def without_reopening(model: LatentModel) -> LatentModel:
    """The same model, weights shared, that says <bot> like any other word once it speaks."""
    clone, config = copy.copy(model), model.config
    clone.config = replace(config, bot_id=None, before_ids=config.fed_before)
    return clone


def judge(
    problems: Sequence[Problem],
    answers: Sequence[Answer],
    answer_prefix: str,
    seconds: float,
    work: Work,
    *,
    official: bool = False,
) -> Evaluation:
    """Which of the answers to the problems are right, and of which class each is. official: see evaluate."""
    right: list[bool] = []
    outcomes: list[Outcome | None] = []
    for problem, answer in zip(problems, answers, strict=True):
        ok = not answer.error and (
            is_right_officially(answer.text, problem)
            if official
            else is_right(answer.text, problem, answer_prefix)
        )
        partial = answer.thoughts > 0
        graph = problem.graph if has_classes(problem) and not answer.error else None
        right.append(ok)
        outcomes.append(
            None if graph is None else classify(answer.text, graph, answer_prefix, right=ok, partial=partial)
        )
    hops = tuple(len(problem.steps) for problem in problems)
    no_answer = sum(
        not has_answer(answer.text, problem, answer_prefix)
        for problem, answer in zip(problems, answers, strict=True)
        if not answer.error
    )
    return Evaluation(tuple(right), tuple(answers), tuple(outcomes), hops, seconds, work, no_answer)


# -- figures -----------------------------------------------------------------------------------------------


def accuracy_line(label: str, shares: Mapping[int, Share]) -> Line:
    """Accuracy in per cent with its 95 % interval, against the keys."""
    intervals = [share.interval for share in shares.values()]
    return Line(
        label,
        x=list(shares),
        y=[100 * share.accuracy for share in shares.values()],
        low=[100 * low for low, _ in intervals],
        high=[100 * high for _, high in intervals],
    )


def figure_by_hops(result: Evaluation, title: str) -> Figure:
    """Accuracy against the number of reasoning steps."""
    line = accuracy_line(f"accuracy, 95 % interval, n={result.count}", result.shares_by_hops)
    return draw_lines([line], title, "reasoning steps", "accuracy (%)", y_range=(0, 100))


def figure_by_thoughts(results: Mapping[int, Evaluation], title: str) -> Figure:
    """Accuracy against the number of thoughts k, all problems and by steps, and beside it the six classes
    as shares of the answers where the problems have graphs (arXiv 2412.06769, figure 3)."""
    lines = [accuracy_line("all problems", {k: result.share for k, result in results.items()})]
    first = next(iter(results.values()))
    if len(first.shares_by_hops) > 1:
        lines += [
            replace(
                accuracy_line(f"{hops} steps", {k: r.shares_by_hops[hops] for k, r in results.items()}),
                low=None,
                high=None,
            )
            for hops in first.shares_by_hops
        ]
    figure = draw_lines(lines, title, "thoughts k", "accuracy (%)", y_range=(0, 100))
    if not first.outcome_counts:
        return figure
    stacks = []
    for outcome in Outcome:
        counts = [
            (result.outcome_counts[outcome], sum(result.outcome_counts.values())) for result in results.values()
        ]
        stacks.append(Stack(outcome.value, [100 * count / total for count, total in counts]))
    bars = [str(thoughts) for thoughts in results]
    return figure.beside(draw_stacks(stacks, bars, "What was said", "thoughts k", "share of answers (%)"))
