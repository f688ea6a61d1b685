"""An expression with brackets as the sums in which it is worked out."""

import ast
from fractions import Fraction

from coconut_core.common.errors import CoconutError
from coconut_core.problems.arithmetic import LONGEST, decimal_text

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def sums_of(expression: str) -> list[str]:
    """The steps of "( ( 692.0 + 692.0 ) - 458.0 )": <<692+692=1384>>, <<1384-458=926>>, innermost first.

    Empty where a result on the way has no end as a decimal number (10/3), and for a number alone. Raises
    CoconutError where the text is no expression of numbers, + - * / and brackets.
    """
    wrong = CoconutError(f"'{expression[:LONGEST]}' is no expression of numbers, + - * / and brackets")
    if len(expression) > LONGEST:
        raise wrong
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        steps: list[tuple[str, str, str, str]] = []
        _work_out(tree.body, steps)
    except (SyntaxError, ValueError, RecursionError, MemoryError, ZeroDivisionError) as error:
        raise wrong from error
    if any("" in step for step in steps):
        return []
    return [f"<<{left}{sign}{right}={result}>>" for left, sign, right, result in steps]


def _work_out(node: ast.expr, steps: list[tuple[str, str, str, str]]) -> Fraction:
    """The value of a part; its sums are added to steps, with "" for a number that has no end."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return Fraction(repr(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_work_out(node.operand, steps)
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATORS:
        raise ValueError(ast.dump(node))
    left, right = _work_out(node.left, steps), _work_out(node.right, steps)
    if isinstance(node.op, ast.Add):
        value = left + right
    elif isinstance(node.op, ast.Sub):
        value = left - right
    elif isinstance(node.op, ast.Mult):
        value = left * right
    else:
        value = left / right
    steps.append((decimal_text(left), OPERATORS[type(node.op)], decimal_text(right), decimal_text(value)))
    return value
