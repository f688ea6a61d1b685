"""Families are sound, are read back from their text, and have lossless tokenizers; of sums see test_sums."""

import hashlib
import json
import random
from collections import Counter

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.problems import (
    FAMILIES,
    Graph,
    Problem,
    example_problem,
    generate_problems,
    prosqa,
    recognise,
)
from coconut_core.problems.graphs import distances
from coconut_core.problems.prontoqa import PROPERTIES, ProntoqaSize
from coconut_core.problems.prosqa import CONCEPTS, PERSONS, ProsqaSize
from coconut_core.problems.symbolic import NAMES, SymbolicSize
from coconut_core.problems.wording import BOT, EOS, EOT, LATENT, PAD, PHRASES, UNKNOWN, build_tokenizer

COUNT = 150
PROBLEMS = {family: generate_problems(family, COUNT, seed=7) for family in FAMILIES}
NEW = ("prontoqa", "symbolic")
WITH_GRAPHS = ("prosqa", *NEW)


def graph_of(problem: Problem) -> Graph:
    assert problem.graph is not None
    return problem.graph


def reached_from(graph: Graph, root: int) -> set[int]:
    """Plain closure over the edges, written apart from the generators' search."""
    found = {root}
    while more := {target for source, target in graph.edges if source in found} - found:
        found |= more
    return found


def edges_by_name(graph: Graph) -> list[tuple[str, str]]:
    return sorted((graph.names[source], graph.names[target]) for source, target in graph.edges)


@pytest.mark.parametrize("family", NEW)
def test_the_root_reaches_the_target_only(family: str) -> None:
    for problem in PROBLEMS[family]:
        graph = graph_of(problem)
        assert {graph.target, graph.wrong} & reached_from(graph, graph.root) == {graph.target}
        assert len(set(graph.names)) == len(graph.names)
        assert len(set(graph.edges)) == len(graph.edges)
        assert all(source not in reached_from(graph, target) for source, target in graph.edges)


@pytest.mark.parametrize("family", WITH_GRAPHS)
def test_questions_are_read_back(family: str) -> None:
    for problem in PROBLEMS[family]:
        found = recognise(problem.question)
        assert found is not None
        assert edges_by_name(graph_of(found)) == edges_by_name(graph_of(problem))
        for pick in ("root", "target", "wrong"):
            assert (
                graph_of(found).names[getattr(graph_of(found), pick)]
                == (graph_of(problem).names[getattr(graph_of(problem), pick)])
            )
        assert found.answer == problem.answer
        assert len(found.steps) == len(problem.steps)


@pytest.mark.parametrize("family", WITH_GRAPHS)
def test_retelling_keeps_the_shape_only(family: str) -> None:
    problem, rng = PROBLEMS[family][0], random.Random(1)
    again = [FAMILIES[family].retell(graph_of(problem), rng) for _ in range(20)]
    assert len({other.question for other in again}) == 20
    assert len({graph_of(other).root for other in again}) > 5
    for other in again:
        assert len(other.steps) == len(problem.steps)
        assert sorted(Counter(source for source, _ in graph_of(other).edges).values()) == sorted(
            Counter(source for source, _ in graph_of(problem).edges).values()
        )
        assert recognise(other.question) is not None


@pytest.mark.parametrize("family", NEW)
def test_seeds_decide_everything(family: str) -> None:
    assert generate_problems(family, 5, seed=7) == PROBLEMS[family][:5]
    assert generate_problems(family, 5, seed=8) != PROBLEMS[family][:5]
    assert example_problem(family, 1) == example_problem(family, 1) != example_problem(family, 2)


# -- symbolic ----------------------------------------------------------------------------------------------


def test_a_symbolic_question_in_full() -> None:
    problem = recognise("<eos> 3 7 | 12 4 | 7 12 | 9 4 | 8 9 [Q] 3 9 12")
    assert problem is not None
    assert problem.steps == ("3 7", "7 12")
    assert problem.answer == "12"
    assert graph_of(problem).names[graph_of(problem).wrong] == "9"


def test_symbolic_sizes_are_kept() -> None:
    hops = Counter(len(problem.steps) for problem in PROBLEMS["symbolic"])
    assert set(hops) == {2, 3, 4}
    assert min(hops.values()) > COUNT / 6  # equal parts: 50 each, and 25 is five standard deviations below
    for problem in PROBLEMS["symbolic"]:
        graph = graph_of(problem)
        assert 12 <= len(graph.names) <= 18
        assert len(graph.edges) <= 24
        assert set(graph.names) <= set(NAMES)
    size = SymbolicSize(nodes=(20, 20), edges=(25, 40), hops=(3, 3))
    for problem in generate_problems("symbolic", 10, 1, size=size):
        assert len(graph_of(problem).names) == 20
        assert 25 <= len(graph_of(problem).edges) <= 40
        assert len(problem.steps) == 3


