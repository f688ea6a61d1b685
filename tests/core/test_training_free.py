"""Thinking without training: mixtures of embeddings, the linear map, and the end of thinking by entropy."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Gemma2Config, Gemma2ForCausalLM

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import Zero
from coconut_core.interventions.donors import Sources
from coconut_core.interventions.text import parse_plan
from coconut_core.latent import feedback_modules as rules
from coconut_core.latent.config import CoconutConfig
from coconut_core.latent.feedback import RULES as BUILT_IN
from coconut_core.latent.feedback import Rule, feedback_text, read_feedback
from coconut_core.latent.feedback_modules import LinearFeedback, MixtureFeedback, NormedFeedback, ridge_map
from coconut_core.records.untrained import untrained_label
from coconut_core.runs.generate import generate
from coconut_core.runs.halting import EntropyRule
from coconut_core.runs.session import Session
from tests.core.ordinary_models import CHATML, ordinary_folder, ordinary_tokenizer
from tests.core.refusals import refusal
from tests.core.tiny_models import QUESTIONS as PROBLEMS
from tests.core.tiny_models import tiny_model

QUESTIONS = ("Is 7 a prime?", "Why?", "Name three rivers of Asia.")
RULES = (
    "mixture",
    "mixture:temperature=0.6,top_p=0.8,top_k=20",
    "mixture:temperature=0",
    "linear",
    "linear:match_norm=false,penalty=0.1",
    "normed",
    "normed:scale=0.5",
)


def test_what_is_special_about_a_rule_is_asked_of_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of another name that feeds the same at each thought, and one that feeds the state itself."""
    like_pause = Rule(
        lambda parts: rules.PauseFeedback(parts.embeddings, parts.config.latent_id),
        reads_state=False,
        remark="nothing is fed back",
    )
    monkeypatch.setitem(BUILT_IN, "silence", like_pause)
    monkeypatch.setitem(BUILT_IN, "state", Rule(lambda parts: rules.HiddenFeedback(), identity=True))
    silent, plain = (tiny_model("llama", feedback=name) for name in ("silence", "state"))
    with pytest.raises(CoconutError, match=r"the same at each thought \(feedback 'silence'\)"):
        Session(silent, PROBLEMS[0]).think(Zero())
    sources = Sources(plain, PROBLEMS[0], thoughts=2)
    assert parse_plan("pause@all", sources).edits.keys() == {1, 2}
    assert untrained_label("silence") == "not trained to think in latents: nothing is fed back"
    assert untrained_label("state") == "not trained to think in latents"


@pytest.fixture(scope="module", params=["gpt2", "llama", "qwen2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary model's folder; tests must not change it."""
    return ordinary_folder(tmp_path_factory.mktemp("ordinary"), request.param, template=CHATML)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary model's folder with embeddings that are not tied; tests must not change it."""
    return ordinary_folder(tmp_path_factory.mktemp("qwen"), "qwen2", template=CHATML)


def mixture(model: CoconutModel, **options: Any) -> MixtureFeedback:
    return MixtureFeedback(model.logits, model.base_lm.get_input_embeddings(), **options)


def weight_of(module: Any) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def map_of(model: CoconutModel) -> Tensor:
    assert isinstance(model.feedback, LinearFeedback)
    return model.feedback.map


def some_states(count: int = 4) -> Tensor:
    return torch.randn(count, 32, generator=torch.Generator().manual_seed(3))


# -- mixtures ----------------------------------------------------------------------------------------------


def test_with_all_tokens_it_is_their_mean_weighted_by_probability(qwen: Path) -> None:
    model = CoconutModel.from_pretrained(qwen, device="cpu")
    states, embeddings = some_states(), weight_of(model.base_lm.get_input_embeddings())
    expected = torch.softmax(model.logits(states), dim=-1) @ embeddings
    assert torch.equal(mixture(model)(states), expected)
    for all_of_them in ({"temperature": 1.0, "top_p": 1.0}, {"top_k": embeddings.shape[0]}, {"top_k": 10**6}):
        torch.testing.assert_close(mixture(model, **all_of_them)(states), expected, rtol=0, atol=1e-6)


def test_without_temperature_it_is_the_embedding_of_the_likeliest_token(qwen: Path) -> None:
    model = CoconutModel.from_pretrained(qwen, device="cpu")
    states = some_states()
    likeliest = model.embed(model.logits(states).argmax(dim=-1))
    assert torch.equal(mixture(model, temperature=0)(states), likeliest)
    torch.testing.assert_close(mixture(model, temperature=1e-4)(states), likeliest, rtol=0, atol=1e-5)
    assert torch.equal(mixture(model, top_k=1)(states), likeliest)
    torch.testing.assert_close(mixture(model, top_p=1e-6)(states), likeliest, rtol=0, atol=1e-6)


@pytest.mark.parametrize("top_k", [None, 3, 40])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.3])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_only_the_likeliest_tokens_are_kept(
    qwen: Path, temperature: float, top_p: float, top_k: int | None
) -> None:
    model = CoconutModel.from_pretrained(qwen, device="cpu")
    states, embeddings = some_states(), weight_of(model.base_lm.get_input_embeddings()).double()
    mixed = mixture(model, temperature=temperature, top_p=top_p, top_k=top_k)(states)
    for state, found in zip(states, mixed, strict=True):
        logits = model.logits(state).double() / temperature
        order = logits.argsort(descending=True).tolist()[:top_k]
        shares = {number: float(logits[number].exp()) for number in order}
        kept: dict[int, float] = {}
        for number, share in shares.items():
            kept[number] = share
            if sum(kept.values()) >= top_p * sum(shares.values()):
                break
        expected = sum(share * embeddings[number] for number, share in kept.items()) / sum(kept.values())
        assert isinstance(expected, Tensor)
        torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)
        if top_p == 0.3 or top_k == 3:
            assert len(kept) < 20


