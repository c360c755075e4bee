"""Texts of options to values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from masksearch_ray.errors import InputError

__all__ = ["Value", "box_or_text", "named_values", "pair", "value"]

Value = int | float | bool | str | None

_INTEGER = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_MOST_DIGITS = 300  # more than any float has
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


def value(text: str) -> Value:
    """Read a number, ``true``, ``false``, ``null``, a quoted text, or plain text.

    Parameters
    ----------
    text : str
        Quotes, single or double, around the whole keep ``'7'`` and ``'null'`` texts.

    Raises
    ------
    InputError
        If it is an integer longer than any that is used.
    """
    stripped = text.strip()
    if len(stripped) >= 2 and stripped[0] == stripped[-1] and stripped[0] in "'\"":
        return stripped[1:-1]
    if stripped.lower() in _WORDS:
        return _WORDS[stripped.lower()]
    if _INTEGER.fullmatch(stripped):
        if len(stripped) > _MOST_DIGITS:
            raise InputError(f"{stripped[:20]}…: a number of {len(stripped)} digits")
        return int(stripped)
    return float(stripped) if _FLOAT.fullmatch(stripped) else text


def named_values(texts: Sequence[str], option: str) -> dict[str, Value]:
    """Read ``NAME=VALUE`` options.

    Raises
    ------
    InputError
        If one has no name or no ``=``, or a name comes twice.
    """
    found: dict[str, Value] = {}
    for text in texts:
        name, equals, content = text.partition("=")
        name = name.strip().removeprefix(":")
        if not (name and equals):
            raise InputError(f"{option} {text!r}: NAME=VALUE wanted")
        if name in found:
            raise InputError(f"{option} {name}: given twice")
        found[name] = value(content)
    return found


def pair(text: str, option: str, names: str = "LOW,HIGH") -> tuple[float, float]:
    """Read two numbers with a comma between them; `names` is what the error calls them.

    Raises
    ------
    InputError
        If they are not two numbers.
    """
    numbers = [value(part) for part in text.strip("()[] ").split(",")]
    match numbers:
        case [int() | float() as low, int() | float() as high]:
            return float(low), float(high)
    raise InputError(f"{option} {text!r}: two numbers {names} wanted")


def box_or_text(text: str) -> tuple[int, int, int, int] | str:
    """Read ``x0,y0,x1,y1`` as a box; leave everything else for SQL to read."""
    parts = [part.strip() for part in text.strip("()[] ").split(",")]
    if len(parts) == 4 and all(_INTEGER.fullmatch(part) for part in parts):
        x0, y0, x1, y1 = (int(part) for part in parts)
        return x0, y0, x1, y1
    return text
