"""The builder's state as SQL that a person would write."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from masksearch_ray.errors import InputError
from masksearch_ray.model.query import (
    Aggregate,
    Area,
    Call,
    Catalog,
    Column,
    CountPixels,
    Expr,
    MaskSource,
    Type,
)
from masksearch_ray.model.query import Literal as Constant
from masksearch_ray.model.values import Domain, ValueRange
from masksearch_ray.sql import render_expr
from masksearch_ray.sql.masks import BINARY_DOMAIN
from masksearch_ray.sql.tokens import MAX_TEXT
from masksearch_ray.web.build.checks import check
from masksearch_ray.web.build.state import Built, Condition, Pixels, Value

__all__ = ["Names", "condition_sql", "names", "score_expr", "to_sql", "value_sql"]

# The ones of a mask of 0 and 1.
_ONES = ValueRange.of(0.5, 1.0, BINARY_DOMAIN)
_TOLD = ("label", "prediction")
_BREAK_AFTER = 80


@dataclass(frozen=True)
class Names:
    """Columns of the answer to a built query.

    Parameters
    ----------
    id : {"mask_id", "image_id"}
    score : str
    pixels : str
        The exact count of pixels; for a count the same column as `score`.
    out_of : str
        What `pixels` is divided by: area, second count, or pixels of either mask; empty for a
        count.
    told : tuple of str
        Metadata columns shown beside it.
    """

    id: str
    score: str
    pixels: str
    out_of: str
    told: tuple[str, ...]


def names(built: Built, catalog: Catalog) -> Names:
    """Names of the columns that `to_sql` selects; none of them hides one of the collection's."""
    taken = {name.casefold() for name in catalog.fields}
    score, pixels, out_of = (_free(name, taken) for name in ("score", "pixels", "out_of"))
    grouped = built.score == "iou"
    told = tuple(name for name in _TOLD if name in catalog.fields and not grouped)
    if built.score == "count":
        return Names("mask_id", score, score, "", told)
    return Names("image_id" if grouped else "mask_id", score, pixels, out_of, told)


def to_sql(built: Built, catalog: Catalog, *, counts: bool = True) -> str:
    """SQL of a state, a clause a line.

    Parameters
    ----------
    built : Built
    catalog : Catalog
    counts : bool
        Select the score and its counts, which are then computed for every row of the answer, and
        the label and prediction; False selects the id alone.

    Returns
    -------
    str
        `Collection.parse` takes it, and `from_query` makes the same state of that.

    Raises
    ------
    InputError
        The state is no query; in words that name the control.
    """
    check(built, catalog)
    named = names(built, catalog)
    score = _shown(score_expr(built, catalog.domain), catalog.domain)
    selected = [named.id]
    if counts:
        selected += _selected(built, catalog.domain, named)
        score = named.score
    lines = ["SELECT " + ",\n       ".join(selected), "FROM masks"]
    passes = f"{score} {built.comparison} {value_sql(built.threshold)}"
    conditions = _conditions(built)
    if built.kind == "filter" and built.score != "iou":
        conditions.append(passes)
    if conditions:
        lines.append("WHERE " + "\n  AND ".join(conditions))
    if built.score == "iou":
        lines.append("GROUP BY image_id")
        groups = [*_of_both(built), *([passes] if built.kind == "filter" else [])]
        lines += ["HAVING " + "\n   AND ".join(groups)] if groups else []
    if built.kind == "top":
        lines += [f"ORDER BY {score} {'DESC' if built.descending else 'ASC'}", f"LIMIT {built.k}"]
    text = "\n".join(lines)
    if len(text) > MAX_TEXT:
        raise InputError(f"Filters: the query is longer than {MAX_TEXT:,} characters")
    return text


def score_expr(built: Built, domain: Domain) -> Expr:
    """The score as the binder types it."""
    if built.score == "iou":
        both, either = _iou_part(built, domain, "intersect"), _iou_part(built, domain, "union")
        return Call("/", (both, either), "float")
    counted = _counted(built.pixels, domain)
    if built.score == "count":
        return counted
    roi = built.pixels.roi
    divisor = Area(roi) if built.score == "share" else _counted(built.below, domain)
    return Call("/", (counted, divisor), "float")


def _iou_part(
    built: Built, domain: Domain, aggregate: Literal["intersect", "union"]
) -> CountPixels:
    values, threshold = ValueRange.of(built.pixels.low, domain.hi, domain), None
    if built.cut:
        values, threshold = _ONES, ValueRange(float(built.pixels.low), math.inf)
    return CountPixels(MaskSource(aggregate, threshold), built.pixels.roi, values)


def _counted(pixels: Pixels, domain: Domain) -> CountPixels:
    values = ValueRange.of(pixels.low, pixels.high, domain)
    return CountPixels(MaskSource(), pixels.roi, values)


def _selected(built: Built, domain: Domain, named: Names) -> list[str]:
    score = score_expr(built, domain)
    selected = [f"{_shown(score, domain)} AS {named.score}"]
    if isinstance(score, Call):
        parts = zip(score.args, (named.pixels, named.out_of), strict=True)
        selected += [f"{_shown(part, domain)} AS {name}" for part, name in parts]
    return [*selected, *named.told]


def _shown(expr: Expr, domain: Domain) -> str:
    text = render_expr(expr, domain)
    if isinstance(expr, Call) and len(text) > _BREAK_AFTER:
        above, below = (render_expr(arg, domain) for arg in expr.args)
        return f"{above}\n         / {below}"
    return text


def _conditions(built: Built) -> list[str]:
    where = list(built.where)
    if built.score == "iou" and built.pair is not None:
        pair = built.pair
        where.insert(0, Condition(pair.column, "in", (pair.first, pair.second)))
    return [condition_sql(condition) for condition in where]


def _of_both(built: Built) -> list[str]:
    """Of one mask alone, the IoU would be that with itself."""
    if built.pair is None or not built.both:
        return []
    values = Aggregate("count", Column(built.pair.column, "other"), True, "int")
    return [f"{render_expr(values)} = 2"]


def condition_sql(condition: Condition) -> str:
    """A condition as it stands in WHERE."""
    column = render_expr(Column(condition.column, "other"))
    operator = condition.operator.upper()
    if condition.other:
        return f"{column} {operator} {render_expr(Column(condition.other, 'other'))}"
    values = [value_sql(value) for value in condition.values]
    match condition.operator:
        case "is null" | "is not null":
            return f"{column} {operator}"
        case "in" | "not in":
            return f"{column} {operator} ({', '.join(values)})"
        case "between":
            return f"{column} BETWEEN {values[0]} AND {values[1]}"
    return f"{column} {operator} {values[0]}"


def value_sql(value: Value) -> str:
    """A value as SQL; whole floats as integers, which compare alike."""
    kind: Type = "string" if isinstance(value, str) else "float"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return render_expr(Constant(value, kind))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
