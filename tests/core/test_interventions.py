"""Edits of a thought: identity ones change nothing at all, the others do what their name says."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.interventions import (
    Add,
    Apply,
    HiddenPositions,
    Intervention,
    Nearest,
    Noise,
    PatchHead,
    PatchLayer,
    Plan,
    ProjectOut,
    Replace,
    Scale,
    Zero,
    chain,
)
from coconut_core.interventions.donors import DONORS, Sources, mean_thoughts, record
from coconut_core.interventions.text import FORMS, parse_plan, read_commands
from coconut_core.problems import recognise
from coconut_core.runs.generate import generate
from coconut_core.runs.session import Session
from tests.core.plan_runs import QUESTION, THOUGHTS, assert_same, run, sources_of
from tests.core.precision import EXACT
from tests.core.tiny_models import QUESTIONS, tiny_model


def zero_vector(folder: Path, model: CoconutModel) -> str:
    save_file({"zero": torch.zeros(model.base_lm.config.hidden_size)}, folder / "zero.safetensors")
    return f"file:{folder / 'zero.safetensors'}"


IDENTITIES = {
    "scale": "scale 1@all",
    "replace": "replace own@all",
    "steer": "steer rompus 0@1-3",
    "add": "add thought:2-1 0@2",
    "remove": "remove {zero}@all",
    "patch": "patch 0 own@all; patch 1 own@2",
    "patch-head": "patch-head 0.1 own@all; patch-head 1.3 own@2",
    "knockout": "knockout thoughts@1",  # there is none before the first
    "truncate": "truncate 3",
    "extend": "extend 3",
}


@pytest.mark.parametrize("text", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_an_intervention_that_changes_nothing_gives_identical_numbers(
    model: CoconutModel, text: str, tmp_path: Path
) -> None:
    plan = parse_plan(text.format(zero=zero_vector(tmp_path, model)), sources_of(model))
    assert_same(run(model), run(model, plan))


def test_replacements_change_nothing_where_the_thought_is_that_already(model: CoconutModel) -> None:
    """The kinds that no argument turns into an identity: done twice they are as if done once."""
    for text in ("zero@2", "mean@2", "pause@2", "nearest@2", "noise 3@2"):
        once, twice = parse_plan(text, sources_of(model)), parse_plan(f"{text}; {text}", sources_of(model))
        if text.startswith("noise"):  # the norm of a norm
            expected, found = run(model, once).steps[1].hidden, run(model, twice).steps[1].hidden
            torch.testing.assert_close(expected, found, **EXACT)
        else:
            assert_same(run(model, once), run(model, twice))


def test_a_mean_over_one_problem_is_its_own_thought(model: CoconutModel) -> None:
    own = recognise(QUESTION)
    assert own is not None
    plan = parse_plan("mean@all", Sources(model, QUESTION, own, [own], THOUGHTS))
    for one, other in zip(run(model).thought_steps(), run(model, plan).thought_steps(), strict=True):
        torch.testing.assert_close(one.hidden, other.hidden, **EXACT)


def test_thoughts_fed_in_their_own_order_are_the_run_itself(model: CoconutModel) -> None:
    recorded = record(model, [QUESTION], THOUGHTS)[0].thoughts
    assert_same(run(model), run(model, Plan.feeding(recorded)))


def test_what_each_edit_does() -> None:
    thought = torch.tensor([3.0, -4.0, 0.0, 12.0])
    assert torch.equal(Zero()(thought), torch.zeros(4))
    assert torch.equal(Scale(0.5)(thought), torch.tensor([1.5, -2.0, 0.0, 6.0]))
    assert torch.equal(Replace(torch.ones(4))(thought), torch.ones(4))
    assert torch.equal(Add(torch.ones(4), 2.0)(thought), torch.tensor([5.0, -2.0, 2.0, 14.0]))
    assert torch.equal(ProjectOut(torch.tensor([0.0, 0, 0, 2]))(thought), torch.tensor([3.0, -4.0, 0, 0]))
    rows = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0.1], [0, -1.0, 0, 0]])
    assert torch.equal(Nearest(rows)(thought), rows[1])
    noise = Noise(3)(thought)
    assert float(noise.norm()) == pytest.approx(13.0, rel=1e-5)
    assert torch.equal(noise, Noise(3)(thought))
    assert not torch.allclose(noise, Noise(4)(thought))
    assert not torch.allclose(noise, Noise(3, place=2)(thought))
    assert torch.equal(chain(Zero(), Add(torch.ones(4)))(thought), torch.ones(4))
    assert torch.equal(thought, torch.tensor([3.0, -4.0, 0.0, 12.0]))


def test_dropping_leaves_the_other_thoughts_as_they_were(model: CoconutModel) -> None:
    own = run(model).thought_steps()
    dropped = run(model, parse_plan("drop@2", sources_of(model))).thought_steps()
    assert [torch.equal(dropped[place].hidden, own[was].hidden) for place, was in ((0, 0), (1, 2))] == [
        True,
        True,
    ]
    assert len(dropped) == 2


def test_shuffling_feeds_the_same_thoughts_in_another_order(model: CoconutModel) -> None:
    own = torch.stack([step.hidden for step in run(model).thought_steps()])
    shuffled = run(model, parse_plan("shuffle 1", sources_of(model))).thought_steps()
    order = [int((own == step.hidden).all(dim=1).nonzero()[0]) for step in shuffled]
    assert sorted(order) == [0, 1, 2]
    assert order != [0, 1, 2]


def test_a_shuffled_run_is_fed_its_recorded_thoughts_also_where_one_keeps_its_place(
    model: CoconutModel,
) -> None:
    own = run(model).thought_steps()
    orders = set()
    for seed in range(12):
        steps = run(model, parse_plan(f"shuffle {seed}", sources_of(model))).thought_steps()
        orders.add(
            tuple(
                next(n for n, each in enumerate(own) if torch.equal(each.hidden, step.hidden)) for step in steps
            )
        )
    assert (1, 0, 2) in orders, "the third behind the other two"


@pytest.mark.parametrize(("text", "count"), [("truncate 1", 1), ("truncate 0", 0), ("extend 5", 5)])
def test_truncating_and_extending_is_thinking_so_often(model: CoconutModel, text: str, count: int) -> None:
    asked = Session(model, QUESTION, thoughts=count, max_new_tokens=5)
    asked.finish()
    assert_same(asked, run(model, parse_plan(text, sources_of(model))))


@pytest.mark.parametrize(
    "text", ["patch 0 twin@2", "patch-head 1.2 twin@2", "knockout 0-4@2", "knockout rompus@3"]
)
def test_interventions_inside_the_model_change_what_follows_and_nothing_before(
    model: CoconutModel, text: str
) -> None:
    plain, changed = run(model), run(model, parse_plan(text, sources_of(model)))
    place = int(text[-1])
    for number, (one, other) in enumerate(zip(plain.steps, changed.steps, strict=False)):
        assert torch.equal(one.state, other.state) == (number < place)
    assert str(changed.steps[place - 1].edit).split(" ")[0] == text.split(" ")[0]


def test_patching_the_last_layer_gives_the_donors_state(model: CoconutModel) -> None:
    """What a thought's last layer puts out is all that the next state comes from."""
    twin = sources_of(model).donor_problem("twin")
    plan = parse_plan("patch 1 twin@2", sources_of(model))
    donor, patched = run(model, question=twin.question), run(model, plan)
    torch.testing.assert_close(patched.steps[2].state, donor.steps[2].state, **EXACT)


