"""The query builder's state: plain frozen records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from masksearch_ray.model.query import Catalog
from masksearch_ray.model.roi import FullImage, Outside, Polygon, Roi
from masksearch_ray.model.values import Domain

__all__ = [
    "COMPARISONS",
    "OPERATORS",
    "PAIR_COLUMNS",
    "Built",
    "Comparison",
    "Condition",
    "Kind",
    "Operator",
    "Pair",
    "Pixels",
    "Score",
    "Value",
    "essential",
    "first_built",
    "merged",
    "with_rest",
]

Kind = Literal["filter", "top"]
Score = Literal["count", "share", "ratio", "iou"]
Comparison = Literal[">", ">=", "<", "<="]
Comparing = Literal["=", "<>", "<", "<=", ">", ">="]
Operator = Literal[
    Comparing, "in", "not in", "between", "like", "not like", "is null", "is not null"
]
Value = int | float | str | bool

COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
OPERATORS: tuple[Operator, ...] = get_args(Operator)
PAIR_COLUMNS = ("mask_type", "model_id")
"""Columns whose values tell apart the two masks of an IoU."""


@dataclass(frozen=True)
class Pixels:
    """Which pixels are counted: where they lie, and their values.

    Parameters
    ----------
    region : Roi
        Any but `Outside`.
    outside : bool
        Count those outside of `region` instead.
    low, high : float
        ``low <= value < high``, in the units of the value domain; a `high` at the upper end of the
        domain is included, as in the query language.
    """

    region: Roi = field(default_factory=FullImage)
    outside: bool = False
    low: float = 0.0
    high: float = 1.0

    @property
    def roi(self) -> Roi:
        """The region as a query names it."""
        region = self.region
        if isinstance(region, Polygon):
            # A zero has no sign, though a browser may round to -0.
            region = Polygon(tuple((x + 0.0, y + 0.0) for x, y in region.points))
        return Outside(region) if self.outside else region


@dataclass(frozen=True)
class Pair:
    """The two masks of an image that an IoU compares.

    Parameters
    ----------
    column : {"mask_type", "model_id"}
    first, second : int or str
        Values of `column`.
    """

    column: str
    first: int | float | str
    second: int | float | str


@dataclass(frozen=True)
class Condition:
    """A condition on a metadata column.

    Parameters
    ----------
    column : str
    operator : Operator
    values : tuple of int, float, str or bool
        None for ``is null`` and where `other` is given, two for ``between``, one or more for
        ``in``, else one.
    other : str
        Column that `column` is compared with, in place of a value: ``label <> prediction``.
    """

    column: str
    operator: Operator
    values: tuple[Value, ...] = ()
    other: str = ""


@dataclass(frozen=True)
class Built:
    """A query as the builder's controls hold it.

    Parameters
    ----------
    kind : {"filter", "top"}
        All rows whose score passes the threshold, or the `k` highest or lowest.
    score : {"count", "share", "ratio", "iou"}
        Pixels counted; divided by the area of their region; divided by the count of `below`; or
        common pixels of two masks of an image divided by those of either.
    pixels : Pixels
        For ``iou`` its `low` is the value from which on a pixel belongs to a mask; `high` is
        not used.
    below : Pixels
        Divisor of ``ratio``.
    pair : Pair, optional
        What ``iou`` compares; wanted there.
    cut : bool
        For ``iou``: masks become 0 and 1 before they are combined; False combines their values,
        which differs only where pixels are NaN.
    both : bool
        For ``iou``: images that lack one of the two masks are left out; False takes them as well,
        and the IoU of the other mask with itself.
    comparison : {">", ">=", "<", "<="}
    threshold : int or float
        Of a filter.
    descending : bool
        Whether a top-k takes the highest.
    k : int
        Rows of a top-k.
    where : tuple of Condition
        All of them must hold.
    """

    kind: Kind = "top"
    score: Score = "count"
    pixels: Pixels = field(default_factory=Pixels)
    below: Pixels = field(default_factory=Pixels)
    pair: Pair | None = None
    cut: bool = True
    both: bool = True
    comparison: Comparison = ">"
    threshold: int | float = 0
    descending: bool = True
    k: int = 25
    where: tuple[Condition, ...] = ()


def first_built(catalog: Catalog) -> Built:
    """What the builder holds before anything is chosen: the most bright pixels, first 25 rows."""
    low, high = catalog.domain.lo, catalog.domain.hi
    bright = round(low + (high - low) * 0.8, 6)
    pixels = Pixels(low=bright if low < bright < high else low, high=high)
    return Built(pixels=pixels, below=Pixels(low=low, high=high))


def essential(built: Built, domain: Domain) -> Built:
    """The same query with every field that it does not use at its default.

    Two states mean the same query where their essentials are equal.
    """
    unused = Built(below=Pixels(low=domain.lo, high=domain.hi))
    pixels, below = built.pixels, unused.below
    pair, cut, both = unused.pair, unused.cut, unused.both
    if built.score == "ratio":
        below = built.below
    if built.score == "iou":
        pixels = replace(pixels, high=domain.hi)
        pair, cut, both = built.pair, built.cut, built.both
    is_filter = built.kind == "filter"
    source, other = (built, unused) if is_filter else (unused, built)
    return Built(
        kind=built.kind,
        score=built.score,
        pixels=pixels,
        below=below,
        pair=pair,
        cut=cut,
        both=both,
        comparison=source.comparison,
        threshold=source.threshold,
        descending=other.descending,
        k=other.k,
        where=merged(built.where),
    )


def with_rest(built: Built, old: Built) -> Built:
    """`built`, with what its query does not use taken from `old`.

    For a page whose SQL was edited: the threshold stays in its control while a top-k is shown.
    """
    if built.kind == "filter":
        built = replace(built, descending=old.descending, k=old.k)
    else:
        built = replace(built, comparison=old.comparison, threshold=old.threshold)
    if built.score != "ratio":
        built = replace(built, below=old.below)
    if built.score == "iou":
        return replace(
            built, pixels=replace(built.pixels, high=max(built.pixels.low, old.pixels.high))
        )
    return replace(built, pair=old.pair, cut=old.cut, both=old.both)


def merged(where: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Conditions, each lower and upper limit of one column as one ``between``."""
    left, done = list(where), []
    while left:
        first = left.pop(0)
        partner = next((other for other in left if _is_range(first, other)), None)
        if partner is None:
            done.append(first)
            continue
        left.remove(partner)
        low, high = (first, partner) if first.operator == ">=" else (partner, first)
        done.append(Condition(first.column, "between", (*low.values, *high.values)))
    return tuple(done)


def _is_range(one: Condition, other: Condition) -> bool:
    if one.column != other.column or {one.operator, other.operator} != {">=", "<="}:
        return False
    low, high = (one, other) if one.operator == ">=" else (other, one)
    if len(low.values) != 1 or len(high.values) != 1:
        return False
    first, last = low.values[0], high.values[0]
    if isinstance(first, str) or isinstance(last, str):
        return isinstance(first, str) and isinstance(last, str) and first <= last
    return first <= last
