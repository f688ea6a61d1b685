"""How thinking ends: every rule against its definition, in Session, in batches, and in the training forward."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import Zero
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.halting_head import HaltingHead
from coconut_core.latent.losses import IGNORE
from coconut_core.runs.generate import generate
from coconut_core.runs.halting import EntropyRule, StableRule, choose_ending
from coconut_core.runs.machine import Mode
from coconut_core.runs.session import Session
from tests.core.ending_models import RULES, ending_model, ends_at
from tests.core.precision import EXACT
from tests.core.reference import embed_with_thoughts, states_of
from tests.core.sequence_rows import gradients, make_row, pad
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, talkative_model, tiny_model


def think(model: CoconutModel, question: str, **options: Any) -> Session:
    """A run up to its first word."""
    session = Session(model, question, **options)
    while session.mode is Mode.THINKING:
        session.step()
    return session


def outcome(session: Session) -> tuple[int, str | None]:
    return len(session.thought_steps()), session.steps[-1].ended


# -- a run ends where the definition says ------------------------------------------------------------------


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("ending", RULES)
def test_rules_against_a_full_recompute(ending: str, window: int) -> None:
    expected, found = [], []
    for architecture in ARCHITECTURES:
        model = ending_model(architecture, ending, window=window)
        config = model.config
        with torch.inference_mode():
            for question in QUESTIONS:
                prompt = model.encode_prompt(question)
                row = [*prompt, *[config.latent_id] * config.thoughts]
                states = states_of(model, embed_with_thoughts(model, row))[len(prompt) - 1 :]
                logits = model.base_lm.get_output_embeddings()(states)
                expected.append(ends_at(model, list(states), list(logits)))
        found += [outcome(think(model, question)) for question in QUESTIONS]
        answers = generate(model, QUESTIONS, max_new_tokens=1, batch_size=3)
        assert [(answer.thoughts, answer.ended[0]) for answer in answers] == found[-len(QUESTIONS) :]
    assert found == expected
    assert {reason for _, reason in found} == {ending, "limit"}
    assert len({taken for taken, _ in found}) > 2


def test_the_stable_rule_by_hand() -> None:
    class Seen:
        def __init__(self, *shares: float) -> None:
            self.logits = torch.tensor(shares).log()

        def probability(self, token: int) -> float:
            return float(self.logits.exp()[token])

    drifting: list[Any] = [Seen(0.5, 0.3, 0.2), Seen(0.56, 0.24, 0.2), Seen(0.62, 0.2, 0.18)]
    other: list[Any] = [Seen(0.1, 0.7, 0.2)]
    assert StableRule(0.1, 3)(drifting, 2)  # each step below 0.1, though the whole way is not
    assert not StableRule(0.05, 3)(drifting, 2)
    assert not StableRule(0.1, 3)(drifting[1:], 1)  # too few yet
    assert StableRule(0.1, 2)(drifting[1:], 1)
    assert not StableRule(1.0, 2)(drifting[:1] + other, 1)


@pytest.mark.parametrize("threshold", [1e-9, 1.0])
def test_a_halting_head_ends_at_its_threshold_and_never_before_a_thought(threshold: float) -> None:
    model = ending_model("llama", "halting")
    model.config = replace(model.config, ending_threshold=threshold)
    expected = (1, "halting") if threshold < 0.5 else (5, "limit")
    assert [outcome(think(model, question)) for question in QUESTIONS] == [expected] * len(QUESTIONS)


# -- who decides -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", RULES)
def test_an_explicit_number_is_taken_exactly(ending: str) -> None:
    model = ending_model("qwen3", ending)
    for count in (0, 1, 7):
        session = think(model, QUESTIONS[0], thoughts=count)
        assert outcome(session) == (count, "number")
        answers = generate(model, QUESTIONS, thoughts=count, max_new_tokens=1)
        assert [(answer.thoughts, answer.ended) for answer in answers] == [(count, ["number"])] * len(QUESTIONS)


def test_stop_takes_the_place_of_the_checkpoints_rule() -> None:
    model = ending_model("llama", "halting")
    at_once, never = EntropyRule(math.inf), EntropyRule(0.0)
    assert outcome(think(model, QUESTIONS[0], stop=at_once)) == (0, "entropy")
    assert outcome(think(model, QUESTIONS[0], stop=never)) == (model.config.thoughts, "limit")
    assert outcome(think(model, QUESTIONS[0], stop=never, thoughts=2)) == (2, "limit")
    answers = generate(model, QUESTIONS, stop=never, thoughts=2, max_new_tokens=1)
    assert [(answer.thoughts, answer.ended) for answer in answers] == [(2, ["limit"])] * len(QUESTIONS)


def test_thinking_may_be_ended_by_hand_or_go_on_past_the_rule() -> None:
    model = ending_model("gpt2", "halting")
    early = Session(model, QUESTIONS[0])
    early.end_thinking()
    assert outcome(early) == (0, "by hand")
    late = Session(model, QUESTIONS[0])
    for _ in range(3):
        late.think()  # the rule would have ended it after one
    late.step()
    assert outcome(late) == (3, "halting")


@pytest.mark.parametrize("ending", RULES)
def test_each_latent_segment_ends_by_itself(ending: str) -> None:
    ruled = ending_model("qwen2", ending)
    talkative = talkative_model("qwen2", ruled.config.fed_before[0], factor=4.0, dtype=ruled.dtype)
    model = CoconutModel(talkative.base_lm, ruled.tokenizer, ruled.config).eval()
    model.halting = ruled.halting
    options: dict[str, Any] = {"temperature": 1.0, "max_new_tokens": 16}
    answers = generate(model, QUESTIONS, batch_size=3, **options)
    for question, answer in zip(QUESTIONS, answers, strict=True):
        session = Session(model, question, **options)
        assert session.finish() == answer.text
        assert [step.ended for step in session.steps if step.ended is not None] == answer.ended
        assert len(session.thought_steps()) == answer.thoughts
    assert max(len(answer.ended) for answer in answers) > 1, "no row came to a second segment"


def test_an_edit_is_seen_by_the_rule() -> None:
    rule = StableRule(1.0)  # ends as soon as two likeliest tokens agree
    free = Session(tiny_model("qwen3"), QUESTIONS[2], thoughts=5)
    for _ in range(5):
        free.think()
    tops = [step.readout.top(1)[0].token_id for step in free.steps]
    place = next(number for number in range(1, 5) if tops[number] == tops[number - 1])
    session = Session(free.model, QUESTIONS[2], thoughts=5, stop=rule)
    for _ in range(place):
        session.step()
    assert session.next_move == "end thinking"
    session.edit(place, Zero())
    readouts = [session.steps[-1].readout, session.next_readout]
    assert readouts[0].top(1)[0].probability == pytest.approx(1 / 80)  # zeros would say anything
    assert (session.next_move == "end thinking") == rule(readouts, place)
    session.edit(place, None)
    assert session.next_move == "end thinking"


def test_words_for_it() -> None:
    said = {ending: str(choose_ending(ending_model("llama", ending))) for ending in ("fixed", *RULES)}
    assert said == {
        "fixed": "takes 5 thoughts",
        "halting": "thinks until its halting head says so, at most 5 thoughts",
        "entropy": "thinks until the entropy of its readout is under 1.5 nats, at most 5 thoughts",
        "stable": "thinks until 2 readouts in a row have the same likeliest token, its probability within 0.3, "
        "at most 5 thoughts",
    }
    assert str(choose_ending(ending_model("llama", "halting"), thoughts=1)) == "takes 1 thought"


def test_a_model_built_without_a_head_cannot_halt(llama: CoconutModel) -> None:
    model = CoconutModel(llama.base_lm, llama.tokenizer, llama.config)
    model.config = replace(model.config, ending="halting", ending_threshold=0.5)
    with pytest.raises(CoconutError, match="no halting head"):
        Session(model, QUESTIONS[0])
    with pytest.raises(CoconutError, match="no halting head"):
        model(torch.tensor([[20, 21]]), halt_targets=torch.tensor([[IGNORE, IGNORE]]))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"ending": "boredom"}, "unknown ending 'boredom': choose one of fixed, halting, entropy, stable"),
        ({"ending": "halting"}, "needs an ending_threshold above 0 and at most 1, not None"),
        ({"ending": "halting", "ending_threshold": 1.5}, "above 0 and at most 1, not 1.5"),
        ({"ending": "stable", "ending_threshold": 0.0}, "above 0 and at most 1, not 0"),
        ({"ending": "stable", "ending_threshold": 0.1, "ending_window": 1}, "ending_window must be 2 or more"),
        ({"ending": "entropy", "ending_threshold": -1}, "above 0, in nats, not -1"),
        ({"ending": "entropy", "ending_threshold": math.inf}, "above 0, in nats, not inf"),
        ({"ending": "entropy", "ending_threshold": math.nan}, "above 0, in nats, not nan"),
    ],
)
def test_impossible_endings_are_refused(entries: dict[str, Any], said: str) -> None:
    with pytest.raises(CoconutError, match="ending") as caught:
        CoconutConfig(bot_id=3, eot_id=4, latent_id=5, **entries)
    assert said in str(caught.value)


# -- training ----------------------------------------------------------------------------------------------


@contextmanager
def states_read(head: HaltingHead) -> Iterator[list[Tensor]]:
    """Every state (hidden,) that the head is shown, in order."""
    seen: list[Tensor] = []
    handle = head.register_forward_pre_hook(
        lambda module, inputs: seen.extend(inputs[0].detach().clone().reshape(-1, inputs[0].shape[-1]))
    )
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_head_reads_in_training_what_it_reads_in_a_run(architecture: str) -> None:
    model = ending_model(architecture, "halting")
    config = replace(model.config, ending_threshold=1.0)  # so that the run takes all of its thoughts
    model.config = config
    prompts = [model.encode_prompt(question) for question in QUESTIONS]
    rows = [
        (
            [*prompt, *[config.latent_id] * config.thoughts, *config.fed_behind, 20],
            [IGNORE] * (len(prompt) + config.thoughts + 1) + [20],
        )
        for prompt in prompts
    ]
    ids, mask, labels = pad(rows, [max(map(len, prompts)) - len(prompt) for prompt in prompts])
    assert model.halting is not None
    targets = torch.where(ids == config.latent_id, 0, IGNORE)
    with states_read(model.halting) as in_training:
        model(ids, mask, labels, halt_targets=targets)
    in_runs: list[Tensor] = []
    for question in QUESTIONS:
        session = Session(model, question)
        for taken in range(1, config.thoughts + 1):
            session.think()
            with states_read(model.halting) as asked:
                assert session.next_move == ("end thinking" if taken == config.thoughts else "think")
            in_runs += asked
    assert len(in_runs) == len(in_training) == len(QUESTIONS) * config.thoughts
    torch.testing.assert_close(torch.stack(in_training), torch.stack(in_runs), **EXACT)
    with states_read(model.halting) as in_batch:
        generate(model, QUESTIONS, max_new_tokens=1)
    together = torch.stack(in_batch).unflatten(0, (config.thoughts, len(QUESTIONS)))  # thought by thought
    order = sorted(range(len(QUESTIONS)), key=lambda number: len(prompts[number]))
    alone = torch.stack(in_runs).unflatten(0, (len(QUESTIONS), config.thoughts))[order].transpose(0, 1)
    torch.testing.assert_close(together, alone, **EXACT)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_halting_loss_by_hand(architecture: str) -> None:
    model = ending_model(architecture, "halting")
    rows = [
        make_row(model, 7, [3], 4, seed=1),
        make_row(model, 5, [2, 1], 3, seed=2),
        make_row(model, 6, [0], 3, seed=3),
    ]
    marks = [[0, 0, 1], [0, 1, IGNORE], []]  # in the order of each row's latents; one is left out
    ids, mask, labels = pad(rows, [0, 2, 1])
    targets = torch.full_like(ids, IGNORE)
    losses = []
    weight, bias = model.halting.linear.weight[0], model.halting.linear.bias[0]
    for number, ((row, _), wanted) in enumerate(zip(rows, marks, strict=True)):
        states = states_of(model, embed_with_thoughts(model, row))
        places = [place for place, token in enumerate(row) if token == model.config.latent_id]
        for place, mark in zip(places, wanted, strict=True):
            targets[number, place + [0, 2, 1][number]] = mark
            if mark != IGNORE:
                share = 1 / (1 + torch.exp(-(weight @ states[place] + bias)))
                losses.append(-torch.log(share if mark else 1 - share))
    expected = sum(losses) / len(losses)
    assert len(losses) == 5
    expected.backward()
    wanted_gradients = gradients(model)
    output = model(ids, mask, labels, halt_targets=targets)
    assert output.halting_loss.item() == pytest.approx(expected.item(), abs=1e-5)
    output.halting_loss.backward()
    found = gradients(model)
    for name, value in wanted_gradients.items():
        torch.testing.assert_close(found[name], value, **EXACT, msg=lambda text: f"{name}: {text}")  # noqa: B023
    reached = [name for name, value in found.items() if float(value.abs().sum()) > 0]
    assert {"halting.linear.weight", "halting.linear.bias"} < set(reached)
    embedded = found[next(name for name in found if name.endswith(("wte.weight", "embed_tokens.weight")))]
    assert bool((embedded[rows[0][0][:7]].abs().sum(dim=1) > 0).all()), "no gradient through the thoughts"


def test_halting_leaves_the_other_loss_alone(model: CoconutModel) -> None:
    halting = CoconutModel(
        model.base_lm, model.tokenizer, replace(model.config, ending="halting", ending_threshold=0.5)
    )
    ids, mask, labels = pad([make_row(model, 6, [2], 4, seed=1), make_row(model, 4, [1], 3, seed=2)], [0, 2])
    targets = torch.where(ids == model.config.latent_id, 1, IGNORE)
    plain, both = model(ids, mask, labels), halting(ids, mask, labels, halt_targets=targets)
    assert plain.halting_loss is None
    assert torch.equal(plain.loss, both.loss)
    assert halting(ids, mask, labels).halting_loss is None
    unlabelled = halting(ids, mask, halt_targets=targets)
    assert unlabelled.loss is None
    assert unlabelled.halting_loss.item() == pytest.approx(both.halting_loss.item(), abs=1e-6)


def test_without_any_target_the_halting_loss_is_zero_and_still_has_gradients() -> None:
    model = ending_model("llama", "halting")
    ids, mask, labels = pad([make_row(model, 6, [0], 4, seed=1)], [0])
    output = model(ids, mask, labels, halt_targets=torch.full_like(ids, IGNORE))
    assert output.halting_loss.item() == 0
    (output.loss + output.halting_loss).backward()
    assert float(model.halting.linear.weight.grad.abs().sum()) == 0  # there, so that DDP does not wait for it


def test_targets_outside_latents_are_refused() -> None:
    model = ending_model("llama", "halting")
    ids, mask, labels = pad([make_row(model, 6, [2], 4, seed=1)], [0])
    with pytest.raises(CoconutError, match="halt_targets must be -100"):
        model(ids, mask, labels, halt_targets=torch.ones_like(ids))


def test_a_head_can_be_trained_to_count() -> None:
    """From states alone it learns to end after the second of four thoughts, and a run then does so."""
    torch.manual_seed(0)
    model = ending_model("gpt2", "halting")
    model.config = replace(model.config, thoughts=4, ending_threshold=0.5)
    prompts = [model.encode_prompt(question) for question in QUESTIONS]
    rows = [([*prompt, *[model.config.latent_id] * 4], [IGNORE] * (len(prompt) + 4)) for prompt in prompts]
    left = [max(map(len, prompts)) - len(prompt) for prompt in prompts]
    ids, mask, _ = pad(rows, left)
    targets = torch.full_like(ids, IGNORE)
    targets[:, -4:] = torch.tensor([0, 1, 1, 1])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(ids, mask, halt_targets=targets).halting_loss
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3
    assert [outcome(think(model, question)) for question in QUESTIONS] == [(2, "halting")] * len(QUESTIONS)
