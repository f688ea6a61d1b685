"""Minimal twins: the other answer, by the least change to the question."""

import itertools
import random
import re
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from coconut_core.problems import Graph, Problem, generate_problems, read_problems
from coconut_core.problems.arithmetic import check_equation, evaluate_sum
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.gsm8k import convert_file, convert_line
from coconut_core.problems.prontoqa import ProntoqaSize
from coconut_core.problems.twins import changed_words, twin_of

COUNT = 200
SWAPPED = ("prosqa", "symbolic")
GRAPH_FAMILIES = (*SWAPPED, "prontoqa")
LAST_PART = {"prosqa": " Is ", "symbolic": " [Q] ", "prontoqa": " True or false: "}
DATA = Path(__file__).parents[3] / "shared" / "data"


@cache
def with_twins(family: str) -> list[tuple[Problem, Problem]]:
    rng = random.Random(5)
    return [
        (problem, twin_of(problem, rng) or pytest.fail(f"no twin of {problem}"))
        for problem in generate_problems(family, COUNT, seed=21)
    ]


def graph_of(problem: Problem) -> Graph:
    assert problem.graph is not None
    return problem.graph


def hops_from(graph: Graph, root: int) -> dict[int, int]:
    """Distances by plain rounds over all edges, written apart from the package's search."""
    found, ring, hops = {root: 0}, {root}, 0
    while ring:
        hops += 1
        ring = {child for source, child in graph.edges if source in ring} - set(found)
        found |= dict.fromkeys(ring, hops)
    return found


def chain_of(problem: Problem, family: str) -> list[str]:
    """The names along the steps, each of which must be told in the question and go on from the one before."""
    if family == "prontoqa":
        person, chain = problem.steps[-1].split(" ")[0], []
        for step in problem.steps[:-1]:
            known, rule = step.split(". ")
            assert f"{rule.removesuffix('.')}." in problem.question
            chain.append(known.split(" ")[-1])
            assert chain[-1] in rule.lower()
        assert re.search(rf"\b{person} is an? {chain[0]}\.", problem.question)
        return [person, *chain, problem.steps[-1].removesuffix(".").split(" is ")[1]]
    edges = [re.findall(r"[a-z]+pus|[A-Z][a-z]+(?= is)|\d+", step) for step in problem.steps]
    assert all(step in problem.question for step in problem.steps)
    assert all(former[-1] == later[0] for former, later in itertools.pairwise(edges))
    return [edges[0][0], *(edge[-1] for edge in edges)]


@pytest.mark.parametrize("family", GRAPH_FAMILIES)
def test_the_answer_becomes_the_other_candidate_of_the_same_last_part(family: str) -> None:
    for problem, twin in with_twins(family):
        before, after = graph_of(problem), graph_of(twin)
        assert twin.answer != problem.answer
        assert after.names[after.root] == before.names[before.root]
        assert after.names[after.target] == before.names[before.wrong]
        assert after.names[after.wrong] == before.names[before.target]
        mark = LAST_PART[family]
        assert twin.question.rpartition(mark)[2] == problem.question.rpartition(mark)[2]


@pytest.mark.parametrize("family", GRAPH_FAMILIES)
def test_the_steps_are_a_shortest_path_of_what_the_twin_tells(family: str) -> None:
    for _, twin in with_twins(family):
        graph = graph_of(twin)
        far, chain = hops_from(graph, graph.root), chain_of(twin, family)
        assert graph.wrong not in far
        assert len(twin.steps) == len(chain) - 1 == far[graph.target]
        assert (chain[0], chain[-1]) == (graph.names[graph.root], graph.names[graph.target])
        by_name = {tuple(graph.names[node] for node in edge) for edge in graph.edges}
        assert set(itertools.pairwise(chain)) <= by_name


@pytest.mark.parametrize("family", GRAPH_FAMILIES)
def test_the_twin_of_the_twin_has_the_answer_of_the_original(family: str) -> None:
    for problem, twin in with_twins(family):
        again = twin_of(twin, random.Random(1))
        assert again is not None
        assert again.answer == problem.answer
        assert changed_words(twin.question, again.question) <= changed_words(problem.question, twin.question)


