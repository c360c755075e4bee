"""Compiled loops against plain NumPy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masksearch_ray.kernels.cells import count_cells
from masksearch_ray.kernels.count import count_in_bitmaps, count_in_boxes
from masksearch_ray.kernels.group_bounds import most_pixels
from masksearch_ray.kernels.histogram import histogram_of_boxes
from masksearch_ray.kernels.ordered import comparable, comparable_cut
from masksearch_ray.kernels.predict import predict, restore_tiles

DTYPES = ("bool", "uint8", "uint16", "float16", "float32")
Pixels = npt.NDArray[Any]


def noise(dtype: str, shape: tuple[int, ...], seed: int) -> Pixels:
    """Any bit pattern; for floats also NaN, infinities and both zeros."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.random(shape) < 0.5
    raw = rng.integers(0, 256, (*shape[:-1], shape[-1] * np.dtype(dtype).itemsize), np.uint8)
    pixels = raw.view(dtype)
    if pixels.dtype.kind == "f":
        special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 0.5], dtype)
        pixels = np.where(rng.random(shape) < 0.3, rng.choice(special, shape), pixels)
    return pixels


def float64(pixels: Pixels) -> npt.NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # NumPy warns of signalling NaN
        return pixels.astype(np.float64)


def thresholds(dtype: str) -> st.SearchStrategy[float]:
    if dtype[0] != "f":
        return st.integers(-1, 65537).map(float) | st.integers(0, 256).map(float)
    values = st.floats(width=16 if dtype == "float16" else 32, allow_nan=False)
    near = values.flatmap(lambda v: st.sampled_from((np.nextafter(v, -1e9), np.nextafter(v, 1e9))))
    return values | near.map(float) | st.sampled_from((0.0, -0.0, np.inf, -np.inf, 1e300, -1e300))


def test_float16_keys_sort_as_the_values_do() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    keys = comparable(halves).astype(int)
    nan = np.isnan(halves)
    assert (keys[nan] == 0).all() and (keys[~nan] > 0).all()
    order = np.argsort(keys[~nan])
    values = halves[~nan][order].astype(float)
    assert ((np.diff(keys[~nan][order]) > 0) == (np.diff(values) > 0)).all()
    assert (np.diff(values) >= 0).all()


@given(st.data(), st.sampled_from(DTYPES), st.integers(0, 99))
def test_cuts_compare_as_float64_does(data: st.DataObject, dtype: str, seed: int) -> None:
    pixels = noise(dtype, (60,), seed)
    cut = data.draw(thresholds(dtype))
    typed = comparable_cut(cut, pixels.dtype)
    expected = float64(pixels) >= cut
    if typed is None:
        assert not expected.any()
    else:
        assert ((comparable(pixels) >= typed) == expected).all()


@given(
    st.data(),
    st.sampled_from(DTYPES),
    st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(1, 20)),
    st.integers(1, 25),
)
def test_cells(data: st.DataObject, dtype: str, shape: tuple[int, int, int], cell: int) -> None:
    masks = noise(dtype, shape, data.draw(st.integers(0, 99)))
    cuts = np.array(data.draw(st.lists(thresholds(dtype), max_size=4)), np.float64)
    counts = count_cells(masks, cuts, cell)
    values = float64(masks)
    n, height, width = shape
    corners = list(product(range(0, height, cell), range(0, width, cell)))
    assert counts.shape == (len(cuts), len(corners), n)
    for (level, cut), (c, (y, x)) in product(enumerate(cuts), enumerate(corners)):
        inside = values[:, y : y + cell, x : x + cell] >= cut
        assert (counts[level, c] == inside.sum((1, 2))).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_large_cells(dtype: str) -> None:
    masks = np.full((2, 600, 3), 7, dtype)
    for cell in (256, 300, 600):
        counts = count_cells(masks, np.array([1.0, 8.0]), cell)
        assert counts[0].sum(axis=0).tolist() == [1800, 1800] and not counts[1].any()
        assert counts[0].max() == min(cell, 600) * 3


