"""Regions on the masks of a block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.errors import InputError
from masksearch_ray.index.polygon import polygon_bitmap
from masksearch_ray.index.region import Boxes, BoxLists, resolve
from masksearch_ray.model.grid import Grid
from masksearch_ray.model.roi import Box, BoxColumn, BoxListColumn, FullImage, Outside, Polygon
from masksearch_ray.model.values import stored_cut
from tests.index.cases import Block, blocks, count, polygon_pixels, ranges, rois

GRID = Grid(10, 12, 4, 2)


@given(st.data(), blocks())
def test_regions_hold_the_pixels_of_their_definition(data: st.DataObject, block: Block) -> None:
    drawn = data.draw(rois(block.grid, block.n))
    region, grid = drawn.region(block.grid), block.grid
    assert (region.area() == drawn.pixels.sum((1, 2))).all()
    if region.null is None:
        assert not drawn.null.any()
    else:
        assert (region.null == drawn.null).all()
    rows = np.array(data.draw(st.lists(st.integers(0, block.n - 1), min_size=1, max_size=5)))
    taken = region.take(rows)
    assert (taken.area() == region.area()[rows]).all()
    corners = np.zeros((len(rows), 2), np.int32)
    whole = taken.windows(np.arange(len(rows)), corners, grid.height, grid.width)
    assert (whole == drawn.pixels[rows]).all()
    areas = grid.cell_areas()
    cell_of = np.kron(
        np.arange(grid.cells).reshape(grid.cell_rows, grid.cell_cols),
        np.ones((grid.cell, grid.cell), np.int64),
    )[: grid.height, : grid.width]
    inside = np.array(
        [np.bincount(cell_of.ravel(), p.ravel(), grid.cells) for p in drawn.pixels]
    ).astype(np.int64)
    assert region.coverage_of(rows).dtype == np.int32
    assert (region.coverage_of(rows) == inside[rows]).all() and (inside <= areas).all()
    assert (taken.coverage_of(np.arange(len(rows))) == inside[rows]).all()
    assert region.cells().tolist() == np.flatnonzero(inside.any(axis=0)).tolist()


@given(st.data(), blocks())
def test_tiles_are_counted_exactly(data: st.DataObject, block: Block) -> None:
    drawn = data.draw(rois(block.grid, block.n))
    wanted = data.draw(ranges(block.domain, block.edges))
    region, grid = drawn.region(block.grid), block.grid
    rows, tiles = (a.ravel() for a in np.mgrid[: block.n, : grid.tiles])
    values = block.values()
    pixels = np.empty((len(rows), grid.tile, grid.tile), block.masks.dtype)
    # What lies beyond the mask must not matter.
    pixels[:] = block.masks[0, 0, 0]
    expected, marked = [], np.zeros(pixels.shape, np.bool_)
    for i, (row, tile) in enumerate(zip(rows, tiles, strict=True)):
        x0, y0, x1, y1 = grid.tile_box(int(tile))
        window = np.s_[row, y0:y1, x0:x1]
        pixels[i, : y1 - y0, : x1 - x0] = block.masks[window]
        marked[i, : y1 - y0, : x1 - x0] = drawn.pixels[window]
        expected.append(count(values[window], wanted, drawn.pixels[window]))
    assert (region.bitmaps(rows, tiles) == marked).all()
    lo, hi = (stored_cut(v, block.dtype, block.domain) for v in (wanted.start, wanted.stop))
    assert region.count_tiles(pixels, rows, tiles, lo, hi).tolist() == expected


@pytest.mark.parametrize(
    "points",
    [
        ((0.0, 0.0), (12.0, 0.0), (12.0, 10.0), (0.0, 10.0)),
        ((0.5, 0.5), (4.5, 0.5), (4.5, 4.5), (0.5, 4.5)),
        ((1.0, 1.0), (9.0, 1.0), (1.0, 9.0), (9.0, 9.0)),
        ((-1e300, -1e300), (1e300, -1e300), (0.0, 1e300)),
        ((0.1, 0.2), (1e-320, 7.3), (11.7, 3.1)),
        ((3.0, 3.0), (3.0, 3.0), (3.0, 3.0)),
    ],
)
def test_polygons(points: tuple[tuple[float, float], ...]) -> None:
    found = polygon_bitmap(points, GRID.height, GRID.width)
    assert (found == polygon_pixels(points, GRID)).all()


def test_a_polygon_must_be_finite() -> None:
    with pytest.raises(InputError, match="finite"):
        resolve(Polygon(((0.0, 0.0), (1.0, float("inf")), (1.0, 0.0))), GRID, 1)


def test_a_null_region_stays_null_outside() -> None:
    null = np.array([False, True])
    boxes = np.array([[0, 0, 3, 3], [0, 0, 0, 0]], np.int32)
    column = Boxes(boxes, null)
    lists = BoxLists(np.array([0, 1, 1]), boxes[:1], null)
    for roi, held in ((BoxColumn("b"), column), (BoxListColumn("b"), lists)):
        region = resolve(Outside(roi), GRID, 2, held)
        assert region.area().tolist() == [120 - 9, 0]
        assert region.null is not None and region.null.tolist() == [False, True]


def test_overlapping_boxes_are_counted_once() -> None:
    boxes = np.array([[0, 0, 6, 6], [3, 3, 8, 8], [0, 0, 6, 6]], np.int32)
    region = resolve(
        BoxListColumn("b"), GRID, 1, BoxLists(np.array([0, 3]), boxes, np.array([False]))
    )
    assert region.area().tolist() == [36 + 25 - 9]


def test_constant_boxes_may_be_of_any_size() -> None:
    for box, area in ((Box(-(10**30), 2, 10**30, 4), 24), (Box(12, 0, 10**30, 9), 0)):
        assert resolve(box, GRID, 1).area().tolist() == [area]
    assert resolve(Outside(Outside(FullImage())), GRID, 1).area().tolist() == [120]
    assert resolve(Outside(FullImage()), GRID, 1).cells().tolist() == []


def test_the_boxes_of_a_column_are_wanted() -> None:
    null = np.array([False])
    with pytest.raises(TypeError, match="BoxColumn"):
        resolve(BoxColumn("b"), GRID, 1)
    with pytest.raises(TypeError, match="BoxListColumn"):
        resolve(BoxListColumn("b"), GRID, 1, Boxes(np.zeros((1, 4), np.int32), null))