def test_symbolic_candidates_are_as_far_from_their_roots() -> None:
    for problem in PROBLEMS["symbolic"]:
        graph = graph_of(problem)
        mine = reached_from(graph, graph.root)
        roots = set(range(len(graph.names))) - {target for _, target in graph.edges} - {graph.root}
        others = [root for root in roots if graph.wrong in reached_from(graph, root)]
        assert graph.wrong not in mine
        assert [distances(graph.edges, root)[graph.wrong] for root in others] == [len(problem.steps)]


# -- ProntoQA ----------------------------------------------------------------------------------------------


def test_a_prontoqa_question_in_full() -> None:
    told = "Grimpuses are not cold. Each impus is a grimpus. Wumpuses are impuses. Every lempus is cold."
    problem = recognise(f"{told} Rex is a wumpus. True or false: Rex is cold.")
    assert problem is not None
    assert problem.answer == "False"
    assert problem.steps == (
        "Rex is a wumpus. Wumpuses are impuses.",
        "Rex is an impus. Each impus is a grimpus.",
        "Rex is a grimpus. Grimpuses are not cold.",
        "Rex is not cold.",
    )
    unknown = recognise(f"{told} Rex is a wumpus. True or false: Rex is sweet.")
    assert unknown is not None
    assert (unknown.answer, unknown.steps) == ("", ())


def test_prontoqa_is_in_the_official_layout() -> None:
    for problem in PROBLEMS["prontoqa"]:
        *told, query = problem.question.split(". ")
        person = graph_of(problem).names[graph_of(problem).root]
        assert query.startswith(f"True or false: {person} is ")
        assert len(told) == len(graph_of(problem).edges)
        assert all(sentence.startswith(f"{person} is a") for sentence in told[-2:])
        assert problem.answer in ("True", "False")
        # Each step but the last is what is known and a rule as it is told in the question.
        assert len(problem.steps) == 6
        for step in problem.steps[:-1]:
            known, rule = step.rstrip(".").split(". ")
            assert known.startswith(f"{person} is a")
            assert rule in told
        assert (problem.steps[-1] == query.removeprefix("True or false: ")) == (problem.answer == "True")


def test_prontoqa_says_the_asked_property_twice() -> None:
    """Of the last kinds of two chains, with and without "not"; every other property comes once."""
    for problem in PROBLEMS["prontoqa"]:
        graph = graph_of(problem)
        target, wrong = graph.names[graph.target], graph.names[graph.wrong]
        assert sorted((target, wrong), key=len)[1] == f"not {sorted((target, wrong), key=len)[0]}"
        said = Counter(name.removeprefix("not ") for name in graph.names if name.split()[-1] in PROPERTIES)
        assert Counter(said.values())[2] == 1
        kinds = [name for name in graph.names if name in CONCEPTS]
        assert 14 <= len(kinds) <= 18
        (decoy,) = {source for source, end in graph.edges if end == graph.wrong}
        chain = [decoy]
        while sources := [source for source, end in graph.edges if end == chain[0]]:
            chain = sources + chain
        assert len(chain) == 5


def test_prontoqa_hops() -> None:
    problems = generate_problems("prontoqa", 60, 1, size=ProntoqaSize(hops=(2, 4)))
    assert {len(problem.steps) for problem in problems} == {3, 4, 5}  # one more: the conclusion
    answers = Counter(problem.answer for problem in PROBLEMS["prontoqa"])
    assert set(answers) == {"True", "False"}


# -- tokenizers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_every_text_survives_its_tokenizer(family: str) -> None:
    tokenizer = build_tokenizer(family)
    for problem in PROBLEMS[family]:
        lines = "\n".join([problem.question, *problem.steps, f"### {problem.answer}"])
        for text in (problem.question, *problem.steps, problem.answer, lines):
            ids = tokenizer.encode(text)
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text


def test_each_symbolic_name_and_mark_is_one_token() -> None:
    tokenizer = build_tokenizer("symbolic")
    text = f"<eos> 3 7 | 12 4 [Q] 3 9 12\n{BOT}{LATENT}{EOT}3 7\n[A] 12{EOS}"
    pieces = [tokenizer.convert_ids_to_tokens(number) for number in tokenizer.encode(text)]
    assert pieces == [
        "<eos>", " 3", " 7", " |", " 12", " 4", " [Q]", " 3", " 9", " 12", "\n", BOT, LATENT, EOT,
        " 3", " 7", "\n", "[A]", " 12", EOS,
    ]  # fmt: skip
    assert tokenizer.unk_token_id in tokenizer.encode("3 30")
    assert len(tokenizer) == 6 + 6 + len(NAMES)