@pytest.mark.parametrize("dtype", ["bool", "uint8"])
@pytest.mark.parametrize("levels", [1, 4, 6, 25])
@pytest.mark.parametrize(
    ("cell", "height", "width"),
    [(32, 64, 96), (32, 70, 45), (64, 64, 128), (64, 1, 1), (96, 100, 250), (288, 600, 300)],
)
def test_cells_of_bytes(dtype: str, levels: int, cell: int, height: int, width: int) -> None:
    rng = np.random.default_rng(levels)
    n = 3 if cell == 288 else 35
    # Cells of one value, of few values and of all; cut-offs at all of these and in any order.
    middle = rng.integers(0, 256, (n, -(-height // cell), -(-width // cell)))
    spread = rng.choice([0, 3, 300], middle.shape)
    low, high = ((middle + sign * spread).clip(0, 255) for sign in (-1, 1))
    ends = (np.repeat(np.repeat(x, cell, 1), cell, 2)[:, :height, :width] for x in (low, high))
    masks: Pixels = rng.integers(next(ends), next(ends), endpoint=True).astype(np.uint8)
    cuts = rng.permutation([0, 255, 256, *rng.choice(masks.ravel(), levels)])[:levels]
    if dtype == "bool":
        masks, cuts = masks > 127, cuts % 3
    counts = count_cells(masks.astype(dtype), cuts.astype(float), cell)
    corners = product(range(0, height, cell), range(0, width, cell))
    for c, (y, x) in enumerate(corners):
        part = masks[:, y : y + cell, x : x + cell]
        expected = [(part >= cut).sum((1, 2)) for cut in cuts]
        assert (counts[:, c] == expected).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_histograms_of_boxes(dtype: str) -> None:
    masks = noise(dtype, (60, 80, 150), 3)
    masks[::2, 20:60, 40:90] = masks[0, 0, 0]
    rng = np.random.default_rng(8)
    # Some empty, some of one pixel, some the whole mask, all others of any size.
    x, y = np.sort(rng.integers(0, 151, (2, 60)), 0), np.sort(rng.integers(0, 81, (2, 60)), 0)
    boxes = np.array([x[0], y[0], x[1], y[1]], np.int32)
    boxes[:, :4] = np.array([(0, 0, 150, 80), (9, 9, 9, 9), (149, 79, 150, 80), (3, 4, 67, 68)]).T
    cuts = rng.permutation(np.concatenate([float64(masks[0, 0, :6]), [-np.inf, 256.0, 1.0]]))
    cuts = cuts[~np.isnan(cuts)]
    counts = histogram_of_boxes(masks, boxes, cuts)
    values = float64(masks)
    for i, (x0, y0, x1, y1) in enumerate(boxes.T):
        inside = values[i, y0:y1, x0:x1]
        assert counts[:, i].tolist() == [int((inside >= cut).sum()) for cut in cuts]


def test_views_are_counted() -> None:
    masks = noise("uint8", (4, 12, 14), 1)[::2, ::-1, ::3]
    counts = count_cells(masks, np.array([100.0]), 4)
    assert (counts[0].sum(axis=0) == (masks >= 100).sum((1, 2))).all()


@given(st.data(), st.sampled_from(DTYPES))
def test_tiles(data: st.DataObject, dtype: str) -> None:
    n, side = data.draw(st.integers(0, 5)), data.draw(st.integers(1, 40))
    pixels = noise(dtype, (n, side, side), data.draw(st.integers(0, 99)))
    lo, hi = data.draw(thresholds(dtype)), data.draw(thresholds(dtype))
    at = hnp.from_dtype(np.dtype(np.int32)) | st.integers(-5, side + 5)
    boxes = np.array(data.draw(st.lists(st.tuples(at, at, at, at), min_size=n, max_size=n)))
    boxes = boxes.reshape(n, 4).astype(np.int32)
    values = float64(pixels)
    inside = (values >= lo) & (values < hi)
    bitmaps = np.zeros(pixels.shape, np.bool_)
    ys, xs = np.mgrid[:side, :side]
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        bitmaps[i] = (xs >= x0) & (xs < x1) & (ys >= y0) & (ys < y1)
    expected = (inside & bitmaps).sum((1, 2))
    assert (count_in_boxes(pixels, boxes, lo, hi) == expected).all()
    assert (count_in_bitmaps(pixels, bitmaps, lo, hi) == expected).all()


def whole(mask: Pixels) -> npt.NDArray[np.int64]:
    return np.array([[0, 0, mask.shape[1], mask.shape[0]]])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_tiles_of_a_mask_are_predicted_each_for_itself(dtype: str) -> None:
    mask = noise("uint16", (9, 2 * 21), 5).view(dtype)[:, :21]
    boxes = np.array([(0, 0, 21, 1), (3, 0, 19, 9), (20, 8, 21, 9), (0, 2, 7, 5)])
    alone = [mask[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]
    expected = np.concatenate([predict(tile, whole(tile)) for tile in alone])
    assert (predict(mask, boxes) == expected).all()


@given(st.sampled_from(("uint8", "uint16", "uint32")), st.sampled_from((8, 9, 16)), st.data())
def test_prediction_is_undone(dtype: str, side: int, data: st.DataObject) -> None:
    width = st.integers(1, side) | st.sampled_from((8, side))
    shapes = data.draw(st.lists(st.tuples(st.integers(1, side), width), min_size=1, max_size=4))
    tiles = [noise("uint16", (h, 2 * w), 31 * h + w).view(dtype)[:, :w] for h, w in shapes]
    tiles = [data.draw(hnp.arrays(dtype, tiles[0].shape)), *tiles[1:]]
    rests = np.concatenate([predict(tile, whole(tile)) for tile in tiles])
    back = np.full((len(tiles), side, side), 7, dtype)
    restore_tiles(rests, np.array(shapes), back)
    for tile, (height, width_of), found in zip(tiles, shapes, back, strict=True):
        assert (found[:height, :width_of] == tile).all()
        assert (found[height:] == 7).all() and (found[:, width_of:] == 7).all()


def test_planes_are_predicted_exactly() -> None:
    y, x = np.mgrid[:6, :8].astype(np.uint16)
    mask = 300 * y + 7 * x + 1000
    rest = predict(mask, whole(mask))
    # Known from its neighbours everywhere but on the rim.
    assert not rest.reshape(2, 6, 8)[:, 1:, 1:].any()


@given(st.data(), st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31))
def test_most_pixels(data: st.DataObject, size: int, area: int, seed: int) -> None:
    marks = np.random.default_rng(seed).random((size, area)) < data.draw(st.floats(0, 1))
    counts = marks.sum(axis=1)[:, None]
    for wanted in range(-1, size + 2):
        most = np.empty(1, np.int64)
        most_pixels(counts, wanted, np.array([area]), most)
        assert most[0] >= (marks.sum(axis=0) >= wanted).sum()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_most_pixels_is_reached(size: int) -> None:
    # All ways to mark pixels of a small cell: the bound is the best of them.
    area = 3
    ways = np.array(list(product((False, True), repeat=size * area))).reshape(-1, size, area)
    counts = ways.sum(axis=2)
    for wanted in range(size + 2):
        reached = (ways.sum(axis=1) >= wanted).sum(axis=1)
        for one in np.unique(counts, axis=0):
            most = np.empty(1, np.int64)
            most_pixels(one[:, None], wanted, np.array([area]), most)
            assert most[0] == reached[(counts == one).all(axis=1)].max()
