"""Regions of interest: trees and values handed in -> `Roi`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from masksearch_ray.errors import QueryError
from masksearch_ray.model.query import Catalog
from masksearch_ray.model.roi import Box, BoxColumn, BoxListColumn, FullImage, Outside, Polygon, Roi
from masksearch_ray.sql import tree
from masksearch_ray.sql.constants import Constants
from masksearch_ray.sql.functions import PIXEL_FORMS
from masksearch_ray.sql.grammar import parse_alone
from masksearch_ray.sql.names import lookup, nearest
from masksearch_ray.sql.parameters import INT64, Parameters
from masksearch_ray.sql.source import Source, shown
from masksearch_ray.sql.types import article

__all__ = ["Regions", "parse_roi"]

_FORMS = (
    "full_image, box(x0, y0, x1, y1), polygon(x1, y1, …), outside(roi), roi or a column of boxes"
)


def parse_roi(value: Any, catalog: Catalog) -> Roi:
    """Region that is named outside of a query.

    Parameters
    ----------
    value : Roi, str or sequence of int
        ``"full_image"``, ``"box(1, 2, 3, 4)"``, ``"1, 2, 3, 4"``, ``"polygon(…)"``,
        ``"outside(…)"``, the name of a column of boxes, or four integers ``x0, y0, x1, y1``.
    catalog : Catalog

    Returns
    -------
    Roi

    Raises
    ------
    QueryError
        `value` names no region.
    """
    if isinstance(value, FullImage | Box | Polygon | BoxColumn | BoxListColumn | Outside):
        return value
    if not isinstance(value, str):
        return _box_of(value)
    plain = catalog.fields.get(value)
    if plain is not None and plain.kind in ("box", "boxes") and value != "full_image":
        return BoxColumn(value) if plain.kind == "box" else BoxListColumn(value)
    source = Source(value)
    items = parse_alone(source)
    if len(items) == 1 and isinstance(items[0], tree.Tuple):
        items = items[0].items
    regions = Regions(Constants(source, Parameters(source, None)), catalog, None)
    if len(items) == 1:
        return regions.bind(items[0])
    return regions.box(items, (0, len(value)))


def _box_of(value: Any) -> Box:
    corners = list(value) if isinstance(value, Sequence | np.ndarray) else []
    corners = [c.item() if isinstance(c, np.generic) else c for c in corners]
    if len(corners) != 4 or not all(type(c) is int and c in INT64 for c in corners):
        message = f"{shown(repr(value))} is no region"
        raise QueryError(message, hint="wanted: four integers x0, y0, x1, y1, or a text")
    return Box(*corners)


class Regions:
    """Binds regions of one query.

    Parameters
    ----------
    constants : Constants
    catalog : Catalog
    default : Any
        What `roi` stands for, in any form that `parse_roi` takes; None where it is not given.
    """

    def __init__(self, constants: Constants, catalog: Catalog, default: Any) -> None:
        self._constants = constants
        self._source = constants.source
        self._catalog = catalog
        self._default = None if default is None else parse_roi(default, catalog)

    def bind(self, node: tree.Node) -> Roi:
        """Region that a node names.

        Raises
        ------
        QueryError
            It names none.
        """
        if isinstance(node, tree.Parameter):
            return self._parameter(node)
        if isinstance(node, tree.Name):
            return self._named(node)
        if isinstance(node, tree.Function) and not node.distinct:
            if node.name == "BOX":
                return self.box(node.args, node.span)
            if node.name == "POLYGON":
                return self._polygon(node)
            if node.name == "OUTSIDE":
                return self._outside(node)
        raise self._source.error("a region is wanted", node.span, f"wanted: {_FORMS}")

    def box(self, corners: Sequence[tree.Node], span: tuple[int, int]) -> Box:
        """Box of four constant integers."""
        if len(corners) != 4:
            message = f"a box has 4 coordinates, not {len(corners)}"
            raise self._source.error(message, span, PIXEL_FORMS["BOX"])
        x0, y0, x1, y1 = (
            self._constants.integer(corner, name)
            for corner, name in zip(corners, ("x0", "y0", "x1", "y1"), strict=True)
        )
        return Box(x0, y0, x1, y1)

    def _polygon(self, node: tree.Function) -> Polygon:
        if len(node.args) < 6 or len(node.args) % 2:
            message = "a polygon has at least three corners of two coordinates"
            raise self._source.error(message, node.span, PIXEL_FORMS["POLYGON"])
        numbers = [self._constants.number(arg, "the coordinate") for arg in node.args]
        return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))

    def _outside(self, node: tree.Function) -> Outside:
        if len(node.args) != 1:
            raise self._source.error("outside takes one region", node.span, PIXEL_FORMS["OUTSIDE"])
        return Outside(self.bind(node.args[0]))

    def _parameter(self, node: tree.Parameter) -> Roi:
        value = self._constants.parameters.value(node)
        try:
            return parse_roi(value, self._catalog)
        except QueryError as error:
            raise self._source.error(
                f":{node.name}: {error.message}", node.span, error.hint
            ) from None

    def _named(self, node: tree.Name) -> Roi:
        if node.word == "full_image":
            return FullImage()
        if node.word == "roi":
            if self._default is None:
                hint = "hand it in as the argument roi, or write the region"
                raise self._source.error("no default region is given", node.span, hint)
            return self._default
        found = [] if node.word == "mask" else lookup(node.name, self._catalog.fields)
        kinds = {name: self._catalog.fields[name].kind for name in found}
        if len(found) == 1 and kinds[found[0]] in ("box", "boxes"):
            name = found[0]
            return BoxColumn(name) if kinds[name] == "box" else BoxListColumn(name)
        raise self._not_a_region(node, found)

    def _not_a_region(self, node: tree.Name, found: list[str]) -> QueryError:
        boxes = [name for name, f in self._catalog.fields.items() if f.kind in ("box", "boxes")]
        if len(found) > 1:
            message, hint = f"{shown(node.name)} may be {' or '.join(found)}", "quote the one meant"
        elif found:
            kind = self._catalog.fields[found[0]].kind
            message = f"{shown(found[0])} holds {article(kind)}, not a box"
            hint = nearest(node.name, boxes, "columns of boxes") or f"wanted: {_FORMS}"
        else:
            message = f"unknown region {shown(node.name)}"
            words = ["full_image", "box", "outside", "polygon", "roi", *boxes]
            hint = nearest(node.name, words, "regions")
        return self._source.error(message, node.span, hint)
