"""A graph as a thought may see it, and forced speech, each against what is worked out by hand."""

import random
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from coconut_core.analysis.graphs import CLASSES, Map, controls, relabelled
from coconut_core.analysis.inner_products import LEAD, class_means
from coconut_core.analysis.runs import Places, aside
from coconut_core.analysis.search import frontier_readings, mass_by_distance, read_frontier
from coconut_core.analysis.speaking import (
    answer_words,
    feed_words,
    name_probabilities,
    node_values,
    step_hops,
    step_opening,
)
from coconut_core.analysis.study import Study
from coconut_core.analysis.values import by_name, frontier_values
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.latent.prompt import encode_text
from coconut_core.problems import Problem, generate_problems
from coconut_core.problems.wording import build_tokenizer
from coconut_core.runs.rows import read_prompts
from tests.core.graphs import GRAPH, graph_of, known_problem
from tests.core.tiny_models import QUESTIONS, tiny_model

PROBLEMS = generate_problems("prosqa", 6, seed=2)


def chain_model(architecture: str = "llama") -> CoconutModel:
    """A tiny model that says that it learned on chains which begin with the root."""
    model = tiny_model(architecture, max_positions=512)
    model.config = replace(model.config, recipe={"step_style": "chain"}, first_thought_hops=0)
    return model


def with_states(model: CoconutModel, problems: list[Problem], states: Tensor) -> Study:
    """A study whose states are given, not run."""
    study = Study(model, problems, states.shape[1] - 1)
    study.__dict__["runs"] = Places(states, states[:, :, None])
    return study


# -- graphs ------------------------------------------------------------------------------------------------


def test_classes_lie_within_each_other() -> None:
    # Alex(1) -> b(0), c(2); b, c -> d(3); c -> e(4); d -> f(5); Bob(6) -> g(7); h(8) -> g
    known = Map(GRAPH)
    assert known.hops == 3
    assert known.classes(0) == {
        "not reachable": [0, 2, 3, 4, 5, 6, 7, 8],
        "reachable": [1],
        "frontier": [1],
        "optimal": [1],
    }
    classes = {name: set(nodes) for name, nodes in known.classes(2).items()}
    assert classes == {
        "not reachable": {5, 6, 7, 8},
        "reachable": {0, 1, 2, 3, 4},
        "frontier": {3, 4},
        "optimal": {3},
    }
    assert known.frontier(4) == known.frontier(-1) == ()
    assert known.walks == [[1], [0, 2], [3, 4], [5]]
    assert known.leads_to_target == {0, 1, 2, 3, 5}


def test_heights_are_distances_to_the_nearest_leaf() -> None:
    assert Map(GRAPH).heights == {4: 0, 5: 0, 7: 0, 3: 1, 2: 1, 6: 1, 8: 1, 0: 2, 1: 2}


def test_the_control_keeps_everything_but_where_a_name_stands() -> None:
    graphs = [graph_of(problem) for problem in PROBLEMS]
    dealt = controls(graphs, seed=1)
    assert dealt == controls(graphs, seed=1) != controls(graphs, seed=2)
    for graph, other in zip(graphs, dealt, strict=True):
        assert replace(other, names=graph.names) == graph
        assert sorted(other.names) == sorted(graph.names)
        assert other.names != graph.names
        has_parent = {target for _, target in graph.edges}
        for kind in (True, False):
            nodes = [node for node in range(len(graph.names)) if (node in has_parent) is kind]
            assert {graph.names[node] for node in nodes} == {other.names[node] for node in nodes}


def test_in_the_control_a_name_is_anywhere_equally_often() -> None:
    rng = random.Random(0)
    counts = dict.fromkeys(("b", "c", "d", "e", "f", "g"), 0)
    for _ in range(600):
        counts[relabelled(GRAPH, rng).names[0]] += 1
    assert all(60 < count < 140 for count in counts.values())


# -- readings of the graph ---------------------------------------------------------------------------------


def test_a_frontier_is_read() -> None:
    known = Map(GRAPH)
    probabilities = torch.tensor([0.3, 0.0, 0.1, 0.2, 0.05, 0.0, 0.0, 0.0, 0.0])
    reading = read_frontier(known, 1, probabilities)  # b and c
    assert reading is not None
    assert reading.frontier == reading.walks == pytest.approx(0.4)
    assert reading.found == 0.5, "of the two likeliest, b and d, one is on the frontier"
    assert reading.spread == pytest.approx(0.877, abs=1e-3)  # exp of the entropy of (3/4, 1/4), by 2 nodes
    even = read_frontier(known, 1, torch.tensor([0.2, 0.0, 0.2, 0, 0, 0, 0, 0, 0]))
    assert even is not None
    assert even.spread == pytest.approx(1.0)
    root = read_frontier(known, 0, probabilities)
    assert root is not None
    assert root.spread is None
    assert read_frontier(known, 4, probabilities) is None


