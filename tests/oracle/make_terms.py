"""The parts of a query that speak of pixels, and constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.oracle import ast as q
from tests.oracle.collection import Collection, Domain
from tests.oracle.draw import Draw
from tests.oracle.evaluate import evaluate
from tests.oracle.make_collection import BINS, WORDS, bin_edge, make_box

PLACES = ["edge", "pixel", "pixel", "between", "beside", "lo", "hi", "beyond"]
REGIONS = ["full", "box", "box", "column", "column", "outside", "polygon", "roi"]
ENDS = [None, None, None, None, "[]", "[)", "(]", "()"]


def of_kind(collection: Collection, *kinds: str) -> list[str]:
    """Names of the columns of some kinds."""
    return [name for name, kind in collection.columns.items() if kind in kinds]


class Terms:
    """Draws CP terms, regions, ranges and constants for one collection."""

    def __init__(self, draw: Draw, collection: Collection, default_roi: q.PixelBox) -> None:
        self.draw = draw
        self.collection = collection
        self.default_roi = default_roi
        self.parameters = 0

    # -------------------------------------------------------------- constants

    def param(self, value: q.Scalar) -> q.Param:
        self.parameters += 1
        return q.Param(f"p{self.parameters}", value)

    def constant(self, value: q.Scalar) -> q.Expr:
        """Write a value into the text, or hand it in as a parameter."""
        return self.param(value) if self.draw.chance(20) else q.Literal(value)

    def number(self, value: float) -> q.Number:
        """Write a number of a range; whole ones at times as integers."""
        if math.isfinite(value) and value == int(value) and self.draw.chance(50):
            value = int(value)
        return self.param(value) if math.isinf(value) or self.draw.chance(15) else value

    def whole(self, value: int) -> int | q.Param:
        return self.param(value) if self.draw.chance(20) else value

    def plain_value(self, kind: str) -> q.Scalar:
        """Draw some value of a kind."""
        if kind == "int":
            return self.draw.integer(0, 9)
        if kind == "float":
            return self.draw.choice([0.5, 0.1, 2.0, 1e-3])
        return self.draw.choice(WORDS) if kind == "str" else self.draw.chance(50)

    def nudged(self, value: Any) -> q.Scalar:
        """Draw a value at or just beside a value."""
        if isinstance(value, bool | str) or self.draw.chance(50):
            return value if isinstance(value, str | bool | int) else float(value)
        if isinstance(value, int):
            beside = [value + 1, value - 1, value + 0.5, float(value)]
            return self.draw.choice(beside)
        up, down = float(np.nextafter(value, math.inf)), float(np.nextafter(value, -math.inf))
        return self.draw.choice([v for v in (up, down, value * 0.9, value + 1) if math.isfinite(v)])

    def pattern(self, word: str) -> str:
        """Draw a LIKE pattern that a word matches, or nearly matches."""
        how = self.draw.choice(["same", "begins", "ends", "holds", "one", "%", "case"])
        at = self.draw.integer(0, len(word))
        return {
            "same": word,
            "begins": word[:at] + "%",
            "ends": "%" + word[at:],
            "holds": "%" + word[at : at + 1] + "%",
            "one": word[:at] + "_" + word[at + 1 :],
            "%": "%",
            "case": word.swapcase(),
        }[how]

    # -------------------------------------------------------------- ranges

    def threshold(self, domain: Domain) -> float:
        """Draw a pixel's value, a bin edge, a place between, or an end of the domain."""
        how = self.draw.choice(
            ["edge", "pixel", "pixel", "between", "beside", "lo", "hi", "beyond"]
        )
        if how == "pixel":
            return self.pixel()
        if how == "beside":
            toward = self.draw.choice([math.inf, -math.inf])
            return float(np.nextafter(self.pixel(), toward))
        if how in ("lo", "hi"):
            return domain[how == "hi"]
        if how == "beyond":
            return self.draw.choice([-math.inf, math.inf, domain[0] - 1, domain[1] + 1])
        edge = bin_edge(domain, self.draw.integer(0, BINS))
        return edge if how == "edge" else edge + (domain[1] - domain[0]) / (3 * BINS)

    def pixel(self) -> float:
        """Draw the value of one pixel of one mask."""
        values = self.draw.choice(self.collection.values).ravel()
        value = float(values[self.draw.integer(0, len(values) - 1)])
        return self.collection.domain[0] if math.isnan(value) else value

    def range(self, domain: Domain) -> q.Range:
        """Draw a range, at times of one point or within one bin."""
        low, high = sorted(self.threshold(domain) for _ in range(2))
        how = self.draw.choice(["any", "any", "to the top", "from the bottom", "narrow", "point"])
        if how == "to the top":
            low, high = min(low, domain[1]), domain[1]
        elif how == "from the bottom":
            low, high = domain[0], max(high, domain[0])
        elif how == "narrow" and math.isfinite(low):
            high = low + (domain[1] - domain[0]) / (5 * BINS)
        elif how == "point":
            high = low
        return q.Range(self.number(low), self.number(high), self.draw.choice(ENDS))

    # -------------------------------------------------------------- regions

    def roi(self, columns: list[str] | None = None) -> q.Roi:
        """Draw a region; ``columns`` are those of boxes that may be used, all if left out."""
        if columns is None:
            columns = of_kind(self.collection, "box", "boxes")
        how = self.draw.choice(
            ["full", "box", "box", "column", "column", "outside", "polygon", "roi"]
        )
        if how == "column" and columns:
            return q.BoxColumn(self.draw.choice(columns))
        if how == "outside":
            return q.Outside(self.roi(columns))
        if how == "polygon":
            return self.polygon()
        if how == "roi":
            return q.DefaultRoi()
        return q.FullImage() if how == "full" else self.box()

    def box(self) -> q.Box:
        shape = self.draw.choice(self.collection.masks).shape
        x0, y0, x1, y1 = make_box(self.draw, (shape[0], shape[1]))
        return q.Box(self.whole(x0), self.whole(y0), self.whole(x1), self.whole(y1))

    def polygon(self) -> q.Polygon:
        """Draw a polygon, often with corners and edges through the centres of pixels."""
        height, width = self.draw.choice(self.collection.masks).shape
        coordinates: list[q.Number] = []
        for _ in range(self.draw.integer(3, 6)):
            for side in (width, height):
                # In halves, thirds or tenths of a pixel.
                unit = self.draw.choice([2, 2, 1, 3, 10])
                at = self.draw.integer(-2 * unit, (side + 2) * unit) / unit
                coordinates.append(int(at) if unit == 1 else at)
        return q.Polygon(tuple(coordinates))

    # -------------------------------------------------------------- terms

    def cp(self) -> q.CP:
        """Draw a count over the masks themselves."""
        return q.CP(q.Mask(), self.roi(), self.range(self.collection.domain))

    def cp_over_group(self, keys: tuple[q.Expr, ...]) -> q.CP:
        """Draw a count over a mask aggregate."""
        kind = self.draw.choice(["intersect", "union", "avg"])
        roi = self.roi_of_group(keys)
        if self.draw.chance(50):
            return q.CP(q.MaskAggregate(kind), roi, self.range(self.collection.domain))
        limit = self.threshold(self.collection.domain)
        threshold = q.Threshold(self.draw.choice([">", ">=", "<", "<="]), self.number(limit))
        return q.CP(q.MaskAggregate(kind, threshold), roi, self.range_of_shares())

    def roi_of_group(self, keys: tuple[q.Expr, ...]) -> q.Roi:
        """Draw a region that, most often, the masks of every group agree in."""
        columns = of_kind(self.collection, "box", "boxes")
        if self.draw.chance(90):
            columns = [name for name in columns if self.agree(q.BoxColumn(name), keys)]
        return self.roi(columns)

    def range_of_shares(self) -> q.Range:
        """Draw a range over masks of zeros and ones, or of shares of the members."""
        if self.draw.chance(60):
            return q.Range(0.5, 1.0)
        some = [0.0, 1.0, 0.5, 1 / 3, 2 / 3, 0.25, 1.5, -math.inf]
        low, high = sorted([self.draw.choice(some), self.draw.choice(some)])
        return q.Range(self.number(low), self.number(high), self.draw.choice(ENDS))

    def masks_agree(self, keys: tuple[q.Expr, ...]) -> bool:
        """Whether the masks of every group have one size."""
        return self.agree(q.FullImage(), keys)

    def agree(self, roi: q.Roi, keys: tuple[q.Expr, ...]) -> bool:
        """Whether every group can count over its masks in a region."""
        term = q.CP(q.MaskAggregate("union", q.Threshold(">", 0)), roi, q.Range(0, 1))
        query = q.Query((q.Item(term, "v"),), group_by=keys)
        return not hasattr(evaluate(self.collection, query), "reason")