def test_a_plural_is_the_name_and_an_ending() -> None:
    tokenizer = build_tokenizer("prontoqa")
    text = "Wumpuses are impuses. Each impus is not cold. Rex is an impus. True or false: Rex is cold."
    pieces = [tokenizer.convert_ids_to_tokens(number) for number in tokenizer.encode(text)]
    assert pieces == [
        " Wumpus", "es", " are", " impus", "es", ". Each", " impus", " is not", " cold", ".", " Rex", " is an",
        " impus", ". True or false:", " Rex", " is", " cold", ".",
    ]  # fmt: skip
    for word in ("unicorns", "es", "wumpusesx", "essay"):
        assert tokenizer.unk_token_id in tokenizer.encode(word)


def test_the_tokenizer_of_prosqa_stays_what_models_were_trained_with() -> None:
    vocabulary = build_tokenizer().get_vocab()
    expected = [PAD, UNKNOWN, EOS, BOT, EOT, LATENT, *PHRASES, *(f" {name}" for name in (*PERSONS, *CONCEPTS))]
    assert sorted(vocabulary, key=lambda token: vocabulary[token]) == expected
    assert PHRASES == (". Every", ". Is", " Every", " is a", " Is", " or", " a", "###", ".", "?", "\n")
    ids = build_tokenizer().encode("Every lempus is a rompus. Alex is a lempus. Is Alex a rompus or yumpus?")
    assert ids == [8, 50, 9, 55, 14, 17, 9, 50, 7, 17, 12, 55, 11, 69, 15]


# -- the look-up warm-up ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [name for name in FAMILIES if FAMILIES[name].lookup is not None])
def test_lookups_are_answered_by_walks_over_what_is_told(family: str) -> None:
    tokenizer, draw = build_tokenizer(family), FAMILIES[family].lookup
    assert draw is not None
    rng, lengths = random.Random(3), Counter[int]()
    for _ in range(30):
        first, *others = draw(rng)
        told = set(first.question.replace(". ", ".. ").split(". ")[:-1])
        assert len(told) > 1
        for problem in (first, *others):
            text = "\n".join([problem.question, *problem.steps, f"### {problem.answer}"])
            assert tokenizer.decode(tokenizer.encode(text)) == text
            lengths[len(problem.steps)] += 1
            path = FAMILIES[family].chain(problem.steps)
            assert len(path) == len(problem.steps) + 1
            rules = [step.split(". ")[-1] for step in problem.steps]
            assert set(rules if family == "prosqa" else rules[:-1]) <= told
            assert all(step.split(". ")[0].rstrip(".") + "." in told for step in problem.steps[:1])
            if family == "prontoqa":
                said = problem.question.rpartition("True or false: ")[2]
                assert (problem.steps[-1] == said) == (problem.answer == "True")
    assert len(lengths) > 2


def test_the_warm_up_of_prosqa_stays_what_models_were_trained_with() -> None:
    """Taken when it was the only family that had one."""
    rng = random.Random(5)
    text = json.dumps([problem.to_json() for _ in range(200) for problem in prosqa.lookup_problems(rng)])
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "57edbcb69ac60439c258179681dd2bde4db49e2dab0db343317646cfe454ce98"
    )


# -- sizes -------------------------------------------------------------------------------------------------


def test_sizes_that_cannot_be_had_are_refused() -> None:
    for call, words in (
        (lambda: ProsqaSize(nodes=(28, 18)), "nodes must be a range within 4..40, not 28..18"),
        (lambda: ProsqaSize(nodes=(18, 50)), "within 4..40"),
        (lambda: SymbolicSize(nodes=(12, 31)), "within 4..30"),
        (lambda: ProntoqaSize(hops=(0, 3)), "hops must be"),
        (lambda: generate_problems("prosqa", 1, 0, size=ProsqaSize(nodes=(6, 6), hops=(6, 6))), "allow more"),
        (lambda: generate_problems("prontoqa", 1, 0, size=ProntoqaSize(hops=(9, 9))), "allow more nodes"),
        (lambda: generate_problems("prontoqa", 1, 0, size=ProsqaSize()), "needs a ProntoqaSize"),
        (lambda: build_tokenizer("sudoku"), "known are prosqa, prontoqa, symbolic"),
    ):
        with pytest.raises(CoconutError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_draws_that_models_are_trained_from_stay_the_same() -> None:
    """Taken before there was a second family. Where this fails, trained models meet other problems."""
    problems = generate_problems("prosqa", 200, seed=5, size=ProsqaSize(hop_weights=()))
    problems += [example_problem("prosqa", number) for number in range(1, 21)]
    rng = random.Random(9)
    problems += [prosqa.generate(rng, ProsqaSize(nodes=(10, 12), hops=(2, 3))) for _ in range(50)]
    problems += [prosqa.retell(graph_of(problems[0]), rng) for _ in range(50)]
    text = json.dumps([problem.to_json() for problem in problems])
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "2c836629cfa485817e8dab385f40b2780ff4136b55b73de27c4a66f76ad2e0eb"
    )
