"""Published sets of word problems become problems of the official layout."""

import json
from pathlib import Path
from typing import Any

import pytest

from coconut_core.common.errors import CoconutError
from coconut_core.problems.arithmetic import check_equation, plain_number
from coconut_core.problems.base import Problem
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.expressions import sums_of
from coconut_core.problems.gsm8k import convert_line
from coconut_core.problems.word_problems import FORMATS, convert_file

# Rows of SVAMP.json of github.com/arkilpatel/SVAMP, copyright (c) 2021 Arkil Patel, MIT licence.
SVAMP = """[
    {
        "ID": "chal-1",
        "Body": "Each pack of dvds costs 76 dollars. If there is a discount of 25 dollars on each pack",
        "Question": "How much do you have to pay to buy each pack?",
        "Equation": "( 76.0 - 25.0 )",
        "Answer": 51.0,
        "Type": "Subtraction"
    },
    {
        "ID": "chal-11",
        "Body": "3 birds were sitting on the fence. 6 more storks and 2 more birds came to join them.",
        "Question": "How many more storks than birds are sitting on the fence?",
        "Equation": "( 6.0 - ( 3.0 + 2.0 ) )",
        "Answer": 1.0,
        "Type": "Subtraction"
    }
]"""
# As MultiArith.json of Roy and Roth is written, and as the hub has it.
MULTI_ARITH = """[
    {"iIndex": 0, "lAlignments": [9, 14, 33], "lEquations": ["X=((32.0+42.0)-35.0)"], "lSolutions": [39.0],
     "sQuestion": " Ann has 32 nuts and 42 figs. She eats 35 of them. How many are left? "},
    {"iIndex": 1, "lAlignments": [8, 20], "lEquations": ["28+x=54"], "lSolutions": [26.0],
     "sQuestion": "Ann has 28 nuts and finds some. Now there are 54. How many did she find?"}
]"""
OF_THE_HUB = '{"question": " Ann has 2 nuts and finds 3 bags of 4. How many? ", "final_ans": "14"}\n'
GSM_HARD = "".join(
    json.dumps(row) + "\n"
    for row in (
        {
            "input": "Ann has 16 nuts and eats 4933828 of them. How many are left?",
            "code": "def solution():\n    nuts = 16\n    eaten = 4933828\n    return nuts - eaten\n",
            "target": -4933812.0,
        },
        {"input": "Ann cuts a rope of 1 m in 7. How long is each?", "code": "", "target": 0.14285714285714285},
    )
)


def converted(text: str, name: str, folder: Path) -> tuple[list[Problem], Conversion]:
    (folder / "source").write_text(text, encoding="utf-8")
    done = Conversion()
    return list(convert_file(folder / "source", done, FORMATS[name])), done


def test_svamp_has_its_expression_as_steps(tmp_path: Path) -> None:
    problems, done = converted(SVAMP, "svamp", tmp_path)
    assert problems == [
        Problem(
            "Each pack of dvds costs 76 dollars. If there is a discount of 25 dollars on each pack "
            "How much do you have to pay to buy each pack?",
            ("<<76-25=51>>",),
            "51",
        ),
        Problem(
            "3 birds were sitting on the fence. 6 more storks and 2 more birds came to join them. "
            "How many more storks than birds are sitting on the fence?",
            ("<<3+2=5>>", "<<6-5=1>>"),
            "1",
        ),
    ]
    assert (done.converted, done.steps, done.without_steps, done.refused) == (2, 3, 0, [])


def test_an_expression_that_is_not_the_answer_is_left_out_and_named(tmp_path: Path) -> None:
    problems, done = converted(SVAMP.replace('"Answer": 1.0', '"Answer": 5.0'), "svamp", tmp_path)
    assert len(problems) == 1
    assert done.refused == [(2, "( 6.0 - ( 3.0 + 2.0 ) ) is not the answer, 5")]


def test_multiarith_is_read_in_both_its_forms(tmp_path: Path) -> None:
    problems, _ = converted(MULTI_ARITH, "multiarith", tmp_path)
    assert [(problem.steps, problem.answer) for problem in problems] == [
        (("<<32+42=74>>", "<<74-35=39>>"), "39"),
        ((), "26"),  # the unknown is in the middle: nothing to work out as it stands
    ]
    assert problems[0].question == "Ann has 32 nuts and 42 figs. She eats 35 of them. How many are left?"
    problems, _ = converted(OF_THE_HUB, "multiarith", tmp_path)
    assert problems == [Problem("Ann has 2 nuts and finds 3 bags of 4. How many?", (), "14")]


def test_gsm_hard_has_large_and_negative_answers(tmp_path: Path) -> None:
    problems, _ = converted(GSM_HARD, "gsm-hard", tmp_path)
    assert [(problem.steps, problem.answer) for problem in problems] == [
        ((), "-4933812"),
        ((), "0.14285714285714285"),
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_rows_of_another_set_are_named_and_left_out(name: str, tmp_path: Path) -> None:
    problems, done = converted('["text", {"Question": 3}, {"input": "x", "target": "many"}]', name, tmp_path)
    assert problems == []
    assert [number for number, _ in done.refused] == [1, 2, 3]
    assert done.refused[0][1] == "no JSON object"


def test_a_damaged_file_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(CoconutError, match=r"source, problem 2, line \d+: not valid JSON"):
        converted(SVAMP[:-40], "svamp", tmp_path)


def test_gsm8k_aug_is_read_as_the_hub_has_it() -> None:
    row = {
        "question": "Ben has half of Ann's 48 nuts. Both?",
        "cot": "<<48/2=24>> <<48+24=72>>",
        "answer": "72",
    }
    problem = convert_line(json.dumps(row))
    assert problem == Problem(row["question"], ("<<48/2=24>>", "<<48+24=72>>"), "72")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (5, "5"), (5.0, "5"), (-9867630.0, "-9867630"), (1e17, "100000000000000000"), (2.5e-07, "0.00000025"),
        ("3.0", "3"), ("1,200", "1200"), ("$1,200.50", "1200.5"), ("-.5", "-0.5"), (" 72 ", "72"),
        ("\u22123", "-3"), ("0.0", "0"), ("007", "7"), ("5.", "5"),
    ],
)  # fmt: skip
def test_a_number_is_written_in_figures(value: Any, plain: str) -> None:
    assert plain_number(value) == plain


@pytest.mark.parametrize(
    "value", [True, None, "", "many", "1 or 2", "1/3", float("nan"), float("inf"), [3], "1e9999"]
)
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(CoconutError, match="is not a number"):
        plain_number(value)


@pytest.mark.parametrize(
    ("expression", "steps"),
    [
        ("( ( 692.0 + 692.0 ) - 458.0 )", ["<<692+692=1384>>", "<<1384-458=926>>"]),
        ("(8.0*(7.0/2.0))", ["<<7/2=3.5>>", "<<8*3.5=28>>"]),
        ("2-5+1", ["<<2-5=-3>>", "<<-3+1=-2>>"]),
        ("0.1+0.2", ["<<0.1+0.2=0.3>>"]),
        ("( 10.0 / 3.0 ) * 3.0", []),  # 10/3 has no end
        ("7", []),
    ],
)
def test_an_expression_is_worked_out_innermost_first(expression: str, steps: list[str]) -> None:
    assert sums_of(expression) == steps
    for step in steps:
        check_equation(step.strip("<>"))


@pytest.mark.parametrize("text", ["", "a+1", "f(2)", "2**9", "1+", "(1", "[1]", "True+1", "1/0", "9" * 201])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(CoconutError, match="is no expression"):
        sums_of(text)
