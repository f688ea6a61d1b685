"""Generated ProsQA problems are sound, lossless, and give nothing away by names, order or numbers."""

import itertools
import json
import random
from collections import Counter
from math import sqrt
from pathlib import Path

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.problems import (
    Graph,
    Problem,
    example_problem,
    generate_problems,
    read_problems,
    recognise,
    write_problems,
)
from coconut_core.problems.graphs import distances
from coconut_core.problems.prosqa import (
    CONCEPTS,
    PERSONS,
    ProsqaSize,
    generate,
    parse_question,
    retell,
    sentence,
)
from coconut_core.problems.wording import build_tokenizer

OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "prosqa_valid.json"
COUNT = 400


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    return generate_problems("prosqa", COUNT, seed=7)


def graph_of(problem: Problem) -> Graph:
    assert problem.graph is not None
    return problem.graph


def reached_from(graph: Graph, root: int) -> set[int]:
    """Plain closure over the edges, written apart from the generator's search."""
    found = {root}
    while True:
        more = {target for source, target in graph.edges if source in found} - found
        if not more:
            return found
        found |= more


def within_odds(count: int, total: int, share: float) -> bool:
    """Within five standard deviations of a binomial."""
    return abs(count - total * share) <= 5 * sqrt(total * share * (1 - share))


def test_the_target_is_reached_and_the_wrong_candidate_is_not(problems: list[Problem]) -> None:
    for problem in problems:
        graph = graph_of(problem)
        assert graph.target in reached_from(graph, graph.root)
        assert graph.wrong not in reached_from(graph, graph.root)
        persons = [node for node, name in enumerate(graph.names) if name in PERSONS and node != graph.root]
        # The second person reaches the wrong one only; one more, mentioned by the way, may reach both.
        sides = [{graph.target, graph.wrong} & reached_from(graph, node) for node in persons]
        assert {graph.wrong} in sides


def test_hops_and_size_are_in_range(problems: list[Problem]) -> None:
    sizes: list[tuple[int, int]] = []
    hops: Counter[int] = Counter()
    for problem in problems:
        graph = graph_of(problem)
        far = distances(graph.edges, graph.root)[graph.target]
        assert len(problem.steps) == far
        assert 3 <= far <= 6
        assert 18 <= len(graph.names) <= 28
        assert len(graph.edges) <= 53
        sizes.append((len(graph.names), len(graph.edges)))
        hops[far] += 1
    assert set(hops) == {3, 4, 5, 6}
    assert 21.8 <= sum(nodes for nodes, _ in sizes) / COUNT <= 23.8  # the official sets: 22.8
    assert 33 <= sum(edges for _, edges in sizes) / COUNT <= 39  # the official sets: 35.8
    small = [generate(random.Random(seed), ProsqaSize(nodes=(10, 12), hops=(2, 3))) for seed in range(40)]
    assert {len(problem.steps) for problem in small} == {2, 3}
    assert all(10 <= len(graph_of(problem).names) <= 12 for problem in small)


def test_hops_come_as_often_as_in_the_official_sets(problems: list[Problem]) -> None:
    hops = Counter(len(problem.steps) for problem in problems)
    for number, share in {3: 40, 4: 43, 5: 14, 6: 2}.items():
        assert within_odds(hops[number], COUNT, share / 99)


def test_the_weights_of_hops_go_with_any_range_of_them() -> None:
    def hops_of(size: ProsqaSize, count: int = COUNT) -> Counter[int]:
        return Counter(len(generate(rng, size).steps) for _ in range(count))

    rng = random.Random(3)
    assert within_odds(hops_of(ProsqaSize(hops=(3, 4)))[3], COUNT, 40 / 83)
    fewer = hops_of(ProsqaSize(hops=(1, 4)))
    assert within_odds(fewer[4], COUNT, 43 / 83)  # one and two are of the part that three has
    assert min(fewer[2], fewer[3]) > fewer[1] > 0  # as the graphs have them
    more = hops_of(ProsqaSize(nodes=(7, 8), hops=(3, 6)), count=60)
    assert 6 not in more  # not to be had in eight nodes, which refuses no size
    assert more[3] > 0
    own = ProsqaSize(nodes=(10, 14), hops=(2, 3), hop_weights=((2, 1), (3, 3)))
    assert within_odds(hops_of(own)[3], COUNT, 3 / 4)


def test_a_range_of_one_weight_draws_as_if_there_were_none() -> None:
    for hops in ((3, 3), (2, 3), (6, 7)):
        sizes = (ProsqaSize(hops=hops), ProsqaSize(hops=hops, hop_weights=()))
        first, second = (generate(random.Random(4), size) for size in sizes)
        assert first == second


def test_graphs_have_no_cycle_and_no_repeated_edge(problems: list[Problem]) -> None:
    for problem in problems:
        graph = graph_of(problem)
        assert len(set(graph.edges)) == len(graph.edges)
        for source, target in graph.edges:
            assert source not in reached_from(graph, target)


