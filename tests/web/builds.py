"""States of the query builder for property tests, and the catalog they are about."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from masksearch_ray.model.query import Catalog
from masksearch_ray.model.roi import Box, BoxColumn, BoxListColumn, FullImage, Polygon
from masksearch_ray.model.values import Domain
from masksearch_ray.web.build import Built, Condition, Pair, Pixels
from masksearch_ray.web.build.state import PAIR_COLUMNS
from tests.sql.catalog import KINDS, catalog

DOMAINS = (Domain(), Domain(-1.0, 1.0), Domain(0.0, 255.0), Domain(0.25, 0.5))
CATALOGS = tuple(catalog(domain) for domain in DOMAINS)

numbers = st.one_of(
    st.integers(-(2**62), 2**62),
    st.integers(-5, 2000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from((0.2, 0.5, 1e-7, 1000.0)),
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
words = st.one_of(texts, st.sampled_from(("cat", "it's", "a%b_", "--", "ü", "")))


@st.composite
def regions(draw: st.DrawFn) -> Any:
    kind = draw(st.sampled_from(("full", "column", "box", "polygon")))
    if kind == "full":
        return FullImage()
    if kind == "column":
        columns = BoxColumn("object_box"), BoxColumn("full image"), BoxListColumn("parts")
        return draw(st.sampled_from(columns))
    if kind == "box":
        x0, y0 = draw(st.integers(-9, 300)), draw(st.integers(-9, 300))
        return Box(x0, y0, x0 + draw(st.integers(1, 99)), y0 + draw(st.integers(1, 99)))
    points = st.tuples(_coordinates, _coordinates)
    return Polygon(tuple(draw(st.lists(points, min_size=3, max_size=6))))


_coordinates = st.one_of(st.floats(-1e4, 1e4), st.integers(0, 99).map(float))


@st.composite
def pixels(draw: st.DrawFn, domain: Domain) -> Pixels:
    value = st.floats(domain.lo, domain.hi) | st.sampled_from((domain.lo, domain.hi))
    low, high = sorted((draw(value), draw(value)))
    region = draw(regions())
    outside = draw(st.booleans()) and not isinstance(region, FullImage)
    return Pixels(region, outside, low, high)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[column]
    values: st.SearchStrategy[Any] = numbers
    if kind in ("string", "bool"):
        values = words if kind == "string" else st.booleans()
    null: st.SearchStrategy[Any] = st.sampled_from(("is null", "is not null"))
    if kind in ("box", "boxes", "other"):
        return Condition(column, draw(null))
    equal, order = ("=", "<>"), ("<", "<=", ">", ">=")
    possible: tuple[Any, ...] = (*equal, "is null", "is not null")
    if kind != "bool":
        possible += (*order, "in", "not in", "between")
    if kind == "string":
        possible += ("like", "not like")
    operator = draw(st.sampled_from(possible))
    if operator in ("is null", "is not null"):
        return Condition(column, operator)
    if operator in (*equal, *order) and draw(st.booleans()):
        return Condition(column, operator, other=draw(st.sampled_from(_same(kind))))
    if operator == "between":
        return Condition(column, operator, tuple(sorted((draw(values), draw(values)))))
    if operator in ("in", "not in"):
        return Condition(column, operator, tuple(draw(st.lists(values, min_size=1, max_size=4))))
    return Condition(column, operator, (draw(values),))


def _same(kind: str) -> list[str]:
    kinds = ("int", "float") if kind in ("int", "float") else (kind,)
    return sorted(name for name, other in KINDS.items() if other in kinds)


@st.composite
def builds(draw: st.DrawFn, catalog: Catalog) -> Built:
    score: Any = draw(st.sampled_from(("count", "share", "ratio", "iou")))
    pair = None
    if draw(st.booleans()) or score == "iou":
        first, second = draw(st.lists(numbers, min_size=2, max_size=2, unique=True))
        pair = Pair(draw(st.sampled_from(PAIR_COLUMNS)), first, second)
    comparison: Any = draw(st.sampled_from((">", ">=", "<", "<=")))
    return Built(
        kind=draw(st.sampled_from(("filter", "top"))),
        score=score,
        pixels=draw(pixels(catalog.domain)),
        below=draw(pixels(catalog.domain)),
        pair=pair,
        cut=draw(st.booleans()),
        both=draw(st.booleans()),
        comparison=comparison,
        threshold=draw(numbers),
        descending=draw(st.booleans()),
        k=draw(st.integers(1, 10**6)),
        where=tuple(draw(st.lists(conditions(), max_size=4))),
    )
