"""Thoughts found in parallel passes, against the sequential loop and against passes without a cache."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from coconut_core.analysis.runs import gather
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.runs.edits import Add, HiddenPositions, Intervention, Noise, Scale, Zero
from coconut_core.runs.generate import Answer, generate
from coconut_core.runs.halting import EntropyRule
from coconut_core.runs.plan import Plan
from coconut_core.runs.session import Session
from tests.core.precision import EXACT
from tests.core.projecting_models import projecting_model
from tests.core.reference import states_of
from tests.core.tiny_models import ARCHITECTURES, QUESTIONS, tiny_model

WORDS = 6


def reference_thoughts(
    model: CoconutModel, prompt: Sequence[int], count: int, passes: int, edits: dict[int, Intervention]
) -> tuple[Tensor, Tensor]:
    """The thoughts (count, hidden) of the last pass, as fed, and the last state of that pass.

    Every pass runs the whole sequence again with the whole model; nothing of coconut_core's loop is used.
    """
    table = model.base_lm.get_input_embeddings().weight
    start = [table[token] for token in prompt]
    fed = [table[model.config.latent_id]] * count
    thoughts: list[Tensor] = []
    for _ in range(passes):
        states = states_of(model, [*start, *fed])[len(prompt) - 1 :]
        thoughts = [edits.get(place + 1, Scale(1.0))(states[place]) for place in range(count)]
        fed = [model.feedback(thought) for thought in thoughts]
    return torch.stack(thoughts), states_of(model, [*start, *fed])[-1]


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, **EXACT)


# -- against the reference, and against the sequential loop --------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("passes", [1, 2, 3])
@torch.no_grad()
def test_a_session_feeds_what_passes_without_a_cache_find(architecture: str, passes: int) -> None:
    model = projecting_model(architecture)
    session = Session(model, QUESTIONS[0], passes=passes)
    for _ in range(4):
        session.think()
    thoughts, last = reference_thoughts(model, session.prompt_ids, 4, passes, {})
    close(torch.stack([step.hidden for step in session.steps]), thoughts)
    close(session.next_readout.hidden, last)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_as_many_passes_as_thoughts_are_the_sequential_loop(architecture: str) -> None:
    for model in (tiny_model(architecture, thoughts=4, dtype=torch.float64), projecting_model(architecture)):
        one_by_one = generate(model, QUESTIONS, keep="thoughts", max_new_tokens=WORDS)
        for passes in (4, 9):
            parallel = generate(model, QUESTIONS, keep="thoughts", max_new_tokens=WORDS, passes=passes)
            same_answers(one_by_one, parallel)
        fewer = generate(model, QUESTIONS, keep="thoughts", max_new_tokens=WORDS, passes=2)
        for own, other in zip(one_by_one, fewer, strict=True):
            close(thoughts_of(own)[:2], thoughts_of(other)[:2])
            assert not torch.allclose(thoughts_of(own)[3], thoughts_of(other)[3], atol=1e-2)


def same_answers(one: Sequence[Answer], other: Sequence[Answer]) -> None:
    for own, their in zip(one, other, strict=True):
        assert replace(own, recording=None) == replace(their, recording=None)
        close(thoughts_of(own), thoughts_of(their))


def thoughts_of(answer: Answer) -> Tensor:
    assert answer.recording is not None
    return answer.recording.thoughts


# -- a batch, a session, what is recorded ----------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("passes", [1, 2, 6])
def test_a_batch_says_what_sessions_say(architecture: str, passes: int) -> None:
    model = projecting_model(architecture)
    answers = generate(model, QUESTIONS, passes=passes, max_new_tokens=WORDS, keep="thoughts")
    for question, answer in zip(QUESTIONS, answers, strict=True):
        session = Session(model, question, passes=passes, max_new_tokens=WORDS)
        session.finish()
        assert [step.token_id for step in session.steps if step.kind == "token"] == answer.token_ids
        assert (answer.thoughts, answer.ended) == (4, ["number"])
        close(torch.stack([step.hidden for step in session.thought_steps()]), thoughts_of(answer))


def test_a_batch_reads_all_positions_in_so_many_passes() -> None:
    model = tiny_model("llama", thoughts=8, dtype=torch.float64)
    for passes, reads in ((0, 8), (3, 1 + 3), (1, 1 + 1)):  # and one for the first guess
        before = model.work.passes
        generate(model, QUESTIONS, passes=passes, speak=False)
        assert model.work.passes - before == 1 + reads + 1  # the prompt in front, <eot> behind


def test_what_layers_put_out_is_that_of_the_last_pass() -> None:
    model = projecting_model("qwen2")
    answers = generate(model, QUESTIONS, passes=2, speak=False, keep="inside")
    plain = generate(model, QUESTIONS, passes=2, speak=False, keep="thoughts")
    for question, answer, own in zip(QUESTIONS, answers, plain, strict=True):
        close(thoughts_of(answer), thoughts_of(own))
        fed = Plan.feeding(thoughts_of(own))
        alone = generate(model, [question], passes=0, plans=[fed], speak=False, keep="inside")[0]
        close(layers_of(answer), layers_of(alone))
        assert layers_of(answer).shape == (4, 2, 32)


def layers_of(answer: Answer) -> Tensor:
    assert answer.recording is not None
    assert answer.recording.layers is not None
    return answer.recording.layers


def test_a_context_without_room_ends_thinking_in_the_same_place() -> None:
    prompt = len(tiny_model("gpt2", dtype=torch.float64).encode_prompt(QUESTIONS[1]))
    model = tiny_model("gpt2", thoughts=5, max_positions=prompt + 3, dtype=torch.float64)
    one_by_one = generate(model, [QUESTIONS[1]], keep="thoughts")
    parallel = generate(model, [QUESTIONS[1]], keep="thoughts", passes=5)
    same_answers(one_by_one, parallel)
    session = Session(model, QUESTIONS[1], passes=5)
    session.finish()
    assert len(session.steps) == 3
    assert session.next_readout.entropy > 0


def test_more_thoughts_than_planned_are_those_of_a_run_that_planned_them() -> None:
    model = projecting_model("gpt2")
    runs = [Session(model, QUESTIONS[0], thoughts, passes=2) for thoughts in (2, 4)]
    for run in runs:
        for _ in range(4):
            run.think()
        run.finish()
    for own, other in zip(runs[0].steps, runs[1].steps, strict=True):
        close(own.hidden, other.hidden)
    assert [step.token_id for step in runs[0].steps] == [step.token_id for step in runs[1].steps]


def test_another_latent_segment_is_taken_one_by_one() -> None:
    model = tiny_model("llama", thoughts=2, dtype=torch.float64)
    runs = [Session(model, QUESTIONS[0], passes=passes) for passes in (0, 2)]
    for run in runs:
        for _ in range(3):
            run.step()
        run.speak(model.config.bot_id)
        run.think()
        run.think()
    for own, other in zip(runs[0].steps, runs[1].steps, strict=True):
        close(own.hidden, other.hidden)


# -- edits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["gpt2", "qwen3"])
@torch.no_grad()
def test_an_edit_is_there_in_every_pass(architecture: str) -> None:
    model = projecting_model(architecture)
    edits: dict[int, Intervention] = {1: Zero(), 3: Add(torch.linspace(-1, 1, 32))}
    session = Session(model, QUESTIONS[0], passes=2)
    session.apply(Plan(edits))
    session.finish()
    thoughts, _ = reference_thoughts(model, session.prompt_ids, 4, 2, edits)
    close(torch.stack([step.hidden for step in session.thought_steps()]), thoughts)
    answer = generate(model, QUESTIONS[:2], passes=2, plans=[Plan(edits), None], keep="thoughts")[0]
    close(thoughts_of(answer), thoughts)


def test_edits_with_as_many_passes_are_those_of_the_sequential_loop() -> None:
    model = projecting_model("llama")
    plans = [Plan({2: Zero()}), Plan({1: Noise(), 4: Scale(0.5)}, thoughts=2), Plan(thoughts=0), None]
    one_by_one = generate(model, QUESTIONS, plans=plans, keep="thoughts", max_new_tokens=WORDS)
    parallel = generate(model, QUESTIONS, plans=plans, keep="thoughts", max_new_tokens=WORDS, passes=4)
    same_answers(one_by_one, parallel)


def test_stepping_back_and_editing_equals_a_fresh_run_with_the_edit() -> None:
    model = projecting_model("qwen2")
    session = Session(model, QUESTIONS[2], passes=2)
    session.finish()
    before = [step.hidden for step in session.steps]
    session.edit(2, Zero())
    twin = session.fork()
    fresh = Session(model, QUESTIONS[2], passes=2)
    fresh.think()
    fresh.think(Zero())
    for run in (session, twin, fresh):
        run.finish()
    for own, other, third in zip(session.steps, twin.steps, fresh.steps, strict=True):
        close(own.hidden, third.hidden)
        close(other.hidden, third.hidden)
    session.edit(2, None)
    session.finish()
    for own, hidden in zip(session.steps, before, strict=True):
        close(own.hidden, hidden)


def test_what_happens_inside_at_one_thought_is_refused() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    hide = HiddenPositions((0, 1))
    message = "works inside the model at one thought.*--passes 0"
    with pytest.raises(CoconutError, match=message):
        Session(model, QUESTIONS[0], passes=2).think(hide)
    with pytest.raises(CoconutError, match=message):
        generate(model, QUESTIONS[:1], passes=2, plans=[Plan({1: hide})])
    Session(model, QUESTIONS[0], passes=0).think(hide)


# -- settings --------------------------------------------------------------------------------------------------


def test_a_rule_that_may_end_thinking_is_refused() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    with pytest.raises(CoconutError, match="passes find a fixed number of thoughts, and this run thinks until"):
        Session(model, QUESTIONS[0], stop=EntropyRule(1.0), passes=2)
    with pytest.raises(CoconutError, match="--passes 0"):
        generate(model, QUESTIONS, stop=EntropyRule(1.0), passes=2)
    with pytest.raises(CoconutError, match="passes must be 1 or more, or 0"):
        Session(model, QUESTIONS[0], passes=-1)


def test_the_checkpoint_says_in_how_many_passes() -> None:
    model = projecting_model("gpt2")
    asked = generate(model, QUESTIONS, passes=2, keep="thoughts", max_new_tokens=WORDS)
    model.config = replace(model.config, passes=2)
    same_answers(asked, generate(model, QUESTIONS, keep="thoughts", max_new_tokens=WORDS))
    assert Session(model, QUESTIONS[0]).passes == 2
    assert Session(model, QUESTIONS[0], passes=0).passes == 0


def test_readings_of_the_sequential_loop_are_refused() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    model.config = replace(model.config, passes=2)
    with pytest.raises(CoconutError, match="finds its thoughts in 2 parallel passes, and this reads those of"):
        gather(model, QUESTIONS, 3)


# -- training --------------------------------------------------------------------------------------------------


def training_rows(model: CoconutModel) -> tuple[Tensor, Tensor, Tensor]:
    """Three sequences with 3, 1 and 0 thoughts in the official layout: ids, mask, labels."""
    config, rows = model.config, []
    for question, count, words in zip(QUESTIONS, (3, 1, 0), ([20, 21], [22, 23, 24], [25]), strict=False):
        prompt = model.encode_prompt(question)
        rows.append((prompt, [config.latent_id] * count + [*config.fed_behind, *words]))
    left, right = max(len(prompt) for prompt, _ in rows), max(len(rest) for _, rest in rows)
    ids = torch.full((3, left + right), 1)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (prompt, rest) in enumerate(rows):
        ids[row, left - len(prompt) : left + len(rest)] = torch.tensor([*prompt, *rest])
        mask[row, left - len(prompt) : left + len(rest)] = 1
        said = slice(left + rest.index(config.fed_behind[0]) + 1, left + len(rest))
        labels[row, said] = ids[row, said]
    return ids, mask, labels


def reference_loss(model: CoconutModel, ids: Tensor, mask: Tensor, labels: Tensor, passes: int) -> Tensor:
    """The mean cross entropy, row by row without padding or cache, every pass a run of the whole sequence."""
    table = model.base_lm.get_input_embeddings().weight
    losses = []
    for row in range(ids.shape[0]):
        counted = mask[row].bool()
        tokens, wanted = ids[row][counted], labels[row][counted]
        latent = tokens == model.config.latent_id
        fed = [table[token] for token in tokens]
        for _ in range(passes if bool(latent.any()) else 0):
            states = states_of(model, fed)
            fed = [
                model.feedback(states[place - 1]) if latent[place] else table[tokens[place]]
                for place in range(len(tokens))
            ]
        logits = model.base_lm(inputs_embeds=torch.stack(fed)[None], use_cache=False).logits[0]
        losses.append(
            torch.nn.functional.cross_entropy(logits[:-1], wanted[1:], reduction="none")[wanted[1:] != -100]
        )
    return torch.cat(losses).mean()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_loss_and_gradients_equal_the_reference(architecture: str, passes: int) -> None:
    model = projecting_model(architecture)
    model.config = replace(model.config, passes=passes)
    batch = training_rows(model)
    found = []
    for loss in (model(*batch).loss, reference_loss(model, *batch, passes)):
        model.zero_grad()
        assert loss is not None
        loss.backward()
        found.append((loss.detach(), {name: each.grad for name, each in model.named_parameters()}))
    close(found[0][0], found[1][0])
    assert all(
        float(found[0][1][f"feedback.{name}"].abs().max()) > 1e-6 for name in ("inner.weight", "norm.bias")
    )
    for name, gradient in found[0][1].items():
        other = found[1][1][name]
        assert (gradient is None) == (other is None), name
        if gradient is not None:
            torch.testing.assert_close(gradient, other, **EXACT, msg=name)


def test_training_in_as_many_passes_as_thoughts_has_the_sequential_loss() -> None:
    model = projecting_model("llama")
    batch = training_rows(model)
    sequential = model(*batch, return_logits=True)
    model.config = replace(model.config, passes=3)
    parallel = model(*batch, return_logits=True)
    close(sequential.loss, parallel.loss)
    close(sequential.logits[batch[1].bool()], parallel.logits[batch[1].bool()])
