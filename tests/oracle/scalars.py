"""Operators, functions and casts on single values: int, float, str, bool, and None for NULL."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from tests.oracle.collection import finite

COMPARE = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def rounded(exact: Fraction) -> float | None:
    """The nearest float64, NULL beyond the largest."""
    try:
        return finite(float(exact))
    except OverflowError:
        return None


def as_float(value: Any) -> float | None:
    """An int or float as float64."""
    return None if value is None else rounded_number(value)


def rounded_number(value: int | float) -> float | None:
    return finite(value) if isinstance(value, float) else rounded(Fraction(value))


def arithmetic(op: str, a: Any, b: Any) -> Any:
    """``a op b``: exact over integers, IEEE float64 once a float takes part."""
    if a is None or b is None:
        return None
    if op == "/":
        return None if b == 0 else rounded(Fraction(a) / Fraction(b))
    if isinstance(a, float) or isinstance(b, float):
        a, b = as_float(a), as_float(b)
        if a is None or b is None:
            return None
    if op == "%":
        return remainder(a, b)
    result = {"+": operator.add, "-": operator.sub, "*": operator.mul}[op](a, b)
    return finite(result) if isinstance(result, float) else result


def remainder(a: Any, b: Any) -> Any:
    """What is left of ``a``, with the sign of ``a``."""
    if b == 0:
        return None
    if isinstance(a, float):
        return finite(math.fmod(a, b))
    left = abs(a) % abs(b)
    return left if a >= 0 else -left


def compare(op: str, a: Any, b: Any) -> bool | None:
    """A comparison of exact values; Python compares int with float exactly."""
    return None if a is None or b is None else bool(COMPARE[op](a, b))


def both(a: bool | None, b: bool | None) -> bool | None:
    """``a AND b``."""
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def either(a: bool | None, b: bool | None) -> bool | None:
    """``a OR b``."""
    return negate(both(negate(a), negate(b)))


def negate(a: bool | None) -> bool | None:
    """``NOT a``."""
    return None if a is None else not a


def among(value: Any, items: Iterable[Any]) -> bool | None:
    """``value IN (items)``: equal to one of them."""
    result: bool | None = False
    for item in items:
        result = either(result, compare("=", value, item))
    return result


def like(text: str | None, pattern: str | None) -> bool | None:
    """``text LIKE pattern``: ``%`` stands for any characters, ``_`` for one."""
    if text is None or pattern is None:
        return None
    wild = {"%": ".*", "_": "."}
    regex = "".join(wild.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def half_away(exact: Fraction) -> int:
    """The nearest integer; halves go away from zero."""
    size = math.floor(abs(exact) + Fraction(1, 2))
    return size if exact >= 0 else -size


def round_to(value: Any, digits: int) -> Any:
    """``ROUND(value, digits)`` of the exact value."""
    if value is None:
        return None
    unit = Fraction(10) ** -digits
    if isinstance(value, int):
        return value if digits >= 0 else half_away(value / unit) * int(unit)
    return rounded(half_away(Fraction(value) / unit) * unit)


def cast(value: Any, kind: str) -> Any:
    """``CAST(value AS …)``."""
    if value is None:
        return None
    return {"int": to_int, "float": to_float, "str": to_str, "bool": to_bool}[kind](value)


def to_int(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[+-]?[0-9]+", value) else None
    return half_away(Fraction(value)) if isinstance(value, float) else int(value)


def to_float(value: Any) -> float | None:
    if isinstance(value, str):
        number = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
        return finite(float(value)) if re.fullmatch(number, value) else None
    return as_float(int(value) if isinstance(value, bool) else value)


def to_str(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def to_bool(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value)
    return bool(value != 0)


def aggregate(name: str, values: list[Any]) -> Any:
    """A scalar aggregate over the values of a group, NULLs among them."""
    present = [value for value in values if value is not None]
    if name == "COUNT":
        return len(present)
    if not present:
        return None
    if name == "MIN":
        return min(present)
    if name == "MAX":
        return max(present)
    exact = sum(map(Fraction, present), Fraction(0))
    if name == "AVG":
        return rounded(exact / len(present))
    return int(exact) if isinstance(present[0], int) else rounded(exact)
