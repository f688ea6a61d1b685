"""Patching the residual stream at positions of the prompt, held to a recompute without a cache."""

import pytest
import torch
from torch import Tensor

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.evaluation.deciding import Parting, next_words
from coconut_core.evaluation.variants import answers_with
from coconut_core.interventions import PatchLayer, Plan, Zero
from coconut_core.interventions.text import parse_plan, read_commands
from coconut_core.latent.layers import decoder_layers
from coconut_core.runs.generate import generate
from tests.core.plan_runs import QUESTION, THOUGHTS, assert_same, run, sources_of
from tests.core.precision import EXACT, format_for
from tests.core.reference import embed_with_thoughts, states_of
from tests.core.tiny_models import QUESTIONS, tiny_model


def recomputed(model: CoconutModel, question: str, patches: dict[tuple[int, int], Tensor]) -> Tensor:
    """The state behind the thoughts (hidden,), everything read again for each thought, with vectors put in
    place of what layers give, by layer and position."""

    def replacing(layer: int):
        def hook(module, inputs, output):
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            for (number, position), vector in patches.items():
                if number == layer:
                    hidden[0, position] = vector
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return hook

    layers = decoder_layers(model)
    handles = [layer.register_forward_hook(replacing(number)) for number, layer in enumerate(layers)]
    try:
        ids = [*model.encode_prompt(question), *[model.config.latent_id] * THOUGHTS]
        return states_of(model, embed_with_thoughts(model, ids))[-1]
    finally:
        for handle in handles:
            handle.remove()


def own_streams(model: CoconutModel, question: str) -> Tensor:
    """The residual stream after each layer, (layers, positions, hidden), from a pass without a cache."""
    seen: list[Tensor] = []

    def keep(module, inputs, output):
        seen.append((output[0] if isinstance(output, tuple) else output)[0])

    handles = [layer.register_forward_hook(keep) for layer in decoder_layers(model)]
    states_of(model, embed_with_thoughts(model, model.encode_prompt(question)))
    for handle in handles:
        handle.remove()
    return torch.stack(seen)


@pytest.mark.parametrize("places", [{(0, 4)}, {(0, 0)}, {(1, 16)}, {(0, 3), (0, 4), (1, 5)}])
@torch.no_grad()
def test_a_prompt_patch_is_that_of_a_recompute_without_a_cache(
    model: CoconutModel, places: set[tuple[int, int]]
) -> None:
    sources = sources_of(model)
    twin = sources.donor_problem("twin").question
    streams = own_streams(model, twin)
    text = "; ".join(f"patch {layer} twin@prompt:{position}" for layer, position in sorted(places))
    patches = {place: streams[place] for place in places}
    session = run(model, parse_plan(text, sources))
    behind = session.steps[THOUGHTS].state  # what <eot> reads from
    torch.testing.assert_close(behind, recomputed(model, QUESTION, patches), **EXACT)


@pytest.mark.parametrize("architecture", ["gemma2", "mamba", "jamba"])
@torch.no_grad()
def test_so_it_is_with_windows_and_recurrent_layers(architecture: str) -> None:
    model = tiny_model(architecture, dtype=format_for(architecture))
    streams = own_streams(model, QUESTION)
    vector = streams[0, 4].flip(0)
    plan = Plan({0: PatchLayer(0, vector, position=4)})
    session = run(model, plan)
    expected = recomputed(model, QUESTION, {(0, 4): vector})
    assert not torch.allclose(session.steps[THOUGHTS].state, run(model).steps[THOUGHTS].state, atol=1e-4)
    torch.testing.assert_close(session.steps[THOUGHTS].state, expected, rtol=1e-3, atol=2e-4, check_dtype=False)
    (answer,) = answers_with(model, QUESTION, [plan], thoughts=THOUGHTS, max_new_tokens=5)
    assert answer.token_ids == [step.token_id for step in session.steps if step.kind == "token"]


