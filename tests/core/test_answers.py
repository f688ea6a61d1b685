"""What is read as the answer in a model's text: what stands behind the answer prefix, or the last number."""

import pytest

from coconut_core.problems.base import Problem
from coconut_core.records.answers import has_answer, is_right, is_right_officially, last_number, span_number

EXPECTED = Problem("How many clips?", (), "72")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("72 clips", 72),
        (" 72 clips sold.", 72),
        ("**72**", 72),
        ("\\boxed{72}", 72),
        ("\\(\\boxed{72}\\)", 72),
        ("$72$", 72),
        ("29 %", 29),
        ("29%", 29),
        ("29\\%", 29),
        ("29 dollars", 29),
        ("$29.50 each", 29.5),
        ("1,200 nuts.", 1200),
        ("\u22123", -3),
        ("-$3", -3),
        ("18 or 20", None),
        ("18 or more", None),
        ("18 and 20", None),
        ("18 20", None),
        ("18, 20", None),
        ("18-20", None),
        ("about 18", None),
        ("18 is what I would say it is", None),
        ("", None),
        ("clips", None),
    ],
)
def test_a_span_is_a_number_and_its_unit(text: str, number: float | None) -> None:
    assert span_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So, she sold 48 + 24 = 72 clips.", 72),
        ("The answer is: 72", 72),
        ("#### 72", 72),
        ("48/2 = 24, so 48+24=\\boxed{72}.", 72),
        ("It is **72**.", 72),
        ("In all $1,200.50.", 1200.5),
        ("The temperature is \u22123 degrees.", -3),
        ("24 - 6", 6),
        ("24-6", 6),
        ("f(x)-6", 6),
        ("It costs -$3", -3),
        ("3, 4", 4),
        ("no number at all", None),
        ("", None),
    ],
)
def test_free_text_answers_with_its_last_number(text: str, number: float | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "prefix", "right"),
    [
        ("The answer is: 72", "", True),
        ("72 clips", "", True),
        ("#### 72", "", True),
        ("**72**", "", True),
        ("So, she sold 48 + 24 = 72 clips.", "", True),
        ("So, she sold 48 + 24 = 73 clips.", "", False),
        ("72 of the 80 clips", "", False),
        ("48 + 24 = 72\n### 72 clips", "###", True),
        ("48 + 24 = 72\n### 72 or 73", "###", False),
        ("48 + 24 = 72\n### none", "###", False),
        ("48 + 24 = 72\n###", "###", False),
        ("48 + 24 = 72", "####", True),
    ],
)
def test_the_answer_prefix_decides_which_reader_reads(text: str, prefix: str, right: bool) -> None:
    assert is_right(text, EXPECTED, prefix) is right


def test_whether_there_is_an_answer() -> None:
    assert has_answer("It is 5.", EXPECTED, "")
    assert not has_answer("It is many.", EXPECTED, "")
    assert not has_answer("5 ### many", EXPECTED, "###")
    name = Problem("Who?", (), "Alex is a rompus.")
    assert has_answer("### Bob", name, "###")
    assert not has_answer("Bob", name, "###")
    assert has_answer("Bob", name, "")
    assert not has_answer(" ", name, "")


@pytest.mark.parametrize(
    ("text", "expected", "right"),
    [
        ("<<48/2=24>>\n### 72", "72", True),
        ("### 1,200", "1200", True),
        ("### 1200", "1,200", True),
        ("## 72", "72", True),
        ("### 72.0", "72", False),
        ("### $72", "72", False),
        ("### Alex  is a rompus.", "Alex is a rompus.", False),
        ("72", "72", False),  # without # the question belongs to it
        ("### Tom, is a rompus.", "Tom is a rompus.", True),
    ],
)
def test_the_official_reading(text: str, expected: str, right: bool) -> None:
    assert is_right_officially(text, Problem("How many?", (), expected)) is right
