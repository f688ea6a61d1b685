"""The six classes, on texts written by hand."""

from dataclasses import replace

import pytest

from coconut_core.evaluation.outcomes import Outcome, classify, has_classes, said_path, said_reasoning
from coconut_core.problems.base import Graph, Problem
from coconut_core.problems.prosqa import parse_question

# Alex reaches yumpus in 3 hops (lempus, rompus) or in 4 (sterpus, gorpus, rompus); impus is a dead end.
# Bob reaches worpus, the wrong candidate.
QUESTION = (
    "Alex is a lempus. Every lempus is a rompus. Every rompus is a yumpus. Alex is a sterpus. "
    "Every sterpus is a gorpus. Every gorpus is a rompus. Every sterpus is a impus. "
    "Bob is a terpus. Every terpus is a worpus. Is Alex a worpus or yumpus?"
)
RIGHT, WRONG = "### Alex is a yumpus.", "### Alex is a worpus."


def graph() -> Graph:
    problem = parse_question(QUESTION)
    assert problem is not None
    assert problem.graph is not None
    return problem.graph


def outcome(text: str, *, partial: bool = False, on: Graph | None = None) -> Outcome:
    right = text.endswith("Alex is a yumpus.")
    return classify(text, on or graph(), "###", right=right, partial=partial)


SHORTEST = "Alex is a lempus.\nEvery lempus is a rompus.\nEvery rompus is a yumpus.\n"
LONGER = (
    "Alex is a sterpus.\nEvery sterpus is a gorpus.\nEvery gorpus is a rompus.\nEvery rompus is a yumpus.\n"
)


@pytest.mark.parametrize("label", [RIGHT, WRONG, ""])
@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        (SHORTEST, Outcome.CORRECT_PATH),
        (SHORTEST.replace("\n", " "), Outcome.CORRECT_PATH),  # on one line
        ("Alex lempus rompus yumpus\n", Outcome.CORRECT_PATH),
        (LONGER, Outcome.LONGER_PATH),
        ("Alex sterpus gorpus rompus yumpus\n", Outcome.LONGER_PATH),
        ("lempus rompus yumpus\n", Outcome.CORRECT_PATH),  # names from behind the root on
        ("sterpus gorpus rompus yumpus\n", Outcome.LONGER_PATH),
        ("Alex is a sterpus.\nEvery sterpus is a impus.\n", Outcome.WRONG_TARGET),  # a dead end
        ("Alex sterpus impus\n", Outcome.WRONG_TARGET),
        ("Alex is a lempus.\nEvery lempus is a rompus.\n", Outcome.WRONG_TARGET),  # stops on the way
        ("Alex\n", Outcome.WRONG_TARGET),  # the root alone
        ("Alex is a yumpus.\n", Outcome.HALLUCINATION),  # an edge that is not there
        ("Alex yumpus\n", Outcome.HALLUCINATION),
        (SHORTEST.replace("Every rompus is a yumpus.\n", "Every yumpus is a rompus.\n"), Outcome.HALLUCINATION),
        ("Alex is a lempus.\nEvery rompus is a yumpus.\n", Outcome.HALLUCINATION),  # a gap
        ("Every lempus is a rompus.\nEvery rompus is a yumpus.\n", Outcome.HALLUCINATION),  # not from the root
        ("rompus yumpus\n", Outcome.HALLUCINATION),
        ("Bob is a terpus.\nEvery terpus is a worpus.\n", Outcome.HALLUCINATION),  # from another root
        ("Alex is a zumpus.\nEvery zumpus is a yumpus.\n", Outcome.HALLUCINATION),  # a node that is not there
        ("Alex lempus lempus rompus yumpus\n", Outcome.HALLUCINATION),  # no node leads to itself
        ("yumpus\nyumpus\n", Outcome.HALLUCINATION),
        ("let me think\n", Outcome.HALLUCINATION),
        (SHORTEST + "Every yumpus is", Outcome.HALLUCINATION),  # cut off in the middle of a step
    ],
)
def test_the_whole_path_in_words(reasoning: str, expected: Outcome, label: str) -> None:
    """The path decides, whatever the answer behind it."""
    assert outcome(reasoning + label) is expected


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ("Every lempus is a rompus.\nEvery rompus is a yumpus.\n", Outcome.CORRECT_PATH),
        ("lempus rompus yumpus\n", Outcome.CORRECT_PATH),
        ("Every rompus is a yumpus.\n", Outcome.CORRECT_PATH),
        ("yumpus\n", Outcome.CORRECT_PATH),  # a chain of which only the last node is left
        (SHORTEST, Outcome.CORRECT_PATH),  # from the root in spite of the thoughts
        ("Every gorpus is a rompus.\nEvery rompus is a yumpus.\n", Outcome.LONGER_PATH),
        ("sterpus gorpus rompus yumpus\n", Outcome.LONGER_PATH),
        ("Every sterpus is a impus.\n", Outcome.WRONG_TARGET),
        ("rompus\n", Outcome.WRONG_TARGET),
        ("Every terpus is a worpus.\n", Outcome.HALLUCINATION),  # true, but Alex never comes there
        ("worpus\n", Outcome.HALLUCINATION),
        ("yumpus\nyumpus\n", Outcome.HALLUCINATION),  # no node leads to itself
        ("Every lempus is a yumpus.\n", Outcome.HALLUCINATION),
        ("Every sterpus is a gorpus.\nEvery rompus is a yumpus.\n", Outcome.HALLUCINATION),
    ],
)
def test_a_partial_path_after_thoughts(reasoning: str, expected: Outcome) -> None:
    assert outcome(reasoning + RIGHT, partial=True) is expected
    assert outcome(reasoning + WRONG, partial=True) is expected


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RIGHT, Outcome.CORRECT_LABEL),
        (f"\n{RIGHT}", Outcome.CORRECT_LABEL),
        ("Alex is a yumpus.", Outcome.CORRECT_LABEL),  # the answer without its prefix is no step
        (WRONG, Outcome.INCORRECT_LABEL),
        ("###", Outcome.INCORRECT_LABEL),
        ("### ", Outcome.INCORRECT_LABEL),
        ("", Outcome.INCORRECT_LABEL),
        (" .\n", Outcome.INCORRECT_LABEL),
    ],
)
def test_a_label_without_a_path(text: str, expected: Outcome, partial: bool) -> None:
    assert outcome(text, partial=partial) is expected