@pytest.mark.parametrize("text", RULES)
def test_rows_do_not_touch_each_other(qwen: Path, text: str) -> None:
    rule = CoconutModel.from_pretrained(qwen, device="cpu", feedback=text).feedback
    states = some_states(6)
    together = rule(states)
    for row, state in enumerate(states):
        torch.testing.assert_close(rule(state[None])[0], together[row], rtol=0, atol=1e-6)
    assert torch.equal(rule(states.view(2, 3, 32)), together.view(2, 3, 32))


@pytest.mark.parametrize("text", [rule for rule in RULES if rule != "mixture:temperature=0"])
def test_gradients_are_those_of_small_changes(qwen: Path, text: str) -> None:
    rule = CoconutModel.from_pretrained(qwen, device="cpu", feedback=text).feedback
    direction, state = some_states(2)
    state.requires_grad_(True)
    towards = torch.linspace(-1, 1, 32)
    (rule(state[None])[0] @ towards).backward()
    assert state.grad is not None
    with torch.no_grad():
        step = 2e-3 * direction
        change = (rule((state + step)[None])[0] - rule((state - step)[None])[0]) @ towards / 2
    torch.testing.assert_close(state.grad @ step, change, rtol=0.02, atol=1e-5)


@pytest.mark.parametrize("text", RULES)
def test_training_goes_through_it(folder: Path, text: str) -> None:
    model = CoconutModel.from_pretrained(folder, device="cpu", feedback=text)
    model.requires_grad_(True)
    latent, config = model.config.latent_id, model.config
    ids = torch.tensor([[*b"abc", *config.fed_before, latent, latent, *config.fed_behind, *b"de"]])
    labels = torch.full_like(ids, -100)
    labels[0, -2:] = ids[0, -2:]
    output = model(ids, labels=labels)
    assert output.loss is not None
    output.loss.backward()
    gradients = [each.grad for each in model.base_lm.parameters() if each.grad is not None]
    assert gradients
    assert all(bool(each.isfinite().all()) for each in gradients)


def test_the_normed_state_keeps_its_direction_and_follows_the_embeddings(qwen: Path) -> None:
    model, states = CoconutModel.from_pretrained(qwen, device="cpu", feedback="normed:scale=0.5"), some_states()
    for _ in range(2):
        fed, mean = model.feedback(states), weight_of(model.base_lm.get_input_embeddings()).norm(dim=-1).mean()
        torch.testing.assert_close(fed.norm(dim=-1), (mean / 2).expand(4))
        torch.testing.assert_close(torch.cosine_similarity(fed, states, dim=-1), torch.ones(4))
        with torch.no_grad():
            model.base_lm.get_input_embeddings().weight.mul_(3)  # as training does
    assert not model.extra_weights, "it is worked out from weights that a checkpoint has"


def test_scaled_embeddings_and_capped_logits_are_taken_as_the_model_takes_them() -> None:
    tokenizer = ordinary_tokenizer()
    torch.manual_seed(0)
    base = Gemma2ForCausalLM(
        Gemma2Config(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=1, head_dim=8,
            num_attention_heads=4, num_key_value_heads=2, final_logit_softcapping=2.0, initializer_range=0.4,
        )
    )  # fmt: skip
    model = CoconutModel(base, tokenizer, CoconutConfig(bot_id=1, eot_id=2, latent_id=3, feedback="mixture"))
    states, embedded = some_states(), model.embed(torch.arange(len(tokenizer)))
    assert not torch.allclose(embedded, weight_of(base.get_input_embeddings()))
    expected = torch.softmax(model.logits(states), dim=-1) @ embedded
    torch.testing.assert_close(model.feedback(states), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        mixture(model, temperature=0)(states), embedded[model.logits(states).argmax(dim=-1)], rtol=0, atol=1e-6
    )
    normed = NormedFeedback(base.get_input_embeddings())(states)
    torch.testing.assert_close(normed.norm(dim=-1), embedded.norm(dim=-1).mean().expand(4))
    linear = LinearFeedback(base.get_output_embeddings(), base.get_input_embeddings(), 1e-6, match_norm=False)
    rows = weight_of(base.get_output_embeddings())[:5]
    torch.testing.assert_close(linear(rows), embedded[:5], rtol=0, atol=1e-3)