def test_mass_and_inner_products_of_thoughts_made_by_hand() -> None:
    """Thoughts that are the sum of the frontier's embeddings, in a model with orthogonal ones."""
    table = torch.linalg.qr(torch.randn(80, 80, generator=torch.Generator().manual_seed(0)))[0]
    model = wide_model(table)
    problem = generate_problems("prosqa", 1, seed=4)[0]
    known = Map(graph_of(problem))
    study = Study(model, [problem], 3)
    tokens = study.tokens(known.graph)
    states = torch.stack([9 * table[tokens[list(known.frontier(hops))]].sum(dim=0) for hops in range(4)])[None]
    study = with_states(model, [problem], states)
    masses = mass_by_distance(study, study.maps)
    assert masses.sum(dim=1).tolist() == pytest.approx([1.0] * 4)
    assert [float(masses[hops, hops]) for hops in range(4)] == pytest.approx([1.0] * 4, abs=0.05)
    readings = frontier_readings(study, study.maps)
    assert all(reading["found"].mean == 1.0 for reading in readings)
    means = class_means(study, study.maps)
    for hops, row in enumerate(means):
        classes = known.classes(hops)
        assert row["frontier"].mean == pytest.approx(9.0, abs=1e-4)
        assert row["optimal"].mean == pytest.approx(9.0, abs=1e-4)
        share = len(classes["frontier"]) / len(classes["reachable"])
        assert row["reachable"].mean == pytest.approx(9.0 * share, abs=1e-4)
        assert row["not reachable"].mean == pytest.approx(0.0, abs=1e-4)
        assert row[LEAD].mean == pytest.approx(0.0, abs=1e-4)
    assert tuple(means[0]) == (*CLASSES, LEAD)


