"""What counts as the answer in a model's text, and when it is right. Needs no torch.

Two readers. Where an answer prefix was said, what stands behind it is the answer and nothing else is looked at.
Where none was said (a language model that was not trained to say one), and a number is expected, the last
number of the text is the answer, as GSM8k is usually scored.
"""

import re
from decimal import Decimal

from coconut_core.problems.base import Problem

MINUS = str.maketrans("\u2212\u2013\ufe63\uff0d", "----")  # as typesetters, and so language models, write it
NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
# A minus behind a digit, a letter or a bracket takes away from what stands there.
IN_TEXT = re.compile(rf"(?:(?<![\w)\]}}])(?P<sign>-))?\$?(?P<number>{NUMBER})")
UNIT = re.compile(r"\s*(?:[%°€£]|(?!(?:or|and|to)\b)[^\W\d_]+(?: (?!(?:or|and|to)\b)[^\W\d_]+)?)?\s*\.?")
MARKUP = re.compile(r"\\boxed|\\text|\\[()\[\]!,;]|[*_`{}#]|(?<=\d)\\(?=%)|\\(?=\$)")


def final_answer(text: str, answer_prefix: str) -> str:
    """What stands behind the last answer prefix, white space folded; the whole text where none was said."""
    tail = text.rsplit(answer_prefix, 1)[-1] if answer_prefix else text
    return re.sub(r"\s+", " ", tail).strip()


def is_right(text: str, problem: Problem, answer_prefix: str) -> bool:
    """Whether a model's text ends in exactly the expected answer.

    Where a number is expected numbers are compared, so that "$1,200.00." is 1200; see read_answer.
    """
    expected = re.sub(r"\s+", " ", problem.answer).strip()
    number = read_number(expected)
    if number is None:
        return final_answer(text, answer_prefix) == expected
    return read_answer(text, answer_prefix) == number


def has_answer(text: str, problem: Problem, answer_prefix: str) -> bool:
    """Whether anything in a model's text can be taken for an answer, right or wrong."""
    if read_number(problem.answer) is not None:
        return read_answer(text, answer_prefix) is not None
    return bool(text.strip()) and answer_prefix in text


def is_right_officially(text: str, problem: Problem) -> bool:
    """Whether a model's text is right as the official evaluation of Coconut has it: what stands behind the last
    "#" of question and text, commas taken away, is the expected answer letter by letter."""
    answer = f"{problem.question}\n{text}".rsplit("#", 1)[-1]
    return answer.replace(",", "").strip() == problem.answer.replace(",", "").strip()


def read_answer(text: str, answer_prefix: str) -> Decimal | None:
    """The number that a text answers with: what its answer span is, or where no answer prefix was said, its
    last number. None where no number is there."""
    if answer_prefix and answer_prefix in text:
        return span_number(text.rsplit(answer_prefix, 1)[-1])
    return last_number(text)


def span_number(text: str) -> Decimal | None:
    """The number that an answer span is, with a unit of one or two words or marks of emphasis around it: "72
    clips", "**72**", "29 %". A number among others is none: "18 or 20" must not count as 18."""
    bare = MARKUP.sub("", text.translate(MINUS)).strip().strip("$").strip()
    if (number := read_number(bare)) is not None:
        return number
    match = re.match(rf"-?\s?\$?(?:{NUMBER})", bare)
    if match is None or not UNIT.fullmatch(bare[match.end() :]):
        return None
    return read_number(re.sub(r"\s", "", match[0]))


def last_number(text: str) -> Decimal | None:
    """The last number of a text, as "72" in "48 + 24 = **72** clips."; None where the text has no number."""
    numbers = list(IN_TEXT.finditer(MARKUP.sub("", text.translate(MINUS))))
    return read_number((numbers[-1]["sign"] or "") + numbers[-1]["number"]) if numbers else None


def read_number(text: str) -> Decimal | None:
    """The number that a text is, but for commas, a dollar sign and a full stop at its end; else None."""
    bare = text.translate(MINUS).replace(",", "").replace("$", "").strip().removesuffix(".")
    return Decimal(bare) if re.fullmatch(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", bare) else None


def wrong_answer(problem: Problem) -> str | None:
    """The answer that names the wrong candidate; None where the problem knows of none."""
    graph = problem.graph
    if graph is None or not problem.answer:
        return None
    if problem.answer in ("True", "False"):
        return str(problem.answer != "True")
    target, wrong = graph.names[graph.target], graph.names[graph.wrong]
    answer = re.sub(rf"(?<!\w){re.escape(target)}(?!\w)", lambda _: wrong, problem.answer)
    return None if answer == problem.answer else answer


def conclusion(answer: str) -> str:
    """The last word of an answer, without its full stop: what it comes down to."""
    return answer.split()[-1].rstrip(".") if answer.split() else ""