@pytest.mark.parametrize("family", SWAPPED)
def test_it_is_the_swap_of_names_that_changes_the_fewest_words(family: str) -> None:
    swaps_of_roots = 0
    for problem, twin in with_twins(family):
        graph = graph_of(problem)
        reach = [set(hops_from(graph, node)) for node in range(len(graph.names))]
        mentions = [sum(node in edge for edge in graph.edges) for node in range(len(graph.names))]
        has_parent = {child for _, child in graph.edges}
        roots = [
            node
            for node in range(len(graph.names))
            if node not in has_parent | {graph.root}
            and {graph.target, graph.wrong} & reach[node] == {graph.wrong}
        ]
        of_candidates = mentions[graph.target] + mentions[graph.wrong]
        of_roots = [mentions[graph.root] + mentions[node] for node in roots]
        assert changed_words(problem.question, twin.question) == min([of_candidates, *of_roots])

        words = zip(re.findall(r"\w+", problem.question), re.findall(r"\w+", twin.question), strict=True)
        swapped = {word for pair in words if pair[0] != pair[1] for word in pair}
        if of_candidates <= min(of_roots, default=of_candidates):
            assert swapped == {graph.names[graph.target], graph.names[graph.wrong]}
            assert len(twin.steps) == len(problem.steps)
        else:
            assert swapped in [{graph.names[graph.root], graph.names[node]} for node in roots]
            swaps_of_roots += 1
    assert 0 < swaps_of_roots < COUNT


def test_prontoqa_changes_the_kind_that_the_person_belongs_to_and_no_more_than_needed() -> None:
    for problem, twin in with_twins("prontoqa"):
        graph = graph_of(problem)
        changes = [
            (before, after)
            for before, after in zip(problem.question.split(". "), twin.question.split(". "), strict=True)
            if before != after
        ]
        assert len(changes) == 1
        person, (before, after) = graph.names[graph.root], changes[0]
        assert before.startswith(f"{person} is a")
        assert after.startswith(f"{person} is a")
        far = [hops_from(graph, node) for node in range(len(graph.names))]
        was_an, hops = before.startswith(f"{person} is an "), len(problem.steps)
        costs = [
            (1 + (was_an != (name[0] in "aeiou")), abs(1 + far[node][graph.wrong] - hops))
            for node, name in enumerate(graph.names)
            if node != graph.wrong and graph.wrong in far[node]
        ]
        assert (
            changed_words(problem.question, twin.question),
            abs(len(twin.steps) - hops),
        ) == min(costs)


@pytest.mark.parametrize("family", GRAPH_FAMILIES)
def test_a_seed_gives_one_twin(family: str) -> None:
    for problem, _ in with_twins(family)[:30]:
        assert twin_of(problem, random.Random(8)) == twin_of(problem, random.Random(8))


def test_equally_small_changes_are_drawn_from() -> None:
    # Of two kinds without branches, each leads to the wrong answer in as many hops as the other.
    question = (
        "Every lempus is cold. Every rompus is not cold. Every gorpus is a rompus. Every yumpus is a rompus. "
        "Every dumpus is a lempus. Fae is a dumpus. True or false: Fae is cold."
    )
    found = {twin_of(Problem(question, (), ""), random.Random(seed)) for seed in range(20)}
    assert {twin.steps[0] for twin in found} == {
        "Fae is a gorpus. Every gorpus is a rompus.",
        "Fae is a yumpus. Every yumpus is a rompus.",
    }
    assert {twin.answer for twin in found} == {"False"}


@pytest.mark.parametrize(
    "size", [ProntoqaSize(hops=(1, 1), nodes=(4, 38)), ProntoqaSize(hops=(1, 9), nodes=(25, 38))]
)
def test_prontoqa_of_any_size_has_twins(size: ProntoqaSize) -> None:
    for problem in generate_problems("prontoqa", 60, seed=2, size=size):
        twin = twin_of(problem, random.Random(0))
        assert twin is not None
        assert {problem.answer, twin.answer} == {"True", "False"}


B_IS_SHORTER = "Alex is a b. Every b is a t. Every c is a t. Every d is a w. {} Is Alex a t or w?"


