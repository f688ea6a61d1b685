"""What counts as the answer in a model's text, and when it is right. Needs no torch."""

import re
from decimal import Decimal

from coconut_core.problems.base import Problem


def final_answer(text: str, answer_prefix: str) -> str:
    """What stands behind the last answer prefix, white space folded; the whole text where there is none."""
    tail = text.rsplit(answer_prefix, 1)[-1] if answer_prefix else text
    return re.sub(r"\s+", " ", tail).strip()


def is_right(text: str, problem: Problem, answer_prefix: str) -> bool:
    """Whether a model's text ends in exactly the expected answer.

    Where a number is expected numbers are compared, so that "$1,200.00." is 1200; see read_number.
    """
    said, expected = final_answer(text, answer_prefix), re.sub(r"\s+", " ", problem.answer).strip()
    number = read_number(expected)
    return said == expected if number is None else read_number(said) == number


def read_number(text: str) -> Decimal | None:
    """The number that a text is, but for commas, a dollar sign and a full stop at its end; else None.

    A number among other words is none: "18 or 20" must not count as 18.
    """
    bare = text.replace(",", "").replace("$", "").strip().removesuffix(".")
    return Decimal(bare) if re.fullmatch(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", bare) else None


def wrong_answer(problem: Problem) -> str | None:
    """The answer that names the wrong candidate; None where the problem knows of none."""
    graph = problem.graph
    if graph is None or not problem.answer:
        return None
    if problem.answer in ("True", "False"):
        return str(problem.answer != "True")
    target, wrong = graph.names[graph.target], graph.names[graph.wrong]
    said = re.sub(rf"(?<!\w){re.escape(target)}(?!\w)", lambda _: wrong, problem.answer)
    return None if said == problem.answer else said


def conclusion(answer: str) -> str:
    """The last word of an answer, without its full stop: what it comes down to."""
    return answer.split()[-1].rstrip(".") if answer.split() else ""
