"""Sets of word problems as their authors publish them: SVAMP, GSM-Hard and MultiArith.

Each is a JSON list or one object a line. Where a set has an expression for each problem, its sums become the
steps; where it has a program, or nothing, a problem has none.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from coconut_core.common.errors import CoconutError
from coconut_core.problems.arithmetic import evaluate_sum, plain_number
from coconut_core.problems.base import Problem
from coconut_core.problems.conversion import Conversion
from coconut_core.problems.expressions import sums_of
from coconut_core.problems.files import read_records


def svamp(record: dict[str, Any]) -> Problem:
    """{"Body": …, "Question": …, "Equation": "( 8.0 - 3.0 )", "Answer": 5.0, …}, two texts to ask one."""
    question = f"{_text(record, 'Body')} {_text(record, 'Question')}"
    return _with_sums(question, _text(record, "Equation"), plain_number(record.get("Answer")))


def gsm_hard(record: dict[str, Any]) -> Problem:
    """{"input": …, "code": "def solution(): …", "target": -9867630.0}; the program is not looked at."""
    return Problem(_text(record, "input"), (), plain_number(record.get("target")))


def multi_arith(record: dict[str, Any]) -> Problem:
    """{"sQuestion": …, "lEquations": ["X=((32.0+42.0)-35.0)"], "lSolutions": [39.0]}, or as a hub data set
    {"question": …, "final_ans": "39"}."""
    if "sQuestion" not in record:
        return Problem(_text(record, "question"), (), plain_number(record.get("final_ans")))
    equations, solutions = record.get("lEquations"), record.get("lSolutions")
    if not isinstance(equations, list) or not isinstance(solutions, list) or len(solutions) != 1:
        raise CoconutError("no 'lEquations' and 'lSolutions' of one unknown")
    unknown, _, expression = str(equations[0]).partition("=") if len(equations) == 1 else ("", "", "")
    is_solved = unknown.strip().isalpha()  # "X=…", and not "28+x=54"
    return _with_sums(_text(record, "sQuestion"), expression if is_solved else "", plain_number(solutions[0]))


FORMATS: dict[str, Callable[[dict[str, Any]], Problem]] = {
    "svamp": svamp,
    "gsm-hard": gsm_hard,
    "multiarith": multi_arith,
}


def convert_file(
    path: str | Path, conversion: Conversion, read: Callable[[dict[str, Any]], Problem]
) -> Iterator[Problem]:
    """The problems of a file in one of FORMATS, one at a time; what happens is counted in `conversion`.

    Raises CoconutError where the file cannot be read.
    """
    for number, (_, record) in enumerate(read_records(Path(path)), start=1):
        problem = conversion.take(number, partial(_read, record, read))
        if problem is not None:
            yield problem


def _read(record: Any, read: Callable[[dict[str, Any]], Problem]) -> Problem:
    if not isinstance(record, dict):
        raise CoconutError("no JSON object")
    return read(record)


def _text(record: dict[str, Any], name: str) -> str:
    text = record.get(name)
    if not isinstance(text, str) or not text.strip():
        raise CoconutError(f"no '{name}' that is text")
    return text.strip()


def _with_sums(question: str, expression: str, answer: str) -> Problem:
    """A problem whose steps are the sums of an expression. Raises CoconutError where that is not the answer."""
    if not expression:
        return Problem(question, (), answer)
    value = evaluate_sum(expression)
    if value != evaluate_sum(answer):
        raise CoconutError(f"{expression} is not the answer, {answer}")
    return Problem(question, tuple(sums_of(expression)), answer)
