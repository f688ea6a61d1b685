"""The shape of a file in numbers is what counting by hand gives."""

from pathlib import Path

import pytest

from coconut_core.problems import Graph, Problem, generate_problems, read_problems
from coconut_core.problems.statistics import Statistics, target_first

OFFICIAL = Path(__file__).parents[3] / "shared" / "data" / "prosqa_valid.json"
DIAMOND = Graph(("Alex", "b", "c", "d", "Bob", "e"), ((0, 1), (0, 2), (1, 3), (2, 3), (4, 5)), 0, 3, 5)


def test_a_file_counted_by_hand() -> None:
    graph_problem = Problem("Is Alex a d or e?", ("one", "two"), "Alex is a d.", DIAMOND)
    found = Statistics([graph_problem, graph_problem, Problem("How many?", (), "3")]).to_json()
    assert (found["problems"], found["graphs"]) == (3, 2)
    assert found["steps"] == {
        "n": 3, "mean": pytest.approx(4 / 3), "least": 0, "most": 2, "shares": {"0": 1 / 3, "2": 2 / 3},
    }  # fmt: skip
    assert found["question_words"]["mean"] == pytest.approx((6 + 6 + 2) / 3)
    assert found["nodes"]["mean"] == 6
    assert found["edges"]["mean"] == 5
    assert found["hops"]["shares"] == {"2": 1}
    assert found["children_of_an_inner_node"]["mean"] == 5 / 4
    assert found["nodes_reached_from_the_root"]["mean"] == 4
    assert found["persons"]["mean"] == 2
    assert found["target_named_first"]["mean"] == 1
    assert found["target_in_fewer_edges"] == {"n": 2, "mean": 0, "least": 0, "most": 0, "shares": {"0": 1}}
    assert found["answers"] == {"Alex is a d.": 2 / 3, "3": 1 / 3}


def test_without_graphs_and_with_many_answers() -> None:
    found = Statistics(Problem("How many?", ("<<1+1=2>>",), str(number)) for number in range(30)).to_json()
    assert set(found) == {"problems", "graphs", "steps", "question_words", "answer_words"}
    assert Statistics().to_json() == {"problems": 0, "graphs": 0}


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("Alex is a e. Is Alex a d or e?", True),
        ("Alex is a d. Is Alex a e or d?", False),
        ("Is Alex a e or a d?", False),
        ("<eos> Alex d | Bob e [Q] Alex e d", False),
        ("<eos> Alex e | Bob d [Q] Alex d e", True),
        ("True or false: Alex is not d.", None),
    ],
)
def test_which_candidate_comes_first(question: str, first: bool | None) -> None:
    assert target_first(question, DIAMOND) is first


def test_generated_problems_have_the_official_shape() -> None:
    if not OFFICIAL.exists():
        pytest.skip(f"the official validation set is not at {OFFICIAL}")
    made = Statistics(generate_problems("prosqa", 600, seed=0)).to_json()
    official = Statistics(read_problems(OFFICIAL)).to_json()
    assert set(made) == set(official)
    for name, apart in (("nodes", 1), ("edges", 2), ("hops", 0.3), ("children_of_an_inner_node", 0.15)):
        assert made[name]["mean"] == pytest.approx(official[name]["mean"], abs=apart)
