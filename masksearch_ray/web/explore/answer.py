"""An answer as the page shows it: which masks, with what beside them. No I/O but rows by id."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from masksearch_ray.model.query import Column, CountPixels, Expr, Key, Query, children
from masksearch_ray.model.roi import Box, BoxColumn, BoxListColumn, Outside, Polygon, Roi
from masksearch_ray.web.build import from_query
from masksearch_ray.web.rows import Row
from masksearch_ray.web.view import View

__all__ = ["Answer", "Mark", "marks_of", "range_of", "regions_of", "told"]

Mark = tuple[str, list[float], str]
"""What is drawn on a picture: ``rect`` or ``polygon``, numbers in pixels of the mask, class."""

_TEXT = ("label", "prediction")


class Answer:
    """The rows of an answer, in the order that the page shows.

    Parameters
    ----------
    table : pyarrow.Table
    query : Query
    order : str
        As of `View`.
    """

    def __init__(self, table: pa.Table, query: Query, order: str = "asked") -> None:
        self.query = query
        self.built = from_query(query)
        self.pair = None if self.built is None else self.built.pair
        self.table = _sorted(table, order)
        self._mask, self._image = _known(query, table.column_names)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def kind(self) -> Literal["masks", "images", "table"]:
        """What a row stands for: a mask, an image of which masks are compared, or neither."""
        if self._mask is not None:
            return "masks"
        return "table" if self._image is None else "images"

    @property
    def key(self) -> str:
        """Column that says which mask or image it is."""
        first: str = self.table.column_names[0]
        return self._mask or self._image or first

    @property
    def score(self) -> str | None:
        """Column by which masks are ranked or chosen: ``score``, else the first other number."""
        numbers = [
            name
            for name, column in zip(self.table.column_names, self.table.columns, strict=True)
            if name not in (self.key, "image_id", "model_id", *_TEXT)
            and (pa.types.is_floating(column.type) or pa.types.is_integer(column.type))
        ]
        return "score" if "score" in numbers else next(iter(numbers), None)

    @property
    def others(self) -> list[str]:
        """Further columns that are told below a picture."""
        return [
            name
            for name in self.table.column_names
            if name not in (self.key, "image_id", *_TEXT, self.score)
        ]

    def page(self, view: View) -> list[Row]:
        """Rows of a page."""
        rows: list[Row] = self.table.slice(view.page * view.size, view.size).to_pylist()
        return rows

    def lines(self, found: Row, row: Row) -> list[str]:
        """What is told below a picture, besides the score."""
        lines = [f"{name} {told(found[name])}" for name in self.others]
        if row.get("label") is not None and row.get("prediction") is not None:
            lines.append(f"{row['label']} → {row['prediction']}")
        elif row.get("label") is not None:
            lines.append(f"label {row['label']}")
        return lines

    def title(self, found: Row) -> str:
        """The score, or else the id."""
        if self.score is None:
            return f"{self.key} {found[self.key]}"
        return told(found[self.score])

    @property
    def nothing(self) -> str:
        """What is told where there are no rows, with what may help."""
        what = {"masks": "mask", "images": "image"}.get(self.kind, "row")
        built = self.built
        if built is None or built.kind == "top":
            some = self.query.where is not None or self.query.having is not None
            return f"No {what} passes the filters." if some else f"There is no {what}."
        more = built.comparison in (">", ">=")
        ways = ["Lower the threshold" if more else "Raise the threshold"]
        if built.score != "iou":
            # More pixels of it pass the more; an IoU goes either way.
            ways.append("widen the range" if more else "narrow the range")
        if built.where:
            ways.append("remove a filter")
        return f"No {what} satisfies this. {', or '.join(ways)}."

    @cached_property
    def keys(self) -> list[str]:
        """Which mask or image each row is, as text."""
        return [str(key) for key in self.table.column(self.key).to_pylist()]

    @cached_property
    def threshold(self) -> float | None:
        """Value from which on a pixel belongs to a mask, where masks are compared."""
        values = range_of(self.query)
        return None if values is None else values[0]

    def members(self, rows: Sequence[Row]) -> list[Row]:
        """Masks of an image that are compared, the first of the pair first."""
        if self.pair is None:
            return list(rows[:2])
        column = self.pair.column
        wanted = (self.pair.first, self.pair.second)
        return [row for value in wanted for row in rows if row[column] == value]

    def typed(self, key: str) -> Any:
        """A key as the answer has it."""
        return self.table.column(self.key)[self.keys.index(key)].as_py()


def _known(query: Query, names: Sequence[str]) -> tuple[str | None, str | None]:
    """Columns that hold ids of masks, or of images that are grouped by, whatever their names."""
    mask = image = None
    if query.explain is not None:
        return None, None
    for name, output in zip(names, query.outputs, strict=False):
        expr, grouped = output.expr, False
        if isinstance(expr, Key) and query.group_by:
            expr, grouped = query.group_by[expr.index], True
        if isinstance(expr, Column):
            mask = mask or (name if expr.name == "mask_id" else None)
            image = image or (name if expr.name == "image_id" and grouped else None)
    return mask, None if mask is not None else image


def told(value: object) -> str:
    """A value for people: numbers grouped, and rounded to four digits."""
    if value is None:
        return "none"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def regions_of(query: Query) -> list[Roi]:
    """Regions that a query's counts speak of, each once; of an outside, what it surrounds."""
    found: dict[Roi, None] = {}
    for expr in _exprs(query):
        for node in _walk(expr):
            if isinstance(node, CountPixels):
                roi = node.roi.roi if isinstance(node.roi, Outside) else node.roi
                found[roi] = None
    return list(found)