def test_distances_of_a_known_graph() -> None:
    edges = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (5, 4), (0, 4)]
    assert distances(edges, 0) == {0: 0, 1: 1, 2: 1, 3: 2, 4: 1}
    assert distances(edges, 5) == {5: 0, 4: 1}
    assert distances([], 3) == {3: 0}


def test_steps_are_edges_from_the_asked_person_to_the_answer(problems: list[Problem]) -> None:
    for problem in problems:
        graph = graph_of(problem)
        told = {sentence(graph, edge): edge for edge in graph.edges}
        path = [told[step] for step in problem.steps]
        assert path[0][0] == graph.root
        assert path[-1][1] == graph.target
        assert all(one[1] == other[0] for one, other in itertools.pairwise(path))
        assert problem.answer == f"{graph.names[graph.root]} is a {graph.names[graph.target]}."


def test_the_question_tells_every_edge_once(problems: list[Problem]) -> None:
    for problem in problems:
        graph = graph_of(problem)
        told = problem.question.split(" Is ")[0]
        sentences = [part.strip() + "." for part in told.split(".") if part.strip()]
        assert sorted(sentences) == sorted(sentence(graph, edge) for edge in graph.edges)


def test_persons_and_concepts(problems: list[Problem]) -> None:
    for problem in problems:
        graph = graph_of(problem)
        assert len(set(graph.names)) == len(graph.names)
        with_parent = {target for _, target in graph.edges}
        for node, name in enumerate(graph.names):
            assert name in (CONCEPTS if node in with_parent else PERSONS)


def test_names_are_drawn_afresh(problems: list[Problem]) -> None:
    roots = Counter(graph_of(problem).names[graph_of(problem).root] for problem in problems)
    targets = Counter(graph_of(problem).names[graph_of(problem).target] for problem in problems)
    assert set(roots) == set(PERSONS)
    assert all(within_odds(count, COUNT, 1 / len(PERSONS)) for count in roots.values())
    assert len(targets) == len(CONCEPTS)
    assert all(within_odds(count, COUNT, 1 / len(CONCEPTS)) for count in targets.values())


def test_candidates_stand_in_either_order_at_even_odds(problems: list[Problem]) -> None:
    first = sum(
        problem.question.rstrip("?")
        .rsplit(" or ", 1)[0]
        .endswith(f" {graph_of(problem).names[graph_of(problem).target]}")
        for problem in problems
    )
    assert within_odds(first, COUNT, 0.5)


def test_node_numbers_carry_nothing(problems: list[Problem]) -> None:
    for pick in ("root", "target", "wrong"):
        quarters = Counter(
            4 * getattr(graph_of(problem), pick) // len(graph_of(problem).names) for problem in problems
        )
        assert set(quarters) == {0, 1, 2, 3}
        assert all(within_odds(count, COUNT, 0.25) for count in quarters.values())
    edges = [edge for problem in problems for edge in graph_of(problem).edges]
    assert within_odds(sum(source < target for source, target in edges), len(edges), 0.5)


def test_the_place_of_a_sentence_carries_nothing(problems: list[Problem]) -> None:
    """The first step of the answer's path is told in the first half as often as in the second."""
    early = 0
    for problem in problems:
        told = [sentence(graph_of(problem), edge) for edge in graph_of(problem).edges]
        early += 2 * told.index(problem.steps[0]) < len(told) - 1
    assert within_odds(early, COUNT, 0.5)


def test_retelling_keeps_the_graph_and_changes_the_names(problems: list[Problem]) -> None:
    problem = problems[0]
    rng = random.Random(1)
    again = [retell(graph_of(problem), rng) for _ in range(20)]
    assert len({other.question for other in again}) == 20
    assert len({graph_of(other).names[graph_of(other).root] for other in again}) > 5
    for other in again:
        assert len(graph_of(other).edges) == len(graph_of(problem).edges)
        assert len(other.steps) == len(problem.steps)
        degrees = [
            sorted(Counter(source for source, _ in graph_of(one).edges).values()) for one in (problem, other)
        ]
        assert degrees[0] == degrees[1]


def test_seeds_decide_everything() -> None:
    assert generate_problems("prosqa", 5, seed=3) == generate_problems("prosqa", 5, seed=3)
    assert generate_problems("prosqa", 3, seed=3) == generate_problems("prosqa", 5, seed=3)[:3]
    assert generate_problems("prosqa", 5, seed=3) != generate_problems("prosqa", 5, seed=4)
    assert example_problem("prosqa", 2) == example_problem("prosqa", 2)
    assert example_problem("prosqa", 2) != example_problem("prosqa", 1)
    assert generate_problems("prosqa", 0, seed=3) == []


def edges_by_name(graph: Graph) -> set[tuple[str, str]]:
    return {(graph.names[source], graph.names[target]) for source, target in graph.edges}