def test_a_thought_that_sees_nothing_reads_alone() -> None:
    """Hiding all other positions leaves only the thought, and to rotary positions it does not matter where."""
    model = tiny_model("llama", dtype=torch.float64)
    alone = model.feed(model.empty_context(1), torch.ones(1, 1, 32))[0, 0].detach()
    for question in QUESTIONS[:2]:
        everything = HiddenPositions(tuple(range(len(model.encode_prompt(question)))))
        plan = Plan({1: chain(Replace(torch.ones(32)), everything)})
        torch.testing.assert_close(run(model, plan, question).steps[1].state, alone, **EXACT)


EXAMPLES = [form.example for form in FORMS]


@pytest.mark.parametrize(
    "text", [*EXAMPLES, "zero@1; scale 2@3", "drop@1; steer rompus 3@1", "shuffle; zero@2"]
)
def test_a_batch_with_plans_gives_what_sessions_give(model: CoconutModel, text: str) -> None:
    questions = [QUESTIONS[0], QUESTIONS[2], QUESTIONS[0]]
    if "rompus" in text:
        questions[1] = QUESTIONS[0]
    model.config = model.config.with_thoughts(THOUGHTS)
    text = text.replace("7@2", "1@2").replace("extend 9", "extend 5")
    plans = [parse_plan(text, sources_of(model, question)) for question in questions[:2]]
    answers = generate(
        model, questions, thoughts=THOUGHTS, max_new_tokens=5, plans=[*plans, None], keep="thoughts"
    )
    for question, plan, answer in zip(questions, [*plans, None], answers, strict=True):
        session = run(model, plan, question)
        assert [step.token_id for step in session.steps if step.kind == "token"] == answer.token_ids
        fed = [step.hidden for step in session.thought_steps() if step.segment == 0]
        assert answer.recording is not None
        for one, other in zip(fed, answer.recording.thoughts, strict=False):
            torch.testing.assert_close(one, other, **EXACT)


