"""Functions of the language, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from masksearch_ray.model.query import Type

__all__ = ["AGGREGATES", "CASTS", "FUNCTIONS", "MASK_AGGREGATES", "PIXEL_FORMS", "Signature"]


@dataclass(frozen=True)
class Signature:
    """How a function is called and typed.

    Parameters
    ----------
    op : str
        Of the `Call` that it becomes.
    least, most : int
        Number of arguments; `most` 0 means any number.
    rule : {"numbers", "unify", "first", "round"}
        `numbers`: of the arguments' common number type; `unify`: of their common type; `first`:
        they must be comparable, the result is of the first one's type; `round`: a number and a
        constant number of digits.
    form : str
        As an error shows it.
    """

    op: str
    least: int
    most: int
    rule: Literal["numbers", "unify", "first", "round"]
    form: str


FUNCTIONS = {
    "ABS": Signature("abs", 1, 1, "numbers", "ABS(number)"),
    "MOD": Signature("%", 2, 2, "numbers", "MOD(number, number)"),
    "ROUND": Signature("round", 1, 2, "round", "ROUND(number[, digits])"),
    "COALESCE": Signature("coalesce", 1, 0, "unify", "COALESCE(value, …)"),
    "LEAST": Signature("least", 1, 0, "unify", "LEAST(value, …)"),
    "GREATEST": Signature("greatest", 1, 0, "unify", "GREATEST(value, …)"),
    "NULLIF": Signature("nullif", 2, 2, "first", "NULLIF(value, value)"),
}

AGGREGATES: dict[str, Literal["count", "sum", "avg", "min", "max"]] = {
    "COUNT": "count",
    "SUM": "sum",
    "AVG": "avg",
    "MIN": "min",
    "MAX": "max",
}

MASK_AGGREGATES: dict[str, Literal["intersect", "union", "avg"]] = {
    "INTERSECT": "intersect",
    "UNION": "union",
    "AVG": "avg",
}

PIXEL_FORMS = {
    "CP": "CP(mask, roi, (lv, uv))",
    "AREA": "area(roi)",
    "BOX": "box(x0, y0, x1, y1)",
    "POLYGON": "polygon(x1, y1, …)",
    "OUTSIDE": "outside(roi)",
}
"""Forms over pixels; each has its own place in the grammar."""

CASTS: dict[str, Type] = {
    **dict.fromkeys(("BIGINT", "INT", "INTEGER"), "int"),
    **dict.fromkeys(("DOUBLE", "FLOAT", "REAL"), "float"),
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING"), "string"),
    "BOOLEAN": "bool",
}