def test_parsing_inverts_the_wording(problems: list[Problem]) -> None:
    for problem in problems:
        found = parse_question(problem.question)
        assert found is not None
        graph, expected = graph_of(found), graph_of(problem)
        assert edges_by_name(graph) == edges_by_name(expected)
        for pick in ("root", "target", "wrong"):
            assert graph.names[getattr(graph, pick)] == expected.names[getattr(expected, pick)]
        assert found.answer == problem.answer
        assert len(found.steps) == len(problem.steps)
        assert recognise(problem.question) == found


@pytest.mark.parametrize(
    "question",
    [
        "", "What is two and two?", "Is Alex a lempus or rompus?", "Alex is a lempus.",
        "Alex is a lempus. Who is Alex?", "Alex likes a lempus. Is Alex a lempus or rompus?",
    ],
)  # fmt: skip
def test_other_wordings_are_not_recognised(question: str) -> None:
    assert parse_question(question) is None


@pytest.mark.parametrize("candidates", ["yumpus or impus", "lempus or rompus"])
def test_no_answer_where_none_or_both_candidates_are_reached(candidates: str) -> None:
    problem = parse_question(f"Every lempus is a rompus. Alex is a lempus. Is Alex a {candidates}?")
    assert problem is not None
    assert (problem.answer, problem.steps) == ("", ())


def test_words_outside_the_vocabulary_are_parsed_too() -> None:
    problem = parse_question("Every cat is a mammal. Tim is a cat. Is Tim a bird or a mammal?")
    assert problem is not None
    assert problem.answer == "Tim is a mammal."
    assert problem.steps == ("Tim is a cat.", "Every cat is a mammal.")


# -- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data.json", "data.jsonl", "deeper/data.json"])
def test_files_come_back_the_same(problems: list[Problem], tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".jsonl"):
        lines = [json.dumps(problem.to_json()) for problem in problems[:5]]
        path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    else:
        write_problems(path, problems[:5])
        record = json.loads(path.read_text(encoding="utf-8"))[0]
        assert {"question", "steps", "answer", "idx_to_symbol", "edges", "root", "target", "neg_target"} == set(
            record
        )
    assert read_problems(path) == problems[:5]


def test_a_graph_is_read_whatever_the_order_of_its_entries(problems: list[Problem]) -> None:
    record = problems[0].to_json()
    assert Problem.from_json(dict(reversed(record.items()))) == problems[0]


def with_graph(edges: list[object], **changes: object) -> str:
    """A file of one problem whose graph has one node and these edges."""
    record = {"question": "a", "edges": edges, "idx_to_symbol": ["a"], "root": 0, "target": 0, "neg_target": 0}
    return json.dumps([record | changes])


@pytest.mark.parametrize(
    "content",
    [
        "", "{}", "not json", "[1]", '[{"steps": []}]', '[{"question": 3}]', "[" * 100_000,
        '[{"question": "a", "steps": "b"}]', '[{"question": "a", "steps": [1]}]',
        '[{"question": "a", "answer": 1}]',
        '[{"question": "a", "edges": [[0, 1]]}]',
        with_graph([[0, 5]]), with_graph([0]), with_graph([], root=float("inf")), with_graph([], target=-1),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CoconutError) as caught:
        read_problems(path)
    assert "\n" not in str(caught.value)


def test_impossible_requests_are_refused(tmp_path: Path) -> None:
    for call, words in (
        (lambda: generate_problems("sudoku", 1, 0), "known are prosqa"),
        (lambda: generate_problems("prosqa", -1, 0), "0 or more"),
        (lambda: example_problem("prosqa", 0), "numbered from 1"),
        (lambda: example_problem(None, 1), "give a question"),
        (lambda: read_problems(tmp_path), "cannot read problems from"),
        (lambda: read_problems(tmp_path / "missing.json"), "cannot read"),
        (lambda: write_problems(tmp_path, []), "cannot write"),
    ):
        with pytest.raises(CoconutError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)


# -- the official validation set ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official() -> list[Problem]:
    if not OFFICIAL.exists():
        pytest.skip(f"the official validation set is not at {OFFICIAL}")
    return read_problems(OFFICIAL)


def test_official_questions_are_read_right(official: list[Problem]) -> None:
    assert len(official) == 300
    for problem in official:
        found = parse_question(problem.question)
        assert found is not None
        assert found.answer == problem.answer
        # The file keeps edges that are not told and its own order; what is told is what is read.
        assert edges_by_name(graph_of(found)) <= edges_by_name(graph_of(problem))
        assert len(found.steps) <= len(problem.steps)


def test_official_texts_are_tokenised_without_loss(official: list[Problem]) -> None:
    tokenizer = build_tokenizer()
    for problem in official:
        for text in (problem.question, *problem.steps, problem.answer):
            ids = tokenizer.encode(text)
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text
