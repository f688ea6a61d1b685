"""GSM8k's two forms become problems of the official layout, with every sum checked."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coconut_core.common.errors import CoconutError
from coconut_core.problems.arithmetic import check_equation, evaluate_sum
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.gsm8k import convert_file, convert_line

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("48/2", 24), ("2+3*4", 14), ("(2+3)*4", 20), ("10-3-2", 5), ("100/10/2", 5), ("-3--4", 1),
        ("2*-3", -6), (".5*4", 2), ("0.1+0.2", Fraction(3, 10)), ("20%*50", 10), ("1,200*2", 2400),
        ("$5 × 2", 10), ("560//100", 5), ("1/3", Fraction(1, 3)), ("5*(3/4)", Fraction(15, 4)), ("-(1+2)", -3),
        ("7.", 7),
    ],
)  # fmt: skip
def test_sums_are_worked_out_exactly(text: str, value: Fraction | int) -> None:
    assert evaluate_sum(text) == value


@given(st.recursive(
    st.integers(0, 99).map(str),
    lambda inner: st.builds("({}{}{})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=8,
))  # fmt: skip
def test_sums_agree_with_python(text: str) -> None:
    expected: object
    try:
        expected = eval(text, {}, {})
    except ZeroDivisionError:
        with pytest.raises(CoconutError, match="divides by zero"):
            evaluate_sum(text)
        return
    assert float(evaluate_sum(text)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "2(3)", "(1", "1)", "1 2", "2^3", "2**3", "1+", "*2", "1,20", "1..2", "1e9",
     "__import__('os')", "٣", "(" * 90, "(" * 5000 + "1" + ")" * 5000, "9" * 201],
)  # fmt: skip
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(CoconutError, match="is not a sum") as caught:
        evaluate_sum(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "10/3=3.33",
        "10/3=3.34",
        "10/3=3",
        "2/3=.67",
        "30/100=30%",
        "1/2=1/2",
        "2*3=6=6.00",
        "-47=-47",
        "18*.5=9.00",
    ],
)
def test_rounding_to_the_decimals_shown_is_right(text: str) -> None:
    check_equation(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5*4=21", "5\\*4 is 20, not 21"), ("10/3=3.35", "not 3.35"), ("10/3=3.3333", None), ("5", "no '='"),
        ("1/0=0", "divides by zero"), ("2*3=6=7", "not 7"), ("1/3=1/4", "not 1/4"),
        ("100/3=33.3%", "not 33.3%"),
    ],
)  # fmt: skip
def test_wrong_equations_are_refused(text: str, reason: str | None) -> None:
    if reason is None:
        check_equation(text)
        return
    with pytest.raises(CoconutError, match=reason):
        check_equation(text)


def test_both_forms_give_the_same_problem() -> None:
    solution = "He has 48/2 = $<<48/2=24>>24.\nTogether <<48+1,152=1200>>1,200.\n#### 1,200"
    from_json = convert_line(json.dumps({"question": "How many? ", "answer": solution}))
    assert from_json == convert_line("How many?||<<48/2=24>> <<48+1,152=1200>> #### 1,200\n")
    assert from_json.question == "How many?"
    assert from_json.steps == ("<<48/2=24>>", "<<48+1,152=1200>>")
    assert from_json.answer == "1200"
    assert from_json.graph is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("How many? <<1+1=2>> #### 2", "no '\\|\\|'"),
        ("How many?||<<1+1=2>> 2", "no '####'"),
        ("How many?||<<1+1=3>> #### 3", "<<1\\+1=3>>: 1\\+1 is 2, not 3"),
        ("How many?||<<1+1=2 #### 2", "not closed"),
        ("How many?||1+1=2>> #### 2", "not opened"),
        ("How many?||<<1+1=2>> #### two", "the answer 'two' is not a number"),
        ("||<<1+1=2>> #### 2", "no question"),
        ('{"question": "How many?"', "not valid JSON"),
        ('{"question": "How many?", "answer": 2}', "no 'question' and 'answer'"),
    ],
)
def test_lines_that_cannot_be_converted_say_why(line: str, reason: str) -> None:
    with pytest.raises(CoconutError, match=reason):
        convert_line(line)


def test_a_file_goes_on_past_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "aug.txt"
    path.write_text("a||<<1+1=2>> #### 2\n\nb||<<1+1=3>> #### 3\nc|| #### 4\nd #### 5\n", encoding="utf-8")
    done = Conversion()
    assert [problem.question for problem in convert_file(path, done)] == ["a", "c"]
    assert (done.converted, done.steps, done.without_steps) == (2, 1, 1)
    assert [number for number, _ in done.refused] == [3, 5]
    with pytest.raises(CoconutError, match="cannot read"):
        list(convert_file(tmp_path / "missing.txt", Conversion()))


@pytest.mark.parametrize(
    ("name", "problems", "without_steps"),
    [("gsm8k_train.jsonl", 7473, 95), ("gsm8k_aug_valid.txt", 500, 6), ("gsm8k_aug_test.txt", 1319, 18)],
)
def test_the_public_files_convert_whole(name: str, problems: int, without_steps: int) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not in {DATA}")
    done = Conversion()
    for problem in convert_file(DATA / name, done):
        assert problem.answer.lstrip("-").replace(".", "", 1).isdigit()
    assert (done.converted, done.without_steps, done.refused) == (problems, without_steps, [])