@pytest.mark.parametrize(
    ("question", "twin"),
    [
        (  # (b): two words where (a) takes three
            "Alex is a b. Every b is a t. Every c is a t. Every d is a w. Bob is a d. Is Alex a t or w?",
            "Bob is a b. Every b is a t. Every c is a t. Every d is a w. Alex is a d. Is Alex a t or w?",
        ),
        (  # as many: (a)
            "Alex is a b. Every b is a t. Every d is a w. Bob is a d. Is Alex a t or w?",
            "Alex is a b. Every b is a w. Every d is a t. Bob is a d. Is Alex a t or w?",
        ),
        (  # "Every Alex is a w" is no way to put it
            "Alex is a b. Every b is a t. Every c is a t. Every d is a w. Is Alex a t or w?",
            "Alex is a b. Every b is a w. Every c is a w. Every d is a t. Is Alex a t or w?",
        ),
        (  # the other root reaches both, so swapping roots would leave two answers
            "Alex is a t. Alex is a b. Bob is a t. Bob is a w. Every b is a t. Is Alex a t or w?",
            "Alex is a w. Alex is a b. Bob is a w. Bob is a t. Every b is a w. Is Alex a t or w?",
        ),
        (  # of the wrong candidate nothing is told
            "Alex is a b. Every b is a t. Is Alex a w or t?",
            "Alex is a b. Every b is a w. Is Alex a w or t?",
        ),
        ("<eos> 1 2 | 2 3 | 4 3 | 5 6 [Q] 1 3 6", "<eos> 5 2 | 2 3 | 4 3 | 1 6 [Q] 1 3 6"),
    ],
)  # fmt: skip
def test_twins_of_questions_as_typed(question: str, twin: str) -> None:
    found = twin_of(Problem(question, (), ""), random.Random(0))
    assert found is not None
    assert found.question == twin


@pytest.mark.parametrize(
    "question",
    [
        "Alex is a b. Alex is a t. Alex is a w. Is Alex a t or w?",
        "Alex is a b. Bob is a t. Bob is a w. Is Alex a t or w?",
        "<eos> 1 2 | 1 3 [Q] 1 2 3",
        "Every lempus is cold. Fae is a lempus. True or false: Fae is cold.",
        "Every lempus is cold. Sam is a lempus. True or false: Fae is cold.",
        "Every lempus is cold. Every lempus is not cold. Fae is a lempus. True or false: Fae is cold.",
        "Why?",
        "",
    ],
)
def test_without_exactly_one_answer_or_a_way_to_the_other_there_is_no_twin(question: str) -> None:
    assert twin_of(Problem(question, (), ""), random.Random(0)) is None


def test_the_official_problems_have_twins() -> None:
    path = DATA / "prosqa_valid.json"
    if not path.exists():
        pytest.skip(f"the official validation set is not at {path}")
    for problem in read_problems(path)[:100]:
        twin = twin_of(problem, random.Random(0))
        assert twin is not None
        graph = graph_of(problem)
        assert twin.answer == f"{graph.names[graph.root]} is a {graph.names[graph.wrong]}."


def number_twins(line: str) -> dict[str, str]:
    """What comes for 40 seeds: the changed word and the answer."""
    problem = convert_line(line)
    twins = [twin_of(problem, random.Random(seed)) for seed in range(40)]
    return {
        word: twin.answer
        for twin in twins
        if twin is not None
        for word, old in zip(twin.question.split(), problem.question.split(), strict=True)
        if word != old
    }