@pytest.mark.parametrize("text", [*EXAMPLES, "zero@1-3,5", "zero@2; drop@1", "replace own:3@2"])
def test_the_text_of_interventions_reads_back(text: str) -> None:
    commands = read_commands(text)
    again = read_commands("; ".join(map(str, commands)))
    assert [(each.form, each.arguments, each.places) for each in again] == [
        (each.form, each.arguments, each.places) for each in commands
    ]


def test_the_edit_of_a_step_is_told_in_words_that_can_be_typed(model: CoconutModel) -> None:
    for text in ("zero@2", "scale 0.5@2", "noise 3@2", "replace twin@2", "steer rompus 4@2", "patch 0 own@2"):
        told = str(run(model, parse_plan(text, sources_of(model))).steps[1].edit)
        assert parse_plan(f"{told}@2", sources_of(model)).edits.keys() == {2}


@pytest.mark.parametrize(
    "text",
    [
        *("", ";", "explode@1", "zero", "zero 1@1", "scale@1", "scale big@1", "scale nan@1", "scale inf@1"),
        *("noise x@1", "zero@", "zero@x", "zero@3-1", "zero@99999999999", "zero@²", "truncate", "truncate -1"),
        *("truncate 3@1", "drop", "shuffle x", "patch x own@1", "steer rompus@1", "knockout@1"),
    ],
)
def test_texts_that_are_no_intervention_are_refused_before_any_model_is_needed(text: str) -> None:
    with pytest.raises(CoconutError) as caught:
        read_commands(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("zero@4", "no thought 4"),
        ("zero@0", "no thought 0"),
        ("drop@4", "no thought 4"),
        ("replace nobody@1", "unknown donor 'nobody'"),
        ("replace own:7@1", "no thought 7"),
        ("replace token:nothing@1", "not a single token"),
        ("replace file:nowhere.safetensors@1", "cannot read a vector"),
        ("add rompus 1@1", "names no vector"),
        ("patch 2 own@1", "no layer 2"),
        ("patch-head 0.4 own@1", "no head 0.4"),
        ("patch 0 mean@1", "nothing inside"),
        ("knockout impus@1", "does not stand in the question"),
        ("truncate 4", "takes 3 thoughts"),
        ("extend 2", "takes 3 thoughts"),
    ],
)
def test_words_that_refer_to_nothing_are_refused(text: str, why: str) -> None:
    with pytest.raises(CoconutError, match=why) as caught:
        parse_plan(text, sources_of(tiny_model("llama", dtype=torch.float64)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "intervention",
    [
        *(Replace(torch.ones(3)), Add(torch.ones(3)), ProjectOut(torch.ones(3))),
        *(PatchLayer(0, torch.ones(3)), PatchLayer(5, torch.ones(32)), PatchHead(0, 9, torch.ones(8))),
        HiddenPositions((1000,)),
    ],
)
def test_an_intervention_that_does_not_fit_is_refused_and_nothing_is_lost(intervention: Intervention) -> None:
    session = run(tiny_model("llama", dtype=torch.float64))
    before = [step.state for step in session.steps]
    with pytest.raises(CoconutError):
        session.edit(2, intervention)
    assert [torch.equal(one, step.state) for one, step in zip(before, session.steps, strict=True)]
    assert len(before) == len(session.steps)
    session.rewind(1)
    with pytest.raises(CoconutError):
        session.think(intervention)
    session.finish()
    assert all(torch.equal(one, step.state) for one, step in zip(before, session.steps, strict=True))


def test_an_embedding_is_no_thought_where_the_feedback_is_no_identity() -> None:
    model = tiny_model("llama", feedback="mixture", dtype=torch.float64)
    for text in ("pause@1", "nearest@1", "steer rompus 1@1"):
        with pytest.raises(CoconutError, match="no embedding can stand"):
            parse_plan(text, sources_of(model))


def test_donors_are_what_their_names_say(model: CoconutModel) -> None:
    sources = sources_of(model, QUESTIONS[2])
    problem = sources.problem
    assert problem is not None
    twin = sources.donor_problem("twin")
    assert twin.answer != problem.answer
    assert sources.donor_problem("random").question != problem.question
    with pytest.raises(CoconutError, match="no donor 'same-hop'"):
        Sources(model, QUESTIONS[2], problem, [problem], THOUGHTS).donor_problem("same-hop")
    drawn = Sources(model, QUESTIONS[2], problem, thoughts=THOUGHTS)  # from the model's own family
    drawn.problem = drawn.pool[0]
    assert len(drawn.donor_problem("same-hop").steps) == len(drawn.pool[0].steps)
    for name in ("own", "twin", "random", "mean"):
        assert name in DONORS
        assert sources.donor(name).thoughts.shape == (THOUGHTS, 32)


def test_a_mean_is_taken_over_the_runs_that_have_the_thought() -> None:
    short, long = torch.full((1, 2), 2.0), torch.full((2, 2), 4.0)
    assert torch.equal(mean_thoughts([short, long]), torch.tensor([[3.0, 3.0], [4.0, 4.0]]))


def test_vectors_are_read_from_safetensors_only(tmp_path: Path) -> None:
    model = tiny_model("llama", dtype=torch.float64)
    torch.save(torch.ones(32), tmp_path / "pickle.pt")
    with pytest.raises(CoconutError, match="cannot read a vector"):
        parse_plan(f"replace file:{tmp_path / 'pickle.pt'}@1", sources_of(model))
    save_file({"a": torch.ones(32), "b": torch.zeros(32)}, tmp_path / "two.safetensors")
    with pytest.raises(CoconutError, match="holds 2 vectors"):
        parse_plan(f"replace file:{tmp_path / 'two.safetensors'}@1", sources_of(model))
    plan = parse_plan(f"replace file:{tmp_path / 'two.safetensors'}#a@1", sources_of(model))
    assert torch.equal(run(model, plan).steps[0].hidden, torch.ones(32))


def test_a_run_with_inside_interventions_can_go_back_and_fork(model: CoconutModel) -> None:
    plan = parse_plan("patch 0 twin@2; knockout 0-2@3", sources_of(model))
    straight, wandering = run(model, plan), run(model, plan)
    wandering.rewind(1)
    forked = wandering.fork()
    wandering.finish()
    forked.finish()
    assert_same(straight, wandering)
    assert_same(straight, forked)


def test_a_function_is_an_intervention() -> None:
    model = tiny_model("llama", dtype=torch.float64)
    by_name, by_hand = (
        run(model, Plan({2: Scale(2.0)})),
        run(model, Plan({2: Apply(lambda thought: thought * 2)})),
    )
    assert torch.equal(by_name.next_readout.logits, by_hand.next_readout.logits)
    assert str(by_hand.steps[1].edit) == "apply <lambda>"
    answers = generate(model, [QUESTIONS[0]], plans=[Plan({2: Apply(torch.zeros_like)})], keep="thoughts")
    assert float(answers[0].recording.thoughts[1].abs().max()) == 0
    with pytest.raises(CoconutError, match=r"<lambda> returns shape \(5,\), a thought here has \(32,\)"):
        run(model, Plan({1: Apply(lambda thought: thought[:5])}))
    with pytest.raises(CoconutError, match=r"<lambda> returns nothing, a thought is a tensor \(32,\)"):
        run(model, Plan({1: Apply(lambda thought: None)}))  # type: ignore[arg-type,return-value]
    with pytest.raises(CoconutError, match="<lambda> returns numbers that are not finite"):
        run(model, Plan({1: Apply(lambda thought: thought / 0)}))
