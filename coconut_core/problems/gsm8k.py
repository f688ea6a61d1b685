"""GSM8k and GSM8k-Aug in their public forms, into problems of the official Coconut layout.

JSON lines: {"question": …, "answer": "… <<48/2=24>>24 clips …\\n#### 72"}, where the annotations become the
steps, or as the hub has GSM8k-Aug {"question": …, "cot": "<<48/2=24>> <<48+24=72>>", "answer": "72"}. GSM8k-Aug
text: question||<<48/2=24>> <<48+24=72>> #### 72, one a line. All may stand in one file.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from coconut_core.common.errors import CoconutError
from coconut_core.problems.arithmetic import check_equation, plain_number
from coconut_core.problems.base import Problem
from coconut_core.problems.conversion import Conversion

_STEP = re.compile(r"<<([^<>]*)>>")


def convert_file(path: str | Path, conversion: Conversion) -> Iterator[Problem]:
    """The problems of a file, one at a time; what happens is counted in `conversion`.

    Empty lines are passed over. Raises CoconutError where the file cannot be read.
    """
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.isspace():
                    continue
                problem = conversion.take(number, partial(convert_line, line))
                if problem is not None:
                    yield problem
    except (OSError, UnicodeDecodeError) as error:
        raise CoconutError(f"cannot read {path}: {error}") from error


def convert_line(line: str) -> Problem:
    """One line of either form. Raises CoconutError with the reason where it cannot be converted."""
    if line.lstrip().startswith("{"):
        question, solution = _from_json(line)
    else:
        question, mark, solution = line.rpartition("||")
        if not mark:
            raise CoconutError("no '||' between question and steps")
    if not question.strip():
        raise CoconutError("no question")
    reasoning, mark, answer = solution.rpartition("####")
    if not mark:
        raise CoconutError("no '####' in front of the answer")
    return Problem(question.strip(), tuple(_steps(reasoning)), plain_number(answer))


def _from_json(line: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CoconutError("not valid JSON") from error
    question, answer = record.get("question"), record.get("answer")
    if not isinstance(question, str) or not isinstance(answer, str):
        raise CoconutError("no 'question' and 'answer' that are text")
    reasoning = record.get("cot")
    return question, f"{reasoning} #### {answer}" if isinstance(reasoning, str) else answer


def _steps(reasoning: str) -> list[str]:
    """The annotations, each checked. Raises CoconutError naming the first that is wrong."""
    annotations = _STEP.findall(reasoning)
    if reasoning.count("<<") != len(annotations) or reasoning.count(">>") != len(annotations):
        raise CoconutError("an annotation '<<…>>' is not closed or not opened")
    for step in annotations:
        try:
            check_equation(step)
        except CoconutError as error:
            raise CoconutError(f"<<{step}>>: {error}") from error
    return [f"<<{step}>>" for step in annotations]
