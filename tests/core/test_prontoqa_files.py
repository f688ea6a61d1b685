"""The files of ProntoQA's own generator are read as they stand, and converted."""

import json
from pathlib import Path
from typing import Any

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.problems import read_problems, recognise
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.prontoqa import convert_file
from coconut_core.problems.wording import build_tokenizer
from tests.core.tiny_models import tiny_model

FILE = Path(__file__).parent / "files" / "5hop_0shot_random.json"


def one(**changes: Any) -> dict[str, Any]:
    """An example with a prompt's example in front, as --few-shot-examples 1 writes it."""
    test = {
        "question": "Impuses are cold. Max is an impus.",
        "query": "True or false: Max is not cold.",
        "chain_of_thought": ["Max is an impus.", "Impuses are cold.", "Max is cold."],
        "answer": "False",
    }
    return {"in_context_example0": dict(test, answer="True"), "test_example": {**test, **changes}}


def written(path: Path, *examples: Any) -> Path:
    path.write_text(json.dumps({f"example{number}": each for number, each in enumerate(examples, 1)}, indent=1))
    return path


def test_the_original_file_is_read_as_it_stands() -> None:
    """In the layout that the official preparation gives it: the expected texts are its own."""
    problems = read_problems(FILE)
    assert [problem.answer for problem in problems] == ["True", "False", "True"]
    first = problems[0]
    assert first.question.startswith("Numpuses are not wooden. Vumpuses are lempuses. Rompuses are not dull.")
    assert first.question.endswith("Max is a lorpus. True or false: Max is not wooden.")
    assert first.steps == (
        "Max is a vumpus. Each vumpus is a brimpus.",
        "Max is a brimpus. Brimpuses are grimpuses.",
        "Max is a grimpus. Grimpuses are shumpuses.",
        "Max is a shumpus. Shumpuses are numpuses.",
        "Max is a numpus. Numpuses are not wooden.",
        "Max is not wooden.",
    )


def test_its_wording_is_known() -> None:
    tokenizer = build_tokenizer("prontoqa")
    for problem in read_problems(FILE):
        ids = tokenizer.encode("\n".join([problem.question, *problem.steps, problem.answer]))
        assert tokenizer.unk_token_id not in ids
        read = recognise(problem.question)
        assert read is not None
        assert (read.answer, read.steps) == (problem.answer, problem.steps)


def test_a_converted_problem_has_its_graph() -> None:
    done = Conversion()
    problems = list(convert_file(FILE, done))
    assert (done.converted, done.steps, done.without_steps, done.refused) == (3, 18, 0, [])
    for problem, read in zip(problems, read_problems(FILE), strict=True):
        assert (problem.question, problem.steps, problem.answer) == (read.question, read.steps, read.answer)
        assert problem.graph is not None
        assert len(problem.graph.edges) == 25
        said = problem.graph.names[problem.graph.target]
        assert problem.steps[-1] == f"{problem.graph.names[problem.graph.root]} is {said}."


def test_examples_of_a_prompt_are_passed_over(tmp_path: Path) -> None:
    (problem,) = read_problems(written(tmp_path / "1shot.json", one()))
    assert problem.answer == "False"
    assert problem.steps == ("Max is an impus. Impuses are cold.", "Max is cold.")


@pytest.mark.parametrize(
    ("question", "query", "word"),
    [
        (
            "Every painted lady is a butterfly. Max is a painted lady.",
            "True or false: Max is small.",
            "painted",
        ),
        ("Sheep are cats. Max is a sheep.", "True or false: Max is a cat.", "Sheep"),
        ("Dull yumpuses are grimpuses. Max is a dull yumpus.", "Prove: Max is a grimpus.", "Prove"),
    ],
)
def test_other_wording_is_read_as_text(question: str, query: str, word: str, tmp_path: Path) -> None:
    """Such problems have no graph; a model that does not know the words says so in a line."""
    path = written(tmp_path / "other.json", one(question=question, query=query, chain_of_thought=["Max is."]))
    assert read_problems(path)[0].question == f"{question} {query}"
    (problem,) = convert_file(path, Conversion())
    assert problem.graph is None
    model = tiny_model("llama")
    model.tokenizer = build_tokenizer("prontoqa")
    with pytest.raises(CoconutError, match=word) as caught:
        model.encode_prompt(problem.question)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, "no 'test_example'"),
        (3, "no 'test_example'"),
        (one(answer=None), "no 'answer' that is text; proofs"),
        (one(query=" "), "no 'query' that is text"),
        (one(chain_of_thought="Max is cold."), "must be a list of sentences"),
    ],
)
def test_entries_that_are_no_problems_say_why(entry: Any, reason: str, tmp_path: Path) -> None:
    path = written(tmp_path / "5hop.json", one(), entry)
    with pytest.raises(CoconutError, match=f"5hop.json, example2: .*{reason}") as caught:
        read_problems(path)
    assert "\n" not in str(caught.value)
    done = Conversion()
    assert len(list(convert_file(path, done))) == 1
    assert [number for number, _ in done.refused] == [2]
    assert reason in done.refused[0][1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lambda whole: whole[: len(whole) // 2], "not valid JSON"),
        (lambda whole: whole.rstrip()[:-1], "neither a comma nor the file's end"),
        (lambda whole: whole + "}", "neither a comma nor the file's end"),
        (lambda whole: whole.replace('"example2":', '"example2"', 1), "line 1: a name without a value"),
        (lambda whole: whole.replace('"example2":', "example2:", 1), "not valid JSON"),
    ],
)
def test_a_damaged_file_is_one_line(text: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "5hop.json"
    path.write_text(text(json.dumps({"example1": one(), "example2": one()})))
    with pytest.raises(CoconutError, match=reason) as caught:
        read_problems(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_not_taken_for_one(tmp_path: Path) -> None:
    lines = tmp_path / "problems.jsonl"
    lines.write_text('{"question": "example1:", "answer": "2"}\n{"question": "b", "answer": "3"}\n')
    assert [problem.answer for problem in read_problems(lines)] == ["2", "3"]
    with pytest.raises(CoconutError, match="none of ProntoQA's own generator"):
        list(convert_file(lines, Conversion()))
    with pytest.raises(CoconutError, match="cannot read"):
        list(convert_file(tmp_path / "missing.json", Conversion()))