def test_batches_do_what_a_run_by_itself_does_wherever_the_first_change_stands(model: CoconutModel) -> None:
    sources = sources_of(model)
    texts = ["patch 0 twin@prompt:6", "zero@1", "patch 1 twin@prompt:9; zero@2", "patch 0 zero@prompt:12-14"]
    for some in (texts, [texts[1], "patch 0 twin@prompt:0"], texts[3:]):
        plans = [parse_plan(text, sources) for text in some]
        found = next_words(model, QUESTION, plans, Parting((), (5, 6), False), thoughts=THOUGHTS)
        for plan, words in zip(plans, found, strict=True):
            logits = run(model, plan).steps[THOUGHTS + 1].readout.logits
            assert words.logit_difference == pytest.approx(float(logits[5] - logits[6]), abs=1e-5)


def test_many_questions_side_by_side_have_their_prompts_patched_each(model: CoconutModel) -> None:
    questions = [QUESTIONS[2], QUESTION, QUESTION]
    plan = parse_plan("patch 0 zero@prompt:2", sources_of(model))
    plans = [None, plan, parse_plan("patch 0 zero@prompt:2; zero@1", sources_of(model))]
    answers = generate(model, questions, thoughts=THOUGHTS, max_new_tokens=5, plans=plans, keep="thoughts")
    for question, each, answer in zip(questions, plans, answers, strict=True):
        session = run(model, each, question)
        assert answer.token_ids == [step.token_id for step in session.steps if step.kind == "token"]
        assert answer.recording is not None
        fed = torch.stack([step.hidden for step in session.thought_steps()])
        torch.testing.assert_close(answer.recording.thoughts, fed, **EXACT)


def test_its_own_stream_changes_nothing_and_it_can_be_taken_back(model: CoconutModel) -> None:
    sources = sources_of(model)
    plain, patched = run(model), run(model, parse_plan("patch 0 own@prompt:0-9; patch 1 own@prompt:3", sources))
    for one, other in zip(plain.steps, patched.steps, strict=True):
        torch.testing.assert_close(one.state, other.state, **EXACT)
    changed = run(model, parse_plan("patch 0 twin@prompt:4", sources))
    forked = changed.fork()
    forked.rewind(1)
    forked.finish()
    assert_same(changed, forked)
    changed.edit_prompt(None)
    changed.finish()
    assert_same(plain, changed)


def test_what_is_seen_inside_a_run_has_its_prompt_patched() -> None:
    from coconut_core.analysis.insight import look_inside

    model = tiny_model("llama", dtype=torch.float64)
    session = run(model, parse_plan("patch 0 twin@prompt:4", sources_of(model)))
    places = look_inside(session).places
    for place, step in zip(places, session.steps, strict=False):
        torch.testing.assert_close(place.state, step.state, **EXACT)


@pytest.mark.parametrize("text", ["patch 0 twin@prompt:4", "patch 0 zero@prompt:0-3,9", "knockout thought:1@3"])
def test_the_text_reads_back(text: str) -> None:
    assert "; ".join(map(str, read_commands(text))) == text
    model = tiny_model("llama")
    assert parse_plan(text, sources_of(model)).text == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("zero@prompt:3", "cannot be done in the prompt, only patch"),
        ("patch 0 twin@prompt:999", "no position 999"),
        ("patch 7 twin@prompt:1", "no layer 7"),
        ("patch 0 mean@prompt:1", "nothing inside"),
        ("patch 0 nobody@prompt:1", "unknown donor"),
        ("patch 0 twin@prompt:", "is not a position"),
        ("patch 0 twin@prompt:x", "is not a position"),
        ("patch 0 random@prompt:1", "only prompts of one length"),
        ("knockout thought:2@2", "does not see thought 2"),
        ("knockout thought:0@2", "does not see thought 0"),
        ("patch-head 9.0 zero@1", "no layer 9"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(text: str, why: str) -> None:
    model = tiny_model("llama")
    with pytest.raises(CoconutError, match=why) as caught:
        run(model, parse_plan(text, sources_of(model)))
    assert "\n" not in str(caught.value)


def test_a_prompt_takes_nothing_else_and_a_thought_no_prompt_patch() -> None:
    model = tiny_model("llama")
    with pytest.raises(CoconutError, match="only layers can be patched there"):
        run(model, Plan({0: Zero()}))
    with pytest.raises(CoconutError, match="only layers can be patched there"):
        run(model, Plan({0: PatchLayer(0, torch.zeros(32))}))
    with pytest.raises(CoconutError, match="is for the prompt"):
        run(model, Plan({1: PatchLayer(0, torch.zeros(32), position=3)}))
