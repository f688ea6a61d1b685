"""Where answers part: the words that are the same in both, and how likely the next word of each is there.

All runs of a question are asked at the same place, behind the same words: so their numbers can be compared.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from coconut_core.coconut import CoconutModel
from coconut_core.interventions import Plan
from coconut_core.latent.prompt import encode_text
from coconut_core.problems.base import Problem
from coconut_core.records.answers import final_answer, is_right, wrong_answer
from coconut_core.runs.generate import Answer
from coconut_core.runs.session import Session
from coconut_tui.run.state import DecidingPlace


@dataclass(frozen=True)
class Parting:
    """The place where two answers part, as token ids."""

    words: tuple[int, ...]  # behind <eot>, the answer prefix first
    tokens: tuple[int, ...]  # the next word of the first answer, and of the second where there is one
    judged: bool  # whether the first answer is known to be the right one

    def place(self, model: CoconutModel) -> DecidingPlace:
        """The same in words."""
        behind = model.tokenizer.decode(list(self.words)).strip()
        return DecidingPlace(behind, tuple(model.vocabulary.name(token) for token in self.tokens), self.judged)


def parting(
    model: CoconutModel,
    problem: Problem | None,
    own: Answer,
    others: Sequence[Answer],
    start: Session,
    plan: Plan,
) -> Parting | None:
    """The place where the answers to a question part.

    Of the right answer and the wrong candidate's, where the problem knows them. Else an answer that was said
    stands in: in place of the right one its own, in place of the wrong one its own where that is wrong, or
    the commonest other one. Where all said the same, it is the word of that answer of which the run (start,
    with a plan for its thoughts) is least sure. None where nothing was said.
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
        unsure = _least_sure(start, plan, words)
        return Parting(words[:unsure], (words[unsure],), judged)
    rival = _ids(model, second, own)
    place = first_difference(words, rival)
    if place == min(len(words), len(rival)):
        return None
    return Parting(words[:place], (words[place], rival[place]), judged)


def probabilities(start: Session, plan: Plan, at: Parting) -> tuple[float, ...]:
    """How likely the next words are at the place where answers part, with a plan done to the thoughts."""
    run = _after_thinking(start, plan)
    for word in at.words:
        run.speak(word)
    readout = run.next_readout
    return tuple(readout.probability(token) for token in at.tokens)


def first_difference(first: Sequence[int], second: Sequence[int]) -> int:
    """The first place at which two answers differ; the length of the shorter where they do not."""
    for place, (mine, theirs) in enumerate(zip(first, second, strict=False)):
        if mine != theirs:
            return place
    return min(len(first), len(second))


def _ids(model: CoconutModel, answer: str, like: Answer) -> tuple[int, ...]:
    """An answer as it is said behind <eot>: answer prefix, answer, end of text.

    Without a prefix it begins with a space where the answer that was said does.
    """
    lead = f"{model.config.answer_prefix} "
    if not model.config.answer_prefix:
        spaced = bool(like.token_ids) and model.vocabulary.content(like.token_ids[0]).startswith(b" ")
        lead = " " if spaced else ""
    return (*encode_text(model.tokenizer, f"{lead}{answer}"), model.tokenizer.eos_token_id)


def _least_sure(start: Session, plan: Plan, answer: Sequence[int]) -> int:
    """Which word of an answer a run gives the least probability, the end of text aside."""
    run, likely = _after_thinking(start, plan), []
    for word in answer[:-1]:
        likely.append(run.next_readout.probability(word))
        run.speak(word)
    return likely.index(min(likely))


def _after_thinking(start: Session, plan: Plan) -> Session:
    run = start.fork()
    run.apply(plan)
    run.finish_thinking()
    return run