def wide_model(table: Tensor) -> CoconutModel:
    """A model of which only the (tied) embeddings count: its head and its table are given."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tiny = tiny_model("qwen3")
    shape = Qwen3Config(
        vocab_size=80,
        hidden_size=80,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        tie_word_embeddings=True,
    )
    model = CoconutModel(
        Qwen3ForCausalLM(shape), tiny.tokenizer, replace(tiny.config, first_thought_hops=0)
    ).eval()
    model.base_lm.get_input_embeddings().weight.data = table
    model.base_lm.tie_weights()
    return model


def test_a_study_refuses_what_it_cannot_read() -> None:
    model = tiny_model("llama")
    sums = Problem("How many?", ("<<1+1=2>>",), "2")
    with pytest.raises(CoconutError, match="needs problems with graphs"):
        _ = Study(model, [sums], 2).maps
    with pytest.raises(CoconutError, match="one token each"):
        Study(model, PROBLEMS, 2).tokens(replace(GRAPH, names=("lempus rompus", *GRAPH.names[1:])))


def test_of_prontoqa_the_kinds_are_searched() -> None:
    """What is said of them is no word of its own, and the answer names no node."""
    told = "Grimpuses are not cold. Each impus is a grimpus. Wumpuses are impuses. Every lempus is cold."
    problem = known_problem(f"{told} Each impus is sweet. Rex is a wumpus. True or false: Rex is cold.")
    model = tiny_model("llama")
    model.tokenizer = build_tokenizer("prontoqa")
    with pytest.raises(CoconutError, match="needs problems with graphs"):
        _ = Study(model, [problem], 2).maps
    model.config = replace(model.config, family="prontoqa")
    study = Study(model, [problem], 2)
    (known,) = study.maps
    graph = known.graph
    assert set(graph.names) == {"Rex", "wumpus", "impus", "grimpus", "lempus"}
    assert [graph.names[node] for node in (graph.root, graph.target, graph.wrong)] == [
        "Rex",
        "grimpus",
        "lempus",
    ]
    assert [[graph.names[node] for node in known.frontier(hops)] for hops in (1, 2, 3)] == [
        ["wumpus"], ["impus"], ["grimpus"],
    ]  # fmt: skip
    assert len(study.tokens(graph)) == 5
    unanswered = known_problem(f"{told} Rex is a wumpus. True or false: Rex is windy.")
    with pytest.raises(CoconutError, match="needs problems with graphs"):
        _ = Study(model, [unanswered], 2).maps


# -- forced speech -----------------------------------------------------------------------------------------


def recomputed(model: CoconutModel, ids: list[int], name: list[int]) -> float:
    """The probability of a name behind some tokens, from one pass over everything."""
    with torch.inference_mode():
        logits = model.base_lm(torch.tensor([[*ids, *name]])).logits[0].float()
    shares = torch.softmax(logits, dim=-1)
    product = 1.0
    for place, token in enumerate(name):
        product *= float(shares[len(ids) + place - 1, token])
    return product


def test_a_name_of_several_tokens_is_worth_their_product(model: CoconutModel) -> None:
    prompts = [model.encode_prompt(question) for question in QUESTIONS[:3]]
    context = read_prompts(model, prompts)
    before, hidden = context.length, context.hidden.clone()
    names = [[[20], [21, 22], [23, 24, 25]], [[30, 31]], [[40], [41]]]
    found = name_probabilities(model, context, names)
    assert [len(each) for each in found] == [3, 1, 2]
    for prompt, of_row, values in zip(prompts, names, found, strict=True):
        for name, value in zip(of_row, values.tolist(), strict=True):
            assert value == pytest.approx(recomputed(model, prompt, name), rel=1e-3)
    assert context.length == before
    assert torch.equal(context.hidden, hidden)


def test_words_of_different_lengths_are_fed_side_by_side(model: CoconutModel) -> None:
    prompts = [model.encode_prompt(question) for question in QUESTIONS[:2]]
    context = read_prompts(model, prompts)
    words = [[4, 20, 21], [4]]
    with aside(context):
        feed_words(model, context, words)
        found = name_probabilities(model, context, [[[30]], [[30]]])
    for prompt, told, value in zip(prompts, words, found, strict=True):
        assert float(value) == pytest.approx(recomputed(model, [*prompt, *told], [30]), rel=1e-3)
    again = name_probabilities(model, context, [[[30]], [[30]]])
    assert float(again[0]) == pytest.approx(recomputed(model, prompts[0], [30]), rel=1e-3)


def test_values_are_those_of_a_run_that_is_made_to_speak() -> None:
    model = chain_model()
    study = Study(model, PROBLEMS[:3], 2, batch_size=2)
    values = node_values(study)
    for row, (problem, known) in enumerate(zip(study.problems, study.maps, strict=True)):
        target = known.graph.names[known.graph.target]
        tokens = study.tokens(known.graph).tolist()
        for thoughts in range(3):
            run = model.start(problem.question, thoughts=thoughts)
            for _ in range(thoughts + 1):
                run.step()
            step = [run.next_readout.probability(token) for token in tokens]
            assert values.step[row][thoughts].tolist() == pytest.approx(step, rel=1e-3, abs=1e-7)
            told = f"### {problem.answer}"
            for token in encode_text(model.tokenizer, told[: told.rindex(f" {target}")]):
                run.speak(token)
            answer = [run.next_readout.probability(token) for token in tokens]
            assert values.answer[row][thoughts].tolist() == pytest.approx(answer, rel=1e-3, abs=1e-7)


def test_where_a_model_is_made_to_speak() -> None:
    chain, sentences = chain_model(), tiny_model("llama")
    assert [step_hops(chain.config, place) for place in range(3)] == [0, 1, 2]
    assert [step_hops(sentences.config, place) for place in range(3)] == [0, 1, 2]
    assert step_opening(chain, PROBLEMS[0]) == []
    rootless = chain_model()
    rootless.config = replace(rootless.config, recipe={"step_style": "nodes"}, first_thought_hops=1)
    assert [step_hops(rootless.config, place) for place in range(3)] == [1, 2, 3]
    assert step_opening(rootless, PROBLEMS[0]) == []
    assert step_opening(sentences, PROBLEMS[0]) == encode_text(sentences.tokenizer, "Every")
    symbolic = Problem("<eos> 3 7 [Q] 3 7 9", ("3 7",), "7")
    assert step_opening(sentences, symbolic) == []
    problem = known_problem(QUESTIONS[0])
    told = chain.tokenizer.convert_ids_to_tokens(answer_words(chain, problem))
    assert told == ["###", " Alex", " is a"]


def test_an_answer_that_does_not_name_the_target_is_said() -> None:
    problem = replace(known_problem(QUESTIONS[0]), answer="Alex is a sterpus.")
    with pytest.raises(CoconutError, match="do not show those of 'rompus'"):
        answer_words(tiny_model("llama"), problem)


def test_frontier_values_by_hand() -> None:
    known = Map(GRAPH)
    values = torch.zeros(3, 9)
    values[1, [0, 2]] = torch.tensor([0.5, 0.1])  # b and c, at one hop; both lead to the target
    values[2, [3, 4]] = torch.tensor([0.2, 0.3])  # d leads to it, e is a leaf
    one = frontier_values([known], [values], 1, 1)
    assert one.totals == pytest.approx([0.6])
    assert one.best.tolist() == [pytest.approx([0.5, 0.6, 0.6])]
    two = frontier_values([known], [values], 2, 2)
    assert {(node.height, node.good, round(node.value, 2)) for node in two.nodes} == {
        (1, True, 0.2),
        (0, False, 0.3),
    }
    assert two.by_height["good"][1].mean == pytest.approx(0.2)
    assert two.by_height["bad"][0].mean == pytest.approx(0.3)
    assert two.percentiles[:, 0].tolist() == pytest.approx([0.3] * 21)
    assert frontier_values([known], [values], 0, 0).totals == [], "the root itself is no candidate"
    assert frontier_values([known], [values], 4, 2).totals == []


def test_in_the_control_of_values_each_name_keeps_its_value() -> None:
    study = Study(tiny_model("llama"), PROBLEMS, 2)
    values = [torch.rand(3, len(known.graph.names)) for known in study.maps]
    for known, other, real, dealt in zip(
        study.maps, study.control_maps, values, by_name(study, values), strict=True
    ):
        mine = dict(zip(known.graph.names, real.T.tolist(), strict=True))
        assert dict(zip(other.graph.names, dealt.T.tolist(), strict=True)) == mine
