"""Evaluating many questions in batches, against one at a time, the whole prefix read again for every word."""

from collections.abc import Sequence
from functools import partial

from bench.ask import OFFICIAL, OURS, make_talkative
from bench.measure import Comparison, Way, take_turns
from bench.naive import answer
from bench.shapes import Shape, random_question
from coconut_core.coconut import CoconutModel
from coconut_core.problems import generate_problems
from coconut_core.runs.generate import generate

TARGET = 20.0  # on ProsQA shapes
SAMPLE = 5  # questions that the plain way is timed on
CHECKPOINT = "models/prosqa-labelled"
MOST_WORDS = 64  # of an answer of the checkpoint, which ends by itself
Words = list[list[int]]  # token ids of the words, by question


def compare(shape: Shape, repetitions: int) -> list[Comparison]:
    """Measure one shape, and for that of the checkpoint also the checkpoint itself on ProsQA questions.

    Raises AssertionError where the two ways say different words.
    """
    model = shape.build()
    make_talkative(model)
    questions = [random_question(shape, seed) for seed in range(shape.items)]
    comparisons = [_compare(shape, OFFICIAL, model, questions, shape.thoughts, shape.answer, repetitions)]
    if shape.name == "prosqa":
        model = CoconutModel.from_pretrained(CHECKPOINT, device="cpu")
        questions = [problem.question for problem in generate_problems("prosqa", shape.items, seed=7)]
        thoughts = model.config.thoughts
        comparisons.append(_compare(shape, CHECKPOINT, model, questions, thoughts, MOST_WORDS, repetitions))
    return comparisons


def _compare(
    shape: Shape,
    against: str,
    model: CoconutModel,
    questions: Sequence[str],
    thoughts: int,
    words: int,
    repetitions: int,
) -> Comparison:
    sample = questions[:: -(-len(questions) // SAMPLE)]
    ways = [
        Way(OURS, partial(ours, model, questions, thoughts, words)),
        Way(OFFICIAL, partial(one_by_one, model, sample, thoughts, words)),
    ]
    places = [questions.index(question) for question in sample]

    def same_words(words: Words, sample: Words) -> str:
        return "" if words is sample else check_same(words, sample, places, model.config.bot_id)

    seconds, same = take_turns(ways, repetitions, same_words)
    scale = len(questions) / len(sample)
    return Comparison(
        "eval",
        shape.name,
        against,
        f"{same[OFFICIAL]}; {len(questions)} questions, theirs timed on {len(sample)} of them and scaled",
        seconds[OURS],
        [scale * time for time in seconds[OFFICIAL]],
        TARGET if shape.name == "prosqa" else None,
    )


def ours(model: CoconutModel, questions: Sequence[str], thoughts: int, words: int) -> Words:
    """The answers, in batches as evaluate has them."""
    answers = generate(model, questions, thoughts=thoughts, max_new_tokens=words)
    return [answer.token_ids for answer in answers]


def one_by_one(model: CoconutModel, questions: Sequence[str], thoughts: int, words: int) -> Words:
    """The answers in the plain way."""
    return [answer(model, model.encode_prompt(question), thoughts, words) for question in questions]


def check_same(words: Words, sample: Words, places: Sequence[int], bot: int | None) -> str:
    """How much was compared: all words up to a <bot>, behind which ours thinks again. Raises AssertionError
    where other words were said."""
    compared = [_up_to(answer_words, bot) for answer_words in sample]
    if [_up_to(words[place], bot) for place in places] != compared:
        raise AssertionError("not the same answers")
    return f"{sum(map(len, compared))} words of {len(sample)} answers"


def _up_to(words: list[int], last: int | None) -> list[int]:
    return words[: words.index(last) + 1] if last in words else words
