"""Variants of one question's run: the answers of single runs, and log p(right) - log p(wrong) at one place."""

import pytest
import torch

from coconut_core.coconut import CoconutModel
from coconut_core.evaluation.deciding import Parting, least_sure, next_words
from coconut_core.evaluation.side_by_side import ROWS
from coconut_core.evaluation.variants import Variants, answers_with
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.latent.prompt import encode_text
from coconut_core.problems import example_problem
from coconut_core.runs.plan import Plan
from tests.core.tiny_models import talkative_model, tiny_model

PROBLEM = example_problem("prosqa", 1)
TEXTS = ("zero@1", "noise@2", "drop@3", "scale 0.5@all", "truncate 1", "knockout prompt@2")


def model_of(architecture: str, **options: object) -> CoconutModel:
    end = tiny_model(architecture).tokenizer.eos_token_id
    return talkative_model(architecture, end, thoughts=4, max_positions=4096, **options)  # type: ignore[arg-type]


def plans_of(model: CoconutModel) -> list[Plan]:
    sources = Sources(model, PROBLEM.question, PROBLEM)
    return [Plan(), *(parse_plan(text, sources) for text in TEXTS)]


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_the_logit_difference_is_that_of_single_runs_behind_the_same_words(architecture: str) -> None:
    model = model_of(architecture, dtype=torch.float64)
    words = tuple(encode_text(model.tokenizer, "### Polly is a"))
    tokens = model.token_id("jelpus"), model.token_id("worpus")
    plans = plans_of(model)
    found = list(next_words(model, PROBLEM.question, plans, Parting(words, tokens, True)))
    for plan, mine in zip(plans, found, strict=True):
        session = model.start(PROBLEM.question)
        session.apply(plan)
        session.finish_thinking()
        for word in words:
            session.speak(word)
        logits = session.next_readout.logits
        assert mine.logit_difference == pytest.approx(float(logits[tokens[0]] - logits[tokens[1]]), abs=1e-5)
        expected = [session.next_readout.probability(token) for token in tokens]
        assert mine.probabilities == pytest.approx(expected, abs=1e-6)


def test_more_runs_than_fit_side_by_side_have_the_numbers_of_few() -> None:
    model = model_of("llama")
    at = Parting((), (5, 6), False)
    few = list(next_words(model, PROBLEM.question, plans_of(model), at))
    many = list(next_words(model, PROBLEM.question, plans_of(model) * 6, at))
    assert len(many) == 6 * len(few) > ROWS
    for number, each in enumerate(many):
        expected = few[number % len(few)].logit_difference
        assert each.logit_difference == pytest.approx(expected, abs=1e-4)


def test_answers_are_those_of_single_runs() -> None:
    model = model_of("llama", dtype=torch.float64)
    for plan, answer in zip(
        plans_of(model), answers_with(model, PROBLEM.question, plans_of(model)), strict=True
    ):
        session = model.start(PROBLEM.question)
        session.apply(plan)
        session.finish()
        assert answer.text == session.text
        assert answer.thoughts == len(session.thought_steps())


def test_the_word_a_run_is_least_sure_of() -> None:
    model = model_of("llama", dtype=torch.float64)
    answer = encode_text(model.tokenizer, "### Polly is a jelpus.")
    session = model.start(PROBLEM.question)
    session.finish_thinking()
    likely = []
    for word in answer:
        likely.append(session.next_readout.probability(word))
        session.speak(word)
    end = model.tokenizer.eos_token_id
    found = least_sure(model, PROBLEM.question, Plan(), (*answer, end))
    assert found == likely.index(min(likely))


def test_where_the_context_ends_in_front_of_the_words_there_are_no_numbers() -> None:
    prompt = len(model_of("llama").encode_prompt(PROBLEM.question))
    model = model_of("llama")
    model.base_lm.config.max_position_embeddings = prompt + 5
    words = tuple(encode_text(model.tokenizer, "### Polly is a"))
    (found,) = next_words(model, PROBLEM.question, [Plan()], Parting(words, (1, 2), True))
    assert (found.probabilities, found.logit_difference) == ((), None)


def test_what_is_found_comes_in_bit_by_bit_and_can_be_ended() -> None:
    model = model_of("llama")
    plans = dict(enumerate(plans_of(model)))
    study = Variants(model, PROBLEM.question, PROBLEM, plans)
    seen: list[tuple[int, int]] = []
    study.find(lambda: seen.append((len(study.answers), len(study.next_words))), lambda: None)
    assert seen[0] == (1, 0)
    assert (1, len(plans)) in seen, "probabilities come first where the words are known"
    assert seen[-1] == (len(plans), len(plans))

    class Enough(Exception):  # noqa: N818  (it is no error)
        pass

    def interrupt() -> None:
        if study.answers:
            raise Enough

    study = Variants(model, PROBLEM.question, PROBLEM, plans)
    with pytest.raises(Enough):
        study.find(lambda: None, interrupt)
    assert list(study.answers) == [0]
