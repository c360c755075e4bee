"""Terms over pixels: ``CP(mask, roi, (lv, uv))`` and ``area(roi)``."""

from __future__ import annotations

import math

from masksearch_ray.errors import InputError
from masksearch_ray.model.query import Area, Call, CountPixels, Expr, MaskSource
from masksearch_ray.model.roi import Roi
from masksearch_ray.model.values import Domain, ValueRange
from masksearch_ray.sql import tree
from masksearch_ray.sql.constants import Constants
from masksearch_ray.sql.functions import MASK_AGGREGATES, PIXEL_FORMS
from masksearch_ray.sql.regions import Regions

__all__ = ["BINARY_DOMAIN", "MaskTerms", "is_mask_aggregate"]

BINARY_DOMAIN = Domain(0.0, 1.0)
"""Domain of thresholded masks, whatever the collection's."""

_SOURCES = "mask, or intersect(mask), union(mask), avg(mask), each also of mask > t"


class MaskTerms:
    """Binds the terms over pixels of one query.

    Parameters
    ----------
    constants : Constants
    regions : Regions
    domain : Domain
    """

    def __init__(self, constants: Constants, regions: Regions, domain: Domain) -> None:
        self._constants = constants
        self._source = constants.source
        self._regions = regions
        self._domain = domain

    def area(self, node: tree.Function) -> Area:
        """``area(roi)``."""
        if len(node.args) != 1 or node.distinct:
            raise self._source.error("area takes one region", node.span, PIXEL_FORMS["AREA"])
        return Area(self._regions.bind(node.args[0]))

    def count(self, node: tree.Function) -> Expr:
        """``CP(mask, roi, (lv, uv)[, ends])``.

        A thresholded mask outside a mask aggregate has only the values 0 and 1, so its term
        becomes plain counts of the mask itself.
        """
        if len(node.args) not in (3, 4) or node.distinct:
            message = f"CP takes a mask, a region and a range, not {len(node.args)} arguments"
            raise self._source.error(message, node.span, PIXEL_FORMS["CP"])
        source = self._mask(node.args[0])
        roi = self._regions.bind(node.args[1])
        domain = self._domain if source.threshold is None else BINARY_DOMAIN
        values = self._range(node.args[2], node.args[3:], domain)
        if source.aggregate is None and source.threshold is not None:
            return _count_thresholded(roi, source.threshold, values)
        return CountPixels(source, roi, values)

    def _mask(self, node: tree.Node) -> MaskSource:
        if isinstance(node, tree.Function) and node.name in MASK_AGGREGATES and not node.distinct:
            if len(node.args) != 1:
                raise self._source.error(f"{node.name.lower()} takes one mask", node.span, _SOURCES)
            threshold = self._thresholded(node.args[0])
            return MaskSource(MASK_AGGREGATES[node.name], threshold)
        return MaskSource(None, self._thresholded(node))

    def _thresholded(self, node: tree.Node) -> ValueRange | None:
        """Range of the values that become 1 in ``mask > t``; None for the mask as it is."""
        if _is_mask(node):
            return None
        if not (isinstance(node, tree.Binary) and _is_mask(node.left)):
            raise self._source.error("a mask is wanted", node.span, f"wanted: {_SOURCES}")
        if node.op not in (">", ">=", "<", "<="):
            message = f"a mask is not compared by {node.op}"
            raise self._source.error(message, node.span, "wanted: mask > t, >=, < or <=")
        value = self._constants.number(node.right, "the threshold", infinite=True)
        after = math.nextafter(value, math.inf)
        if node.op[0] == ">":
            return ValueRange(value if node.op == ">=" else after, math.inf)
        return ValueRange(-math.inf, after if node.op == "<=" else value)

    def _range(self, node: tree.Node, rest: tuple[tree.Node, ...], domain: Domain) -> ValueRange:
        if not isinstance(node, tree.Tuple) or len(node.items) != 2:
            hint = "wanted: (lv, uv), two numbers in parentheses"
            raise self._source.error("a range of values is wanted", node.span, hint)
        lv, uv = (
            self._constants.number(item, name, infinite=True)
            for item, name in zip(node.items, ("lv", "uv"), strict=True)
        )
        ends = self._constants.string(rest[0], "the fourth argument") if rest else None
        if rest and ends is None:
            raise self._source.error(
                "the ends are NULL", rest[0].span, "wanted: '[]', '[)', '(]', '()'"
            )
        try:
            return ValueRange.of(lv, uv, domain, ends)
        except InputError as error:
            wrong = rest[0] if rest and lv <= uv else node
            raise self._source.error(str(error), wrong.span) from None


def is_mask_aggregate(node: tree.Function) -> bool:
    """Whether a CP term is over a mask aggregate."""
    return bool(node.args) and isinstance(node.args[0], tree.Function)


def _is_mask(node: tree.Node) -> bool:
    return isinstance(node, tree.Name) and node.word == "mask"


def _count_thresholded(roi: Roi, ones: ValueRange, values: ValueRange) -> Expr:
    area, count = Area(roi), CountPixels(MaskSource(), roi, ones)
    if values.holds(1.0):
        return area if values.holds(0.0) else count
    # Zeros are what is left, NaN among them; the difference is NULL where the region is null.
    return Call("-", (area, count if values.holds(0.0) else area), "int")