@pytest.mark.parametrize(
    ("line", "twins"),
    [
        ("Of 2 hens 1 is left.||<<2-1=1>> #### 1", {"3": "2"}),
        ("Of 8 hens half lay.||<<8/2=4>> #### 4", {"6": "3", "10": "5"}),
        ("He sold 48 in May, half in June.||<<48/2=24>> <<48+24=72>> #### 72", {"46": "69", "50": "75"}),
        ("At $1,000 each, ten?||<<1000*10=10,000>> #### 10,000", {"$999": "9990", "$1,001": "10010"}),
        ("One is $2.50, a pair?||<<2.50*2=5.00>> #### 5", {"$1.50,": "3", "$3.50,": "7"}),
        ("Of 50 m he ran 20%.||<<50*.2=10>> #### 10", {"18%.": "9", "22%.": "11"}),
        ("20 percent off $50.||<<50*0.8=40>> #### 40", {"18": "41", "22": "39"}),
        ("Of 200 m he ran 99.5%.||<<200*.995=199>> #### 199", {"98.5%.": "197"}),  # not over 100 %
        ("From 1:00 to 5:00, 3/4 of 8 m.||<<3/4*8=6>> #### 6", {"4": "3", "12": "9"}),
        ("In 10 tents sleep 4 each.||<<10*4=40>> #### 40", {"3": "30", "5": "50"}),
        ("Take 6 by 3 less 2.||<<6/(3-2)=6>> #### 6", {"4": "3", "5": "5", "7": "7"}),  # nothing over zero
        ("The 3rd of 9 sets of 5-6.||<<9*3=27>> #### 27", {"8": "24", "10": "30"}),
    ],
)
def test_the_numbers_that_can_change_least_are_drawn_from(line: str, twins: dict[str, str]) -> None:
    assert number_twins(line) == twins


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("He had 60, and ate some.||<<60-35=25>> #### 25", id="a number worked out in the head"),
        pytest.param("He is 60.||<<60-35=25>> <<25+0=25>> #### 25", id="and at once used again"),
        pytest.param("4 boys have 4 pears.||<<4*1=4>> #### 4", id="the same number twice"),
        pytest.param("Four boys have 4 pears.||<<4*1=4>> #### 4", id="in figures and in words"),
        pytest.param("He has 4 pears.||<<4*4=16>> #### 16", id="twice in a sum"),
        pytest.param("He has 8, eats 4.||<<8-4=4>> <<4*1=4>> #### 4", id="a number that is also a result"),
        pytest.param("It is 9 or 7.||<<9+1=10>> <<7+1=8>> #### 8", id="a result left unused"),
        pytest.param("He has 5.||<<5=5>> #### 5", id="no sum"),
        pytest.param("He has 5.||<<5+1=6=6>> #### 6", id="two equals signs"),
        pytest.param("He has 5.|| #### 5", id="no steps"),
        pytest.param("Of 9 go 2.||<<9-2=7>> #### 14", id="another answer than the last result"),
        pytest.param("Of 9 go 2.||<<2-9=-7>> #### -7", id="a negative result"),
        pytest.param("He has 1 pear.||<<1+1=2>> #### 2", id="one, which would need another grammar"),
        pytest.param("1/100 of 1000 m.||<<1000/100=10>> #### 10", id="no near number"),
        pytest.param("Of 20 m he ran 5%.||<<20*.05=1>> #### 1", id="none within half of itself"),
        pytest.param("Of ten go 2 of four.||<<2*4=8>> <<10-8=2>> #### 2", id="less than nothing left"),
        pytest.param("3 times zero is?||<<3*0=0.00>> #### 0", id="no other answer"),
        pytest.param(f"Of {10**250} go 2.||<<4-2=2>> #### 2", id="a number too long to work with"),
    ],
)
def test_numbers_that_cannot_be_traced_or_changed_give_no_twin(line: str) -> None:
    assert number_twins(line) == {}


@pytest.mark.parametrize("answer", ["", "six", "-6", "6 or 7"])
def test_an_answer_that_is_no_result_gives_no_twin(answer: str) -> None:
    assert twin_of(Problem("He has 5.", ("<<5+1=6>>",), answer), random.Random(0)) is None


def numbers_in(text: str) -> list[Fraction]:
    return [evaluate_sum(number) for number in re.findall(r"(?:\d[\d,]*)?\.?\d+", text)]


def test_twins_of_gsm8k_recompute_the_whole_chain() -> None:
    path = DATA / "gsm8k_aug_test.txt"
    if not path.exists():
        pytest.skip(f"the GSM8k-Aug test set is not at {path}")
    problems, found = list(convert_file(path, Conversion()))[:1000], 0
    for number, problem in enumerate(problems):
        twin = twin_of(problem, random.Random(number))
        if twin is None:
            continue
        found += 1
        assert changed_words(problem.question, twin.question) == 1
        assert evaluate_sum(twin.answer) != evaluate_sum(problem.answer)
        pairs = zip(numbers_in(problem.question), numbers_in(twin.question), strict=True)
        ((old, new),) = [pair for pair in pairs if pair[0] != pair[1]]
        assert numbers_in(problem.question).count(old) == 1
        assert 1 <= abs(new - old) <= 20
        becomes = {old: new}
        shown = (
            f"{old.numerator:,}|{old.numerator}" if old.denominator == 1 else f"{float(old):.2f}|{float(old)}"
        )
        if re.search(rf"(?<![\d.,])({shown})(\.0+)?\s?(%|percent)", problem.question):
            becomes |= {old / 100: new / 100, 1 + old / 100: 1 + new / 100, 1 - old / 100: 1 - new / 100}
        for step, changed in zip(problem.steps, twin.steps, strict=True):
            check_equation(changed.strip("<>"))
            (total, result), (new_total, new_result) = (text.strip("<>").split("=") for text in (step, changed))
            assert re.sub(r"[\d.,]+", "#", total) == re.sub(r"[\d.,]+", "#", new_total)
            assert [becomes.get(value, value) for value in numbers_in(total)] == numbers_in(new_total)
            before, after = evaluate_sum(result), evaluate_sum(new_result)
            becomes[before] = after
            assert after >= 0
            assert after.denominator == 1 or before.denominator > 1
        assert twin.steps[-1].endswith(f"={twin.answer}>>")
    assert found == 610  # the figure in docs/DATA.md
