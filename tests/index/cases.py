"""What Hypothesis draws for the tests of the index, and the plain NumPy answers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from masksearch_ray.index.region import Boxes, BoxLists, Region, resolve
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.roi import (
    Box,
    BoxColumn,
    BoxListColumn,
    FullImage,
    Outside,
    Polygon,
    Roi,
)
from masksearch_ray.model.values import DTYPES, Domain, ValueRange, bin_edges, value_table

DOMAINS = (Domain(0, 1), Domain(0, 255), Domain(-1, 1))


@dataclass(frozen=True, eq=False)
class Block:
    """Masks of one size and dtype."""

    masks: npt.NDArray[Any]
    domain: Domain
    grid: Grid
    edges: tuple[float, ...]

    @property
    def dtype(self) -> str:
        return self.masks.dtype.name

    @property
    def n(self) -> int:
        return len(self.masks)

    def values(self) -> npt.NDArray[np.float64]:
        """Values of all pixels, from the definition."""
        if self.masks.dtype.kind == "f":
            return self.masks.astype(np.float64)
        if self.dtype == "bool":
            return self.masks.astype(np.float64)
        top = np.iinfo(self.masks.dtype).max
        lo, hi = Fraction(self.domain.lo), Fraction(self.domain.hi)
        known = {k: float(lo + (hi - lo) * int(k) / top) for k in np.unique(self.masks)}
        return np.asarray(np.vectorize(known.__getitem__, otypes=[np.float64])(self.masks))


def palette(dtype: str, domain: Domain, edges: tuple[float, ...]) -> npt.NDArray[Any]:
    """Stored values on and next to bin edges, and at the ends of the domain."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in ("uint8", "uint16"):
        cuts = np.searchsorted(value_table(dtype, domain), edges)
        near = np.concatenate([cuts - 1, cuts, cuts + 1])
        return np.asarray(np.clip(near, 0, np.iinfo(dtype).max).astype(dtype))
    near = np.array(edges, dtype)
    up, down = np.array(np.inf, dtype), np.array(-np.inf, dtype)
    every = np.concatenate([near, np.nextafter(near, up), np.nextafter(near, down)])
    inside = (every.astype(float) >= domain.lo) & (every.astype(float) <= domain.hi)
    zeros = np.array([-0.0] if domain.lo <= 0 else [], dtype)
    return np.asarray(np.concatenate([every[inside], zeros]))