def range_of(query: Query) -> tuple[float, float] | None:
    """Range of values of a query's first count; None where it counts nothing."""
    for expr in _exprs(query):
        for node in _walk(expr):
            if isinstance(node, CountPixels):
                source = node.source.threshold or node.range
                low, high = query.domain.lo, query.domain.hi
                return max(low, source.start), min(high, source.stop)
    return None


def marks_of(regions: Sequence[Roi], row: Row, boxes: Sequence[str]) -> list[Mark]:
    """What is drawn on a mask's picture.

    Parameters
    ----------
    regions : sequence of Roi
        Of the query.
    row : mapping
        Columns of the mask.
    boxes : sequence of str
        Columns of boxes that are drawn, too.
    """
    marks: list[Mark] = []
    named = {roi.name for roi in regions if isinstance(roi, BoxColumn | BoxListColumn)}
    for name in boxes:
        if name not in named:
            marks += [("rect", list(box), "ms-box") for box in _boxes(row.get(name))]
    for roi in regions:
        match roi:
            case Box(x0, y0, x1, y1):
                marks.append(("rect", [x0, y0, x1, y1], "ms-roi"))
            case Polygon(points):
                marks.append(("polygon", [one for point in points for one in point], "ms-roi"))
            case BoxColumn(name) | BoxListColumn(name):
                marks += [("rect", list(box), "ms-roi") for box in _boxes(row.get(name))]
    return marks


def _boxes(value: Any) -> list[Sequence[float]]:
    if value is None or not len(value):
        return []
    return [value] if not isinstance(value[0], list | tuple) else list(value)


def _exprs(query: Query) -> Iterator[Expr]:
    yield from (output.expr for output in query.outputs)
    yield from (key.expr for key in query.order_by)
    yield from (expr for expr in (query.where, query.having) if expr is not None)


def _walk(expr: Expr) -> Iterator[Expr]:
    stack = [expr]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(children(node))


def _sorted(table: pa.Table, order: str) -> pa.Table:
    name = order.removeprefix("-")
    if name not in table.column_names or pa.types.is_nested(table.schema.field(name).type):
        return table
    # Stable: the order asked for settles ties.
    keys = pa.table({"key": table.column(name), "at": pa.array(range(table.num_rows))})
    way: Mapping[bool, str] = {True: "descending", False: "ascending"}
    by = [("key", way[order.startswith("-")]), ("at", "ascending")]
    return table.take(pc.sort_indices(keys, sort_keys=by))