def test_a_path_to_the_wrong_candidate_where_there_is_one() -> None:
    number = {name: node for node, name in enumerate(graph().names)}
    joined = replace(graph(), edges=(*graph().edges, (number["lempus"], number["worpus"])))
    text = f"Alex is a lempus.\nEvery lempus is a worpus.\n{WRONG}"
    assert outcome(text) is Outcome.HALLUCINATION
    assert outcome(text, on=joined) is Outcome.WRONG_TARGET
    assert outcome("worpus\n" + WRONG, on=joined, partial=True) is Outcome.WRONG_TARGET


def test_a_longer_path_is_one_also_where_it_is_the_only_one_said() -> None:
    """Shortest is measured on the graph, not among what was said."""
    shortcut = replace(graph(), edges=(*graph().edges, (graph().root, graph().target)))
    assert outcome(SHORTEST + RIGHT, on=shortcut) is Outcome.LONGER_PATH
    assert outcome(f"Alex is a yumpus.\n{RIGHT}", on=shortcut) is Outcome.CORRECT_PATH


def test_the_classes_are_for_questions_after_a_node() -> None:
    assert has_classes(Problem("Is Alex a worpus or yumpus?", (), "Alex is a yumpus.", graph()))
    assert has_classes(Problem("[Q] Alex worpus yumpus", (), "yumpus", graph()))
    assert not has_classes(Problem("True or false: Alex is a yumpus.", (), "True", graph()))
    assert not has_classes(Problem("Is Alex a worpus or yumpus?", (), "Alex is a yumpus."))


def test_only_the_last_prefix_parts_reasoning_from_answer() -> None:
    assert said_reasoning("a ### b ### c", "###", right=False) == "a ### b "
    assert said_reasoning("a b", "###", right=False) == "a b"
    assert said_reasoning("a b", "###", right=True) == ""
    assert said_reasoning("a\nb\nc", "", right=False) == "a\nb"
    assert said_reasoning("a", "", right=False) == ""


def test_the_path_of_both_step_styles() -> None:
    assert said_path(SHORTEST) == said_path("Alex lempus rompus yumpus\n")
    assert said_path("Alex lempus\nlempus rompus") == ["Alex", "lempus", "rompus"]
    assert said_path("3 7\n7 12\n12 9\n") == ["3", "7", "12", "9"]
    assert said_path("3 7\n12 9\n") is None, "a step left out is a gap, also where the edge 7 12 exists"
    assert said_path("Every lempus is an impus") == ["lempus", "impus"]
    assert said_path("") == []
    assert said_path("Alex is a lempus. Every rompus is a yumpus.") is None
