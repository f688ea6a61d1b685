"""Attention by parts of the question, principal components, series: against numbers worked out by hand."""

from dataclasses import replace
from math import log

import pytest
import torch

from coconut_core.analysis.attention import TextPlan, attention_to_parts, mean_attention, plan_text
from coconut_core.analysis.estimates import estimate, line_of
from coconut_core.analysis.graphs import Map
from coconut_core.analysis.insight import look_inside
from coconut_core.analysis.pca import Pca, dealt_anew, read_pca
from coconut_core.analysis.runs import gather
from coconut_core.analysis.series import nearest_cosine, state_series
from coconut_core.analysis.study import Study
from coconut_core.coconut import CoconutModel
from coconut_core.common.errors import CoconutError
from coconut_core.problems import generate_problems
from coconut_core.runs.session import Session
from tests.core.graphs import graph_of, known_problem
from tests.core.precision import EXACT, FLOAT32
from tests.core.tiny_models import QUESTIONS, tiny_model

QUESTION = QUESTIONS[2]  # impus -> jompus -> kerpus; Sam -> impus; Tom -> rempus; Is Sam a kerpus or rempus?
PROBLEMS = generate_problems("prosqa", 6, seed=2)


def planned(model: CoconutModel) -> tuple[Map, list[int], list[list[int]], TextPlan]:
    problem = known_problem(QUESTION)
    known = Map(graph_of(problem))
    names = [Study(model, [problem], 1).name_ids(name) for name in known.graph.names]
    prompt = model.encode_prompt(QUESTION)
    plan = plan_text(prompt, names, known)
    assert plan is not None
    return known, prompt, names, plan


# -- attention ---------------------------------------------------------------------------------------------


def test_positions_belong_to_the_last_edge_told_in_full(llama: CoconutModel) -> None:
    known, prompt, _, plan = planned(llama)
    names = known.graph.names
    told = {
        f"{names[source]} {names[target]}": " ".join(
            llama.token_text(prompt[place]).strip() for place in places
        )
        for (source, target), places in plan.edges
    }
    assert told == {
        "impus jompus": "jompus . Every jompus is a",
        "jompus kerpus": "kerpus . Sam is a",
        "Sam impus": "impus . Tom is a",
        "Tom rempus": "rempus . Is",
    }
    assert llama.token_text(prompt[plan.query.start]) == "Sam"
    assert plan.query.stop == len(prompt)


def test_a_question_told_otherwise_has_no_plan(llama: CoconutModel) -> None:
    known, prompt, names, _ = planned(llama)
    assert plan_text(prompt[:10], names, known) is None
    assert plan_text(prompt, names, Map(replace(known.graph, root=known.graph.target))) is None
    assert plan_text(prompt, names, Map(replace(known.graph, edges=known.graph.edges[1:]))) is None


def test_names_of_several_tokens_are_found_where_they_end() -> None:
    graph = graph_of(known_problem("Bob is a sterpus. Is Bob a sterpus or impus?"))
    names = [{"Bob": [1], "sterpus": [2, 3], "impus": [2, 3, 4]}[name] for name in graph.names]
    plan = plan_text([1, 9, 2, 3, 8, 1, 9, 2, 3, 7, 2, 3, 4, 5, 6], names, Map(graph))
    assert plan is not None
    assert plan.edges[0][1] == range(3, 5)
    assert plan.query == range(5, 15)


def test_attention_is_dealt_out_whole(llama: CoconutModel) -> None:
    known, prompt, _, plan = planned(llama)
    names = known.graph.names
    attention = torch.full((2, 4, len(prompt) + 2), 0.0)
    attention[..., plan.edges[2][1].start] = 0.4  # Sam is an impus
    attention[..., plan.edges[0][1].stop - 1] = 0.2  # every impus is a jompus
    attention[..., plan.edges[3][1].start] = 0.1  # Tom is a rempus
    attention[..., 0] = 0.1  # before any edge is told
    attention[..., plan.query.start] = 0.15
    attention[..., len(prompt) + 1] = 0.05
    at_root = attention_to_parts(attention, plan, known, names, 0)
    assert at_root is not None
    assert at_root[0, 0].tolist() == pytest.approx([0.4, 0.0, 0.4, 0.15, 0.05])
    at_one = attention_to_parts(attention, plan, known, names, 1)  # the frontier is impus
    assert at_one is not None
    assert at_one[1, 3].tolist() == pytest.approx([0.2, 0.4, 0.2, 0.15, 0.05])
    assert attention_to_parts(attention, plan, known, names, 4) is None


@pytest.mark.parametrize("architecture", ["gpt2", "qwen2"])
def test_looks_of_a_batch_are_those_of_single_runs(architecture: str) -> None:
    model = tiny_model(architecture, max_positions=512)
    study = Study(model, PROBLEMS, 2, batch_size=4)
    looks = mean_attention(study, study.maps)
    assert looks.means.shape == (2, 2, 4, 5)
    assert looks.problems == [6, 6]
    torch.testing.assert_close(looks.means.sum(dim=-1), torch.ones(2, 2, 4))
    total = torch.zeros(2, 4, 5)
    for problem, known in zip(PROBLEMS, study.maps, strict=True):
        session = Session(model, problem.question, thoughts=2, max_new_tokens=1)
        session.finish()
        names = [study.name_ids(name) for name in known.graph.names]
        plan = plan_text(session.prompt_ids, names, known)
        attention = look_inside(session, attention=True).places[2].attention  # that which reads thought 2
        assert plan is not None
        assert attention is not None
        parts = attention_to_parts(attention, plan, known, known.graph.names, study.hops(1))
        assert parts is not None
        total += parts
    torch.testing.assert_close(looks.means[1], total / 6, **FLOAT32)