# -- the linear map ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [1e-5, 0.5, 1e4])
def test_it_is_the_ridge_regression_of_embeddings_on_head_rows(
    qwen: Path, penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ROWS", 50)
    base = CoconutModel.from_pretrained(qwen, device="cpu").base_lm
    outputs, inputs = weight_of(base.get_output_embeddings()), weight_of(base.get_input_embeddings())
    assert not torch.equal(outputs, inputs)
    found = ridge_map(outputs, inputs, penalty)
    # The same problem as ordinary least squares with one more row for each entry of the penalty.
    left = torch.cat([outputs.double(), penalty**0.5 * torch.eye(32, dtype=torch.float64)])
    right = torch.cat([inputs.double(), torch.zeros(32, 32, dtype=torch.float64)])
    expected = torch.linalg.lstsq(left, right).solution
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_it_finds_a_map_that_is_there_and_is_the_identity_with_tied_embeddings() -> None:
    outputs, there = torch.randn(200, 32), torch.randn(32, 32)
    torch.testing.assert_close(ridge_map(outputs, outputs @ there, 1e-6), there.double(), rtol=0, atol=1e-4)
    identity = torch.eye(32, dtype=torch.float64)
    torch.testing.assert_close(ridge_map(outputs, outputs, 1e-5), identity, rtol=0, atol=1e-5)
    torch.testing.assert_close(ridge_map(outputs, outputs[:150], 1e-5), identity, rtol=0, atol=1e-5)


def test_what_is_fed_is_as_long_as_an_embedding_where_asked(qwen: Path) -> None:
    model = CoconutModel.from_pretrained(qwen, device="cpu", feedback="linear")
    mean = weight_of(model.base_lm.get_input_embeddings()).norm(dim=-1).mean()
    torch.testing.assert_close(model.feedback(some_states()).norm(dim=-1), mean.expand(4))
    plain = CoconutModel.from_pretrained(qwen, device="cpu", feedback="linear:match_norm=false").feedback(
        some_states()
    )
    assert plain.norm(dim=-1).std() > 0.1
    cosines = torch.cosine_similarity(plain, model.feedback(some_states()), dim=-1)
    torch.testing.assert_close(cosines, torch.ones(4))


def test_a_saved_map_comes_back_and_another_is_computed_anew(qwen: Path, tmp_path: Path) -> None:
    model = CoconutModel.from_pretrained(qwen, device="cpu", feedback="linear:penalty=3.0")
    with torch.no_grad():
        map_of(model).add_(1)  # as if it had been trained
    model.save_pretrained(tmp_path)
    loaded = CoconutModel.from_pretrained(tmp_path, device="cpu")
    assert (loaded.config.feedback, loaded.config.feedback_options) == ("linear", {"penalty": 3.0})
    assert torch.equal(loaded.feedback(some_states()), model.feedback(some_states()))
    assert torch.equal(
        map_of(CoconutModel.from_pretrained(tmp_path, device="cpu", feedback="linear")), map_of(model)
    )
    again = CoconutModel.from_pretrained(tmp_path, device="cpu", feedback="linear:penalty=4.0").feedback
    fresh = CoconutModel.from_pretrained(qwen, device="cpu", feedback="linear:penalty=4.0").feedback
    assert torch.equal(again(some_states()), fresh(some_states()))
    assert CoconutModel.from_pretrained(tmp_path, device="cpu", feedback="mixture").config.feedback == "mixture"


def test_a_head_that_is_not_in_memory_has_no_map() -> None:
    with pytest.raises(CoconutError, match="not in memory: take mixture"):
        LinearFeedback(nn.Linear(32, 50, device="meta"), nn.Embedding(50, 32, device="meta"))


# -- in runs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*RULES, "hidden"])
def test_runs_agree_with_a_full_recompute(folder: Path, text: str) -> None:
    model = CoconutModel.from_pretrained(folder, device="cpu", feedback=text)
    assert not model.config.trained
    session = Session(model, QUESTIONS[0], thoughts=3, max_new_tokens=1)
    session.finish()
    with torch.inference_mode():
        inputs = model.embed(torch.tensor([session.prompt_ids]))
        for step in session.thought_steps():
            state = model.feed(model.empty_context(1), inputs)[:, -1]
            torch.testing.assert_close(step.state, state[0], rtol=0, atol=1e-4)
            inputs = torch.cat([inputs, model.feedback(state)[:, None]], dim=1)
    answers = generate(model, QUESTIONS, thoughts=3, max_new_tokens=4)
    alone = [generate(model, [question], thoughts=3, max_new_tokens=4)[0] for question in QUESTIONS]
    assert [answer.token_ids for answer in answers] == [answer.token_ids for answer in alone]


@pytest.mark.parametrize("text", RULES)
def test_half_precision(qwen: Path, text: str) -> None:
    half = CoconutModel.from_pretrained(qwen, device="cpu", dtype="bfloat16", feedback=text)
    fed = half.feedback(some_states().to(torch.bfloat16))
    assert fed.dtype == torch.bfloat16
    if text != "mixture:temperature=0":  # of two tokens that are nearly as likely, either may be taken
        whole = CoconutModel.from_pretrained(qwen, device="cpu", feedback=text).feedback(some_states())
        torch.testing.assert_close(fed.float(), whole, rtol=0, atol=0.1)
    assert half.generate([QUESTIONS[0]], thoughts=2, max_new_tokens=2)


def test_thinking_ends_after_low_entropy_several_times_in_a_row(qwen: Path) -> None:
    model = CoconutModel.from_pretrained(qwen, device="cpu", feedback="mixture")
    entropies = []
    session = Session(model, QUESTIONS[0], thoughts=12, max_new_tokens=1)
    for _ in range(12):
        entropies.append(session.next_readout.entropy)
        session.think()
    for window in (1, 2, 3):
        threshold = sorted(entropies)[8]
        low = [all(each < threshold for each in entropies[end - window : end]) for end in range(window, 13)]
        expected = window - 1 + low.index(True) if any(low) else 12
        rule = EntropyRule(threshold, window)
        found = Session(model, QUESTIONS[0], thoughts=12, stop=rule, max_new_tokens=1)
        found.finish()
        (answer,) = generate(model, QUESTIONS[:1], thoughts=12, stop=rule, max_new_tokens=1)
        assert len(found.thought_steps()) == answer.thoughts == expected
        assert answer.ended == ["entropy" if any(low) else "limit"]
    assert "under 0.5 nats 3 times in a row" in str(EntropyRule(0.5, 3))


# -- its text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*RULES, "hidden", "pause"])
def test_text_forms_come_back(text: str) -> None:
    kind, options = read_feedback(text)
    config = CoconutConfig(bot_id=1, eot_id=2, latent_id=3, feedback=kind, feedback_options=options)
    assert read_feedback(feedback_text(config)) == (kind, options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("telepathy", "unknown feedback 'telepathy': choose one of hidden, normed, mixture, linear"),
        ("mixture:heat=1", "feedback 'mixture' has no option 'heat': it has temperature, top_p, top_k"),
        ("mixture:temperature=-1", "'temperature' must be a number of 0 or more"),
        ("mixture:temperature=NaN", "'temperature' must be a number of 0 or more"),
        ("mixture:temperature=hot", "'temperature' must be a number of 0 or more, not 'hot'"),
        ("mixture:top_p=0", "'top_p' must be above 0 and at most 1"),
        ("mixture:top_p=true", "'top_p' must be above 0 and at most 1"),
        ("mixture:top_k=2.5", "'top_k' must be a whole number of 1 or more"),
        ("mixture:0.5", "write options as in mixture:temperature=0.6,top_p=0.95"),
        ("linear:penalty=0", "'penalty' must be a number above 0"),
        ("normed:scale=0", "'scale' must be a number above 0"),
        ("linear:match_norm=maybe", "'match_norm' must be true or false"),
        ("hidden:temperature=1", "feedback 'hidden' has no option 'temperature': it has none"),
        ("projection:width=3", "a projection is trained, so its checkpoint says it"),
    ],
)
def test_impossible_texts_are_refused_before_weights_are_read(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(lambda: CoconutModel.from_pretrained(tmp_path, device="cpu", feedback=text))


def test_a_trained_checkpoint_keeps_its_feedback(saved_folder: Path) -> None:
    assert (
        CoconutModel.from_pretrained(saved_folder, device="cpu", feedback="hidden").config.feedback == "hidden"
    )
    with pytest.raises(CoconutError, match="was trained with feedback 'hidden', not 'linear'"):
        CoconutModel.from_pretrained(saved_folder, device="cpu", feedback="linear")
