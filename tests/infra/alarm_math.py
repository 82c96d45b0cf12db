"""CloudWatch's alarm evaluation, as far as the alarms of `infra/` use it: no emulator evaluates metric math.

A series is its data points by period; a period without one is missing. What AWS does not say is taken both ways:
whether `FILL` makes a series out of a metric without any data point in the range.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

Series = Mapping[int, float]


def evaluate(expression: str, series: Mapping[str, Series], periods: Sequence[int], *, fill_empty: bool) -> Series:
    """Evaluate an expression of metric math, period by period."""
    python = expression.replace(" AND ", " and ").replace(" OR ", " or ")
    tree = ast.parse(python, mode="eval").body
    points = {period: _value(tree, series, period, fill_empty) for period in periods}
    return {period: value for period, value in points.items() if value is not None}


_OPERATORS: Final[Mapping[type[ast.AST], Callable[[float, float], float]]] = {
    ast.Mult: lambda left, right: left * right,
    ast.And: lambda left, right: float(bool(left) and bool(right)),
    ast.Gt: lambda left, right: float(left > right),
    ast.Eq: lambda left, right: float(left == right),
}


def _value(node: ast.expr, series: Mapping[str, Series], period: int, fill_empty: bool) -> float | None:
    def of(inner: ast.expr) -> float | None:
        return _value(inner, series, period, fill_empty)

    def filled(name: str, filler: ast.expr) -> float | None:
        value = series[name].get(period)
        return value if value is not None else of(filler) if fill_empty or series[name] else None

    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return series[name].get(period)
        case (
            ast.BinOp(left=left, op=operator, right=right)
            | ast.BoolOp(op=operator, values=[left, right])
            | ast.Compare(left=left, ops=[operator], comparators=[right])
        ):
            operands = (of(left), of(right))
            # Where one operand is missing, so is the result.
            return None if None in operands else _OPERATORS[type(operator)](*operands)  # type: ignore[arg-type]
        case ast.Call(func=ast.Name(id=function), args=arguments):
            return _call(function, arguments, of, filled)
    raise NotImplementedError(ast.dump(node))


def _call(
    function: str,
    arguments: Sequence[ast.expr],
    of: Callable[[ast.expr], float | None],
    filled: Callable[[str, ast.expr], float | None],
) -> float | None:
    match function, arguments:
        case "SUM", [ast.List(elts=parts)]:
            there = [value for value in map(of, parts) if value is not None]
            return sum(there) if there else None
        case "FILL", [ast.Name(id=name), filler]:
            return filled(name, filler)
        case "IF", [condition, yes, no]:
            decided = of(condition)
            return None if decided is None else of(yes) if decided else of(no)
    raise NotImplementedError(function)


def state(
    points: Series, periods: Sequence[int], *, threshold: float, missing_breaches: bool
) -> Literal["ALARM", "OK"]:
    """State of an alarm `> threshold` on all of the periods given (as many as its evaluation periods)."""
    breaching = [points[period] > threshold if period in points else missing_breaches for period in periods]
    return "ALARM" if all(breaching) else "OK"
