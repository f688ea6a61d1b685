"""Where answers part: the words that are the same in both, and how likely the next word of each is there.

All runs of a question are asked at the same place, behind the same words: so their numbers can be compared.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp

import torch

from coconut_core.evaluation.side_by_side import batches
from coconut_core.latent.cache.contexts import Context
from coconut_core.latent.model import LatentModel
from coconut_core.latent.prompt import answer_end, encode_text
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right, wrong_answer
from coconut_core.runs.generate import Answer
from coconut_core.runs.machine import Move
from coconut_core.runs.plan import Plan
from coconut_core.runs.rows import Row, end_rows, step_rows, think_in_parallel


@dataclass(frozen=True)
class Parting:
    """The place where two answers part, as token ids."""

    words: tuple[int, ...]  # behind <eot>, the answer prefix first
    tokens: tuple[int, ...]  # the next word of the first answer, and of the second where there is one
    judged: bool  # whether the first answer is known to be the right one


@dataclass(frozen=True)
class NextWords:
    """How likely the next words are at the place where answers part, in one run."""

    probabilities: tuple[float, ...]  # of the parting's tokens
    logit_difference: float | None  # log p(first) - log p(second), nats; None where there is no second


def parting(
    model: LatentModel,
    problem: Problem | None,
    own: Answer,
    others: Sequence[Answer],
    least_sure: Callable[[tuple[int, ...]], int],
) -> Parting | None:
    """The place where the answers to a question part.

    Of the right answer and the wrong candidate's, where the problem knows them. Else an answer that was said
    stands in: in place of the right one its own, in place of the wrong one its own where that is wrong, or
    the commonest other one. Where all said the same, it is the word of that answer of which the run is least
    sure, which least_sure(words) finds. None where nothing was said.
    """
    prefix = model.config.answer_prefix
    texts = [final_answer(answer.text, prefix) for answer in (own, *others)]
    first, second, judged = texts[0], None, False
    rivals = [texts[0], *(text for text, _ in Counter(texts).most_common())]
    if problem is not None and problem.answer:
        judged, second = True, wrong_answer(problem)
        first = texts[0] if is_right(texts[0], problem, prefix) else problem.answer
        rivals = [text for text in rivals if not is_right(text, problem, prefix)]
    if second is None:
        second = next((text for text in rivals if text and text != first), None)
    if not first:
        return None
    words = _ids(model, first, own)
    if second is None:
        unsure = least_sure(words)
        return Parting(words[:unsure], (words[unsure],), judged)
    rival = _ids(model, second, own)
    place = first_difference(words, rival)
    if place == min(len(words), len(rival)):
        return None
    return Parting(words[:place], (words[place], rival[place]), judged)


def next_words(
    model: LatentModel,
    question: str,
    plans: Sequence[Plan],
    at: Parting,
    *,
    thoughts: int | None = None,
    interrupt: Callable[[], None] | None = None,
) -> Iterator[NextWords]:
    """How likely the next words are where answers part, with each plan done to the thoughts: plan by plan. No
    numbers where the model's context has no room for the words in front of them."""
    asked = [*[()] * len(at.words), at.tokens]
    for found in _log_probabilities(model, question, plans, at.words, asked, thoughts, interrupt):
        logs = found[-1] if len(found) == len(asked) else []
        yield NextWords(tuple(map(exp, logs)), logs[0] - logs[1] if len(logs) > 1 else None)


def least_sure(
    model: LatentModel,
    question: str,
    plan: Plan,
    answer: Sequence[int],
    *,
    thoughts: int | None = None,
    interrupt: Callable[[], None] | None = None,
) -> int:
    """Which word of an answer a run gives the least probability, the end of text aside."""
    asked = [(word,) for word in answer[:-1]]
    (found,) = _log_probabilities(model, question, [plan], answer[:-2], asked, thoughts, interrupt)
    return min(range(len(found)), key=lambda place: found[place][0], default=0)


def first_difference(first: Sequence[int], second: Sequence[int]) -> int:
    """The first place at which two answers differ; the length of the shorter where they do not."""
    for place, (mine, theirs) in enumerate(zip(first, second, strict=False)):
        if mine != theirs:
            return place
    return min(len(first), len(second))


def _log_probabilities(
    model: LatentModel,
    question: str,
    plans: Sequence[Plan],
    words: Sequence[int],
    asked: Sequence[Sequence[int]],
    thoughts: int | None,
    interrupt: Callable[[], None] | None,
) -> Iterator[list[list[float]]]:
    """Log probabilities with each plan: of asked[k], as the next word behind the first k of the words that are
    put behind the thoughts. The prompt is read once for all."""
    length = len(words) + 1
    for context, rows in batches(model, question, plans, thoughts, forced=words, max_new_tokens=length):
        yield from _read_rows(model, context, [*rows.values()], asked, interrupt)


@torch.inference_mode()
def _read_rows(
    model: LatentModel,
    context: Context,
    rows: list[Row],
    asked: Sequence[Sequence[int]],
    interrupt: Callable[[], None] | None,
) -> list[list[list[float]]]:
    found: list[list[list[float]]] = [[] for _ in rows]
    think_in_parallel(model, context, rows, None, "nothing")
    while going := end_rows(rows):
        if interrupt is not None:
            interrupt()
        decision = step_rows(model, context, rows)
        for number in going:
            place = len(found[number])
            if decision.moves[number] is Move.SPEAK and place < len(asked):
                logs = torch.log_softmax(decision.readouts[number].logits.double(), dim=-1)
                found[number].append(logs[list(asked[place])].tolist())
    for row in rows:
        if row.error is not None:
            raise row.error
    return found


def _ids(model: LatentModel, answer: str, like: Answer) -> tuple[int, ...]:
    """An answer as it is said behind <eot>: answer prefix, answer, end of text or of the turn.

    Without a prefix it begins with a space where the answer that was said does.
    """
    lead = f"{model.config.answer_prefix} "
    if not model.config.answer_prefix:
        spaced = bool(like.token_ids) and model.vocabulary.content(like.token_ids[0]).startswith(b" ")
        lead = " " if spaced else ""
    end = answer_end(model.tokenizer, model.config)
    return (*encode_text(model.tokenizer, f"{lead}{answer}"), end)