# -- principal components ----------------------------------------------------------------------------------


def test_components_of_points_on_a_plane() -> None:
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(8, 2, generator=generator))[0].T
    along = torch.randn(500, 2, generator=generator) * torch.tensor([3.0, 1.0])
    along -= along.mean(dim=0)
    points = along @ axes + 7.0
    pca = Pca.fit(points, 3)
    variance = along.double().T @ along.double()
    values = torch.linalg.eigvalsh(variance).flip(0)
    assert pca.explained[:2].tolist() == pytest.approx((values / values.sum()).tolist(), abs=1e-5)
    assert float(pca.explained[2]) < 1e-6
    torch.testing.assert_close(pca.axes @ pca.axes.T, torch.eye(3), **EXACT)
    torch.testing.assert_close(pca.project(points)[:, :2] @ pca.axes[:2] + pca.mean, points, **EXACT)
    assert pca.project(points[:6].reshape(2, 3, 8)).shape == (2, 3, 3)
    assert torch.equal(Pca.fit(points, 3).axes, pca.axes)
    largest = pca.axes.gather(1, pca.axes.abs().argmax(dim=1, keepdim=True))
    assert bool((largest > 0).all())


def test_its_control_keeps_each_coordinate_and_breaks_what_ties_them() -> None:
    points = torch.randn(400, 1, generator=torch.Generator().manual_seed(1)) @ torch.ones(1, 6)
    dealt = dealt_anew(points, seed=0)
    assert torch.equal(dealt.sort(dim=0).values, points.sort(dim=0).values)
    assert float(Pca.fit(points).explained[0]) == pytest.approx(1.0, abs=1e-5)
    assert float(Pca.fit(dealt).explained[0]) < 0.3


def test_components_need_thoughts(llama: CoconutModel) -> None:
    with pytest.raises(CoconutError, match="at least one thought"):
        read_pca(Study(llama, [known_problem(QUESTION)], 0))
    with pytest.raises(CoconutError, match="at least two thoughts"):
        read_pca(Study(llama, [known_problem(QUESTION)], 1))


def test_a_new_run_is_projected_into_the_components_of_a_data_set(llama: CoconutModel) -> None:
    runs = gather(llama, QUESTIONS, 3)
    pca = Pca.fit(runs.thoughts.flatten(0, 1), 2)
    session = Session(llama, QUESTIONS[0], thoughts=3)
    session.finish()
    path = pca.project(torch.stack([step.hidden for step in session.thought_steps()]))
    torch.testing.assert_close(path, pca.project(runs.thoughts[0]), **EXACT)


# -- series ------------------------------------------------------------------------------------------------


def test_series_are_those_of_the_readouts(model: CoconutModel) -> None:
    problems = [known_problem(question) for question in QUESTIONS]
    series = state_series(Study(model, problems, 3))
    runs = []
    for question in QUESTIONS:
        session = Session(model, question, thoughts=3, max_new_tokens=1)
        session.finish()
        runs.append([step.readout for step in session.steps[:4]])
    for place in range(4):
        row = series[place]
        assert row["entropy"].mean == pytest.approx(sum(run[place].entropy for run in runs) / 4, rel=1e-3)
        assert row["norm"].mean == pytest.approx(sum(run[place].norm for run in runs) / 4, rel=1e-4)
        nearest = sum(run[place].nearest(1)[0].probability for run in runs) / 4
        assert row["nearest"].mean == pytest.approx(nearest, abs=1e-4)
        if place:
            own = sum(run[place].cosine(run[place - 1]) for run in runs) / 4
            other = sum(runs[i][place].cosine(runs[i - 1][place - 1]) for i in range(4)) / 4
            assert row["to the one before"].mean == pytest.approx(own, abs=1e-4)
            assert row["to another's before"].mean == pytest.approx(other, abs=1e-4)
    assert series[0]["to the one before"].n == 0


def test_the_nearest_embedding_of_an_embedding_is_itself(model: CoconutModel) -> None:
    table = model.base_lm.get_input_embeddings().weight.detach()
    assert nearest_cosine(model, table[20:24] * 3).tolist() == pytest.approx([1.0] * 4, abs=1e-5)


# -- estimates ---------------------------------------------------------------------------------------------


def test_a_mean_and_its_interval() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0])
    half = 1.959964 * (5 / 3 / 4) ** 0.5
    assert (found.mean, found.n) == (2.5, 4)
    assert [found.low, found.high] == pytest.approx([2.5 - half, 2.5 + half])
    assert str(found) == "2.50 ± 1.27"
    assert str(estimate([log(2)])) == "0.69"
    assert estimate([0.5]).to_json() == {"mean": 0.5, "low": None, "high": None, "n": 1}
    assert str(estimate([])) == "–"
    assert line_of("a", {1: estimate([]), 2: found}).x == [2]
