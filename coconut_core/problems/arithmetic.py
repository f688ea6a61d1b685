"""Sums as they stand in GSM8k's annotations, worked out exactly and without eval()."""

import re
from collections.abc import Sequence
from fractions import Fraction
from math import isfinite

from coconut_core.common.errors import CoconutError

MOST_PLACES = 100  # decimals of a number in figures
LONGEST = 200  # characters of a side; the longest in the wild has some 80

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+"
_OPERATORS = ("//", "+", "-", "*", "/", "(", ")", "%")
_TOKEN = re.compile(rf"\s*({_NUMBER}|//|[-+*/()%])")
_PLAIN_NUMBER = re.compile(rf"\s*[-+]?\s*({_NUMBER})\s*(%?)\s*\Z")
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "$": None})


_ANSWER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]{1,3})?")
_STEP = re.compile(r"\s*(?:<<)?([^<>=]+)=(?:[^<>=]+=)*([^<>=]+)(?:>>)?\s*")


def step_equation(step: str) -> tuple[str, str]:
    """The sum of a step like <<48/2=24>>, or without the marks, and its result, as they are written.

    Raises CoconutError where the step is no such sum.
    """
    match = _STEP.fullmatch(step)
    if match is None:
        raise CoconutError(f"the step '{step[:LONGEST]}' is no sum with its result, like <<48/2=24>>")
    return match[1].strip(), match[2].strip()


def equations(steps: Sequence[str]) -> list[tuple[str, str]]:
    """The sum and the result of each step, see step_equation; empty where a step is no sum."""
    try:
        return [step_equation(step) for step in steps]
    except CoconutError:
        return []


def numbers_in(total: str) -> list[str]:
    """The numbers of a sum, as they are written."""
    return re.findall(_NUMBER, total)


def evaluate_sum(text: str) -> Fraction:
    """The exact value of a sum of numbers: + - * / // ( ), decimals, thousands separators, $ and percent.

    Raises CoconutError where the text is no such sum.
    """
    return _Sum(text).value()


def decimal_text(value: Fraction) -> str:
    """A number in figures, without zeros that say nothing; empty where its decimals end nowhere near."""
    places = next((each for each in range(MOST_PLACES) if (value * 10**each).denominator == 1), None)
    if places is None:
        return ""
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    whole, decimals = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if value < 0 else "") + whole + ("." if decimals else "") + decimals


def plain_number(value: object) -> str:
    """An answer that is a number, or a text of one, in figures: 5.0, "5.00" and "$5" are "5", "1,200" is 1200.

    Raises CoconutError where it is none.
    """
    text = repr(value) if isinstance(value, float) and isfinite(value) else str(value)
    bare = text.strip().translate(_SIGNS).replace(",", "")
    is_number = _ANSWER.fullmatch(bare) and not isinstance(value, bool)
    if not is_number or not (plain := decimal_text(Fraction(bare))):
        raise CoconutError(f"the answer '{text[:40].strip()}' is not a number")
    return plain


def check_equation(text: str) -> None:
    """Check "12/60=0.2": all sides worth the same, up to the rounding of the decimals that are shown.

    A side that is a plain number may be off by less than one in its last place: 3.33 and 3.34 both stand for
    10/3, but 21 does not stand for 5*4. Raises CoconutError saying what is wrong.
    """
    sides = text.split("=")
    if len(sides) < 2:
        raise CoconutError("no '='")
    values = [evaluate_sum(side) for side in sides]
    allowed = max(_last_place(side) for side in sides)
    for side, value in zip(sides, values, strict=True):
        off = abs(value - values[0])
        if off and off >= allowed:
            raise CoconutError(f"{sides[0].strip()} is {_number_text(values[0])}, not {side.strip()}")


def _last_place(side: str) -> Fraction:
    """What one in the last place of a plain number is worth; 0 for a sum."""
    match = _PLAIN_NUMBER.match(side.translate(_SIGNS))
    if match is None:
        return Fraction(0)
    decimals = len(match[1].partition(".")[2])
    return Fraction(1, 10**decimals * (100 if match[2] else 1))


def _number_text(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{float(value):g}"


class _Sum:
    """Reads a sum from left to right: sums of products of signed numbers and brackets."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.rest = self._split(text.translate(_SIGNS))

    def value(self) -> Fraction:
        total = self._terms()
        if self.rest:
            raise self._wrong()
        return total

    def _split(self, text: str) -> list[str]:
        tokens: list[str] = []
        at, end = 0, len(text.rstrip())
        if end > LONGEST:
            raise self._wrong()
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._wrong()
            tokens.append(match[1])
            at = match.end()
        return tokens[::-1]  # the next one last, where it can be popped

    def _wrong(self) -> CoconutError:
        return CoconutError(f"'{self.text[:LONGEST]}' is not a sum of numbers")

    def _take(self, *tokens: str) -> str:
        """The next token if it is one of these, or else an empty text."""
        return self.rest.pop() if self.rest and self.rest[-1] in tokens else ""

    def _terms(self) -> Fraction:
        total = self._factors()
        while sign := self._take("+", "-"):
            total += self._factors() if sign == "+" else -self._factors()
        return total

    def _factors(self) -> Fraction:
        product = self._signed()
        while sign := self._take("*", "/", "//"):
            factor = self._signed()
            if sign == "*":
                product *= factor
                continue
            if not factor:
                raise CoconutError(f"'{self.text}' divides by zero")
            product = product / factor if sign == "/" else Fraction(product // factor)
        return product

    def _signed(self) -> Fraction:
        if sign := self._take("+", "-"):
            return self._signed() if sign == "+" else -self._signed()
        value = self._single()
        while self._take("%"):
            value /= 100
        return value

    def _single(self) -> Fraction:
        if self._take("("):
            value = self._terms()
            if not self._take(")"):
                raise self._wrong()
            return value
        if not self.rest or self.rest[-1] in _OPERATORS:
            raise self._wrong()
        return Fraction(self.rest.pop().replace(",", ""))