@st.composite
def blocks(draw: st.DrawFn, max_side: int = 30, max_bins: int = 256, nan: bool = True) -> Block:
    dtype = draw(st.sampled_from(DTYPES))
    domain = draw(st.sampled_from(DOMAINS))
    height, width = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    grid = Grid(height, width, draw(st.integers(1, 12)), draw(st.integers(1, 3)))
    edges = bin_edges(domain, min(max_bins, draw(st.sampled_from((1, 2, 7, 20, 256)))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    colours = palette(dtype, domain, edges)
    shape = (draw(st.integers(1, 4)), height, width)
    kind = draw(st.sampled_from(("edges", "noise", "constant")))
    if kind == "edges":
        masks = rng.choice(colours, shape)
    elif kind == "constant":
        masks = np.broadcast_to(rng.choice(colours, (shape[0], 1, 1)), shape).copy()
    elif dtype == "bool":
        masks = rng.random(shape) < 0.3
    elif dtype in ("uint8", "uint16"):
        masks = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    else:
        masks = rng.uniform(domain.lo, domain.hi, shape).astype(dtype)
    if nan and masks.dtype.kind == "f" and draw(st.booleans()):
        masks[rng.random(shape) < draw(st.sampled_from((0.02, 0.9, 1)))] = np.nan
    return Block(masks, domain, grid, edges)


@st.composite
def ranges(draw: st.DrawFn, domain: Domain, edges: tuple[float, ...]) -> ValueRange:
    threshold = st.one_of(
        st.sampled_from(edges),
        st.sampled_from(edges).map(lambda edge: float(np.nextafter(edge, np.inf))),
        st.sampled_from(edges).map(lambda edge: float(np.nextafter(edge, -np.inf))),
        st.floats(domain.lo - 1, domain.hi + 1),
        st.sampled_from((-np.inf, np.inf)),
        st.integers(0, 255).map(lambda k: float(value_table("uint8", domain)[k])),
    )
    lv, uv = sorted((draw(threshold), draw(threshold)))
    ends = draw(st.sampled_from((None, "[]", "[)", "(]", "()")))
    return ValueRange.of(lv, uv, domain, ends)


def boxes_strategy(grid: Grid) -> st.SearchStrategy[tuple[int, int, int, int]]:
    """Boxes in and around a mask; some empty, some on cells, some huge."""
    x = st.one_of(
        st.integers(-8, grid.width + 8),
        st.integers(0, grid.cell_cols).map(lambda col: col * grid.cell),
        st.sampled_from((-(2**31), 2**31 - 1)),
    )
    y = st.one_of(
        st.integers(-8, grid.height + 8),
        st.integers(0, grid.cell_rows).map(lambda row: row * grid.cell),
        st.sampled_from((-(2**31), 2**31 - 1)),
    )
    return st.tuples(x, y, x, y).map(
        lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
    )


@dataclass(frozen=True, eq=False)
class Drawn:
    """A region of interest, what its column holds, and its pixels from the definition."""

    roi: Roi
    column: Boxes | BoxLists | None
    pixels: npt.NDArray[np.bool_]
    null: npt.NDArray[np.bool_]

    def region(self, grid: Grid) -> Region:
        return resolve(self.roi, grid, len(self.pixels), self.column)


def box_pixels(box: Any, grid: Grid) -> npt.NDArray[np.bool_]:
    ys, xs = np.mgrid[: grid.height, : grid.width]
    x0, y0, x1, y1 = (int(v) for v in box)
    return np.asarray((x0 <= xs) & (xs < x1) & (y0 <= ys) & (ys < y1))


def polygon_pixels(points: tuple[tuple[float, float], ...], grid: Grid) -> npt.NDArray[np.bool_]:
    """Even-odd rule, pixel by pixel in rational numbers."""
    inside = np.zeros((grid.height, grid.width), np.bool_)
    for y in range(grid.height):
        for x in range(grid.width):
            xc, yc = x + Fraction(1, 2), y + Fraction(1, 2)
            for a, b in zip(points, points[1:] + points[:1], strict=True):
                (xa, ya), (xb, yb) = (tuple(map(Fraction, p)) for p in (a, b))
                if min(ya, yb) <= yc < max(ya, yb):
                    inside[y, x] ^= xa + (yc - ya) * (xb - xa) / (yb - ya) > xc
    return inside


@st.composite
def rois(draw: st.DrawFn, grid: Grid, n: int) -> Drawn:
    box = boxes_strategy(grid)
    kind = draw(st.sampled_from(("full", "box", "polygon", "column", "lists")))
    column: Boxes | BoxLists | None = None
    null = np.zeros(n, np.bool_)
    roi: Roi
    if kind == "full":
        roi, pixels = FullImage(), np.ones((n, grid.height, grid.width), np.bool_)
    elif kind == "box":
        roi = Box(*draw(box))
        one = box_pixels((roi.x0, roi.y0, roi.x1, roi.y1), grid)
        pixels = np.repeat(one[None], n, axis=0)
    elif kind == "polygon":
        at = st.one_of(st.integers(-3, 20).map(float), st.floats(-5, 25, width=16))
        roi = Polygon(tuple(draw(st.lists(st.tuples(at, at), min_size=3, max_size=5))))
        pixels = np.repeat(polygon_pixels(roi.points, grid)[None], n, axis=0)
    else:
        null = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
        size = st.just(1) if kind == "column" else st.integers(0, 4)
        lists = [draw(st.lists(box, min_size=s, max_size=s)) for s in [draw(size) for _ in null]]
        flat = np.array([b for boxes in lists for b in boxes], np.int32).reshape(-1, 4)
        offsets = np.concatenate([[0], np.cumsum([len(boxes) for boxes in lists])])
        pixels = np.zeros((n, grid.height, grid.width), np.bool_)
        for i, boxes in enumerate(lists):
            for b in boxes:
                pixels[i] |= box_pixels(b, grid)
        if kind == "column":
            roi, column = BoxColumn("b"), Boxes(flat, null)
        else:
            roi, column = BoxListColumn("b"), BoxLists(offsets.astype(np.int64), flat, null)
    for _ in range(draw(st.integers(0, 2))):
        roi, pixels = Outside(roi), ~pixels
    pixels = pixels.copy()
    pixels[null] = False
    return Drawn(roi, column, pixels, null)


def count(
    values: npt.NDArray[np.float64], wanted: ValueRange, pixels: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Pixels of each mask inside a region whose value lies in a range."""
    found = (values >= wanted.start) & (values < wanted.stop) & pixels
    return np.asarray(found.sum(axis=(-2, -1)))
