"""What the released prototype of the paper gets wrong, one test each, against plain NumPy.

He et al., "MaskSearch: Querying Image Masks at Scale", arXiv 2305.02375.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime

N, HEIGHT, WIDTH, CELL = 12, 19, 27, 8
BOXES: list[list[int] | None] = [
    [3, 2, 14, 11],  # across cells
    [9, 9, 14, 15],  # within one cell
    [8, 8, 24, 16],  # of whole cells
    [-5, -4, 6, 7],  # leaves the mask at the upper left
    [20, 12, 99, 99],  # and at the lower right
    [27, 0, 40, 19],  # just outside
    [5, 5, 5, 9],  # empty
    [0, 0, 27, 19],  # the whole mask
    [26, 18, 27, 19],  # its last pixel
    None,
    [0, 0, 1, 1],
    [3, 2, 14, 11],
]
_names = itertools.count()


def masks_of(dtype: str) -> np.ndarray:
    """Masks with ties, constants, and values on bin edges and at the ends of the domain."""
    chance = np.random.default_rng(7)
    steps = chance.integers(0, 21, (N, HEIGHT, WIDTH))
    steps[0], steps[1], steps[2] = 0, 20, 12  # constant: smallest, largest, on an edge
    steps[5] = steps[4]  # a tie
    steps[6, :, 5:] = 20
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.asarray(steps >= 10)
    if kind.kind == "u":
        noise = chance.integers(0, 2, steps.shape)
        largest = np.iinfo(kind).max
        return np.minimum(steps * (largest // 20) + noise * (steps % 5), largest).astype(kind)
    return (steps / 20).astype(kind)


def values_of(masks: np.ndarray) -> np.ndarray:
    """What a pixel is worth, float64."""
    if masks.dtype.kind == "u":
        return masks / np.iinfo(masks.dtype).max
    return masks.astype(np.float64)


@dataclass(frozen=True)
class Case:
    col: ms.Collection
    masks: np.ndarray
    use_index: bool

    @property
    def values(self) -> np.ndarray:
        return values_of(self.masks)

    def ask(self, text: str, **given: Any) -> list[Any]:
        """Rows of an answer, as tuples, or as values where there is one column."""
        columns = self.col.sql(text, use_index=self.use_index, **given).table.columns
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return [row[0] if len(row) == 1 else row for row in rows]

    def counts(self, region: str, lv: float, uv: float, ends: str | None = None) -> list[Any]:
        last = "" if ends is None else f", '{ends}'"
        text = f"SELECT CP(mask, {region}, (:lv, :uv){last}) AS n FROM masks"
        return self.ask(text, lv=lv, uv=uv)


LAYOUTS = [(1, 1, True), (4, 3, True), (3, 2, False)]


@pytest.fixture(scope="module", params=["uint8", "uint16", "float16", "float32", "bool"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=LAYOUTS, ids=["one segment", "shards", "without index"])
def case(request: pytest.FixtureRequest, dtype: str) -> Iterator[Case]:
    segments, shards, use_index = request.param
    url = f"memory://prototype-{next(_names)}"
    masks = masks_of(dtype)
    # Histograms would hide what is wrong with cells.
    with ms.create(url, cell=CELL, rois=(), runtime=LocalRuntime(shards)) as col:
        for at in np.array_split(np.arange(N), segments):
            col.append(masks[at], {"image_id": at // 3, "object_box": [BOXES[i] for i in at]})
        yield Case(col, masks, use_index)


def clipped(box: list[int]) -> tuple[slice, slice]:
    x0, y0, x1, y1 = box
    return slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0))


def numpy_counts(values: np.ndarray, box: list[int], lv: float, uv: float) -> list[int]:
    """Pixels with lv <= value < uv, the last value of the domain included."""
    inside = values[:, *clipped(box)]
    below = inside < uv if uv < 1 else inside <= 1
    found: list[int] = ((inside >= lv) & below).sum(axis=(1, 2)).tolist()
    return found


def test_roi_and_area_speak_of_the_same_pixels(case: Case) -> None:
    everything = "CP(mask, {0}, (:lv, :uv)) AS n, area({0}) AS a"
    for box in filter(None, BOXES):
        region = f"box({', '.join(map(str, box))})"
        rows, columns = clipped(box)
        pixels = len(range(HEIGHT)[rows]) * len(range(WIDTH)[columns])
        found = case.ask(f"SELECT {everything.format(region)} FROM masks", lv=0, uv=1)
        assert found == [(pixels, pixels)] * N
    found = case.ask(f"SELECT {everything.format('object_box')} FROM masks", lv=0, uv=1)
    for (count, area), row in zip(found, BOXES, strict=True):
        if row is None:
            assert count is area is None
        else:
            assert count == area == np.ones((HEIGHT, WIDTH))[clipped(row)].sum()


@pytest.mark.parametrize(
    "box", [[-5, -4, 6, 7], [20, 12, 99, 99], [-9, -9, 99, 99], [4, -3, 9, 99]]
)
def test_roi_that_leaves_the_mask(case: Case, box: list[int]) -> None:
    region = f"box({', '.join(map(str, box))})"
    assert case.counts(region, 0.35, 0.8) == numpy_counts(case.values, box, 0.35, 0.8)
    outside = np.array(numpy_counts(case.values, [0, 0, WIDTH, HEIGHT], 0.35, 0.8))
    outside -= numpy_counts(case.values, box, 0.35, 0.8)
    assert case.counts(f"outside({region})", 0.35, 0.8) == outside.tolist()


@pytest.mark.parametrize("box", [[9, 9, 14, 15], [9, 9, 10, 10], [17, 1, 23, 7], [24, 16, 27, 19]])
def test_roi_inside_a_single_cell(case: Case, box: list[int]) -> None:
    region = f"box({', '.join(map(str, box))})"
    expected = numpy_counts(case.values, box, 0.35, 0.8)
    assert case.counts(region, 0.35, 0.8) == expected
    text = f"SELECT mask_id FROM masks WHERE CP(mask, {region}, (0.35, 0.8)) > 5"
    assert case.ask(text) == [i for i, n in enumerate(expected) if n > 5]


def test_sides_that_are_no_multiple_of_the_cell(case: Case) -> None:
    assert HEIGHT % CELL and WIDTH % CELL
    for box in ([0, 0, WIDTH, HEIGHT], [24, 0, WIDTH, HEIGHT], [0, 16, WIDTH, HEIGHT]):
        region = f"box({', '.join(map(str, box))})"
        for lv, uv in ((0.0, 1.0), (0.3, 0.75), (0.55, 1.0)):
            assert case.counts(region, lv, uv) == numpy_counts(case.values, box, lv, uv)


@pytest.mark.parametrize("lv", [0.95, 0.96, 0.999, 1.0])
def test_thresholds_in_the_top_bin(case: Case, lv: float) -> None:
    box = [3, 2, 14, 11]
    expected = numpy_counts(case.values, box, lv, 1.0)
    assert case.counts("box(3, 2, 14, 11)", lv, 1.0) == expected
    assert case.counts("box(3, 2, 14, 11)", lv, 7.0) == expected
    inside = case.values[:, 2:11, 3:14]
    below = ((inside >= lv) & (inside < 1.0)).sum(axis=(1, 2)).tolist()
    assert case.counts("box(3, 2, 14, 11)", lv, 1.0, "[)") == below
    text = f"SELECT mask_id FROM masks ORDER BY CP(mask, full_image, ({lv}, 1.0)) DESC LIMIT 3"
    full = (case.values >= lv).sum(axis=(1, 2))
    assert case.ask(text) == sorted(range(N), key=lambda i: (-full[i], i))[:3]


@pytest.mark.parametrize(("lv", "uv"), [(0.61, 0.64), (0.6, 0.62), (0.62, 0.65), (0.001, 0.002)])
def test_a_range_inside_one_bin(case: Case, lv: float, uv: float) -> None:
    expected = numpy_counts(case.values, [0, 0, WIDTH, HEIGHT], lv, uv)
    assert case.counts("full_image", lv, uv) == expected
    text = f"SELECT mask_id FROM masks WHERE CP(mask, full_image, ({lv}, {uv})) = 0"
    assert case.ask(text) == [i for i, n in enumerate(expected) if n == 0]


def test_thresholds_on_bin_edges_and_on_pixel_values(case: Case) -> None:
    edges = [i / 20 for i in range(21)]
    pixels = np.unique(case.values)[:: max(1, len(np.unique(case.values)) // 9)].tolist()
    beside = [float(np.nextafter(v, side)) for v in pixels[1:3] for side in (0.0, 1.0)]
    inside = case.values[:, 2:11, 3:14]
    for lv in [*edges[::4], 0.05 * 12, *pixels, *beside]:
        expected = (inside >= lv) & (inside <= 1.0)
        found = case.counts("box(3, 2, 14, 11)", lv, 1.0)
        assert found == expected.sum(axis=(1, 2)).tolist(), lv
        strictly = case.counts("box(3, 2, 14, 11)", lv, 1.0, "()")
        assert strictly == ((inside > lv) & (inside < 1)).sum(axis=(1, 2)).tolist(), lv
        point = case.counts("box(3, 2, 14, 11)", lv, lv, "[]")
        assert point == (inside == lv).sum(axis=(1, 2)).tolist(), lv


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_ties_go_to_the_smaller_mask_id(case: Case, direction: str) -> None:
    region, sign = "box(5, 4, 9, 8)", -1 if direction == "DESC" else 1
    full = numpy_counts(case.values, [5, 4, 9, 8], 0.0, 0.05)
    assert len(set(full)) < N
    order = sorted(range(N), key=lambda i: (sign * full[i], i))
    for k in (1, 2, 3, 5, 8, N, N + 1):
        term = f"CP(mask, {region}, (0, 0.05))"
        text = f"SELECT mask_id FROM masks ORDER BY {term} {direction} LIMIT {k}"
        assert case.ask(text) == order[:k]


def test_empty_groups(case: Case) -> None:
    count, both = "CP(mask, full_image, (0.3, 0.8))", "CP(union(mask), full_image, (0.3, 0.8))"
    for nobody in ("mask_id < 0", f"{count} > 100000"):
        for term in (f"SUM({count})", f"MAX({count})", f"AVG({count})", both):
            assert case.ask(f"SELECT {term} AS s FROM masks WHERE {nobody}") == [None]
            grouped = f"SELECT image_id, {term} AS s FROM masks WHERE {nobody} GROUP BY image_id"
            assert case.ask(grouped) == []
        assert case.ask(f"SELECT COUNT(*) AS n FROM masks WHERE {nobody}") == [0]
        assert case.ask(f"SELECT COUNT({count}) AS n FROM masks WHERE {nobody}") == [0]


def test_empty_unions(case: Case) -> None:
    both = "CP({}(mask > {}), {}, (0.5, 1.0))"
    for limit, region, rows, columns in (
        (0.999, "box(5, 4, 9, 8)", slice(4, 8), slice(5, 9)),
        (2.0, "full_image", slice(None), slice(None)),
        (0.5, "box(5, 5, 5, 9)", slice(0, 0), slice(0, 0)),
    ):
        iou = f"{both.format('intersect', limit, region)} / {both.format('union', limit, region)}"
        text = f"SELECT image_id, {iou} AS iou FROM masks GROUP BY image_id ORDER BY iou LIMIT 9"
        ones = (case.values > limit)[:, rows, columns].reshape(N // 3, 3, -1)
        apart, together = ones.all(axis=1).sum(axis=1), ones.any(axis=1).sum(axis=1)
        pairs = enumerate(zip(apart.tolist(), together.tolist(), strict=True))
        expected = [(image, a / t if t else None) for image, (a, t) in pairs]
        # Without a union there is no ratio, and NULLs sort last.
        expected.sort(key=lambda row: (row[1] is None, row[1] or 0, row[0]))
        assert case.ask(text) == expected


@pytest.mark.parametrize("region", ["box(5, 5, 5, 9)", "box(27, 0, 40, 19)", "box(-9, -9, 0, 0)"])
def test_empty_roi(case: Case, region: str) -> None:
    assert case.counts(region, 0.0, 1.0) == [0] * N
    assert case.counts(f"outside({region})", 0.0, 1.0) == [HEIGHT * WIDTH] * N
    term = f"CP(mask, {region}, (0.3, 1.0))"
    assert (
        case.ask(f"SELECT area({region}) AS a, {term} / area({region}) AS r FROM masks")
        == [(0, None)] * N
    )
    assert case.ask(f"SELECT mask_id FROM masks WHERE {term} >= 0") == list(range(N))
    assert case.ask(f"SELECT mask_id FROM masks WHERE {term} / area({region}) >= 0") == []


def test_no_predicate_is_applied_silently(case: Case) -> None:
    """Only the SQL keeps rows with small, empty or no boxes from an answer."""
    term = "CP(mask, object_box, (0.3, 0.8))"
    expected = [
        None if box is None else numpy_counts(case.values[i : i + 1], box, 0.3, 0.8)[0]
        for i, box in enumerate(BOXES)
    ]
    assert case.ask(f"SELECT mask_id, {term} AS n FROM masks") == list(enumerate(expected))
    assert case.ask(f"SELECT COUNT(*) AS a, COUNT({term}) AS n FROM masks") == [(N, N - 1)]
    few = [i for i, n in enumerate(expected) if n is not None and n < 3]
    assert {5, 6} <= set(few)
    assert case.ask(f"SELECT mask_id FROM masks WHERE {term} < 3") == few
    known = [i for i, n in enumerate(expected) if n is not None]
    lowest = sorted(known, key=lambda i: (expected[i], i))
    assert case.ask(f"SELECT mask_id FROM masks ORDER BY {term} LIMIT {N}") == [*lowest, 9]
    ratio = f"SELECT mask_id FROM masks ORDER BY {term} / area(object_box) DESC LIMIT {N}"
    assert sorted(case.ask(ratio)) == list(range(N))
    assert set(case.ask(ratio)[-3:]) == {5, 6, 9}


def test_counts_are_exact_never_bounds(case: Case) -> None:
    """Ranges and regions that no cell or bin answers alone, shown, sorted and added up."""
    box, lv, uv = [3, 2, 14, 11], 0.37, 0.83
    term = f"CP(mask, box(3, 2, 14, 11), ({lv}, {uv}))"
    expected = numpy_counts(case.values, box, lv, uv)
    some = [i for i, n in enumerate(expected) if n > 30]
    shown = case.ask(f"SELECT mask_id, {term} AS n FROM masks WHERE {term} > 30")
    assert shown == [(i, expected[i]) for i in some]
    best = sorted(range(N), key=lambda i: (-expected[i], i))[:4]
    top = case.ask(f"SELECT mask_id, {term} AS n FROM masks ORDER BY n DESC LIMIT 4")
    assert top == [(i, expected[i]) for i in best]
    # Sure of its place without a pixel, and still shown exactly.
    sure = case.ask(f"SELECT {term} AS n FROM masks ORDER BY mask_id LIMIT 5")
    assert sure == expected[:5]
    total = case.ask(f"SELECT SUM({term}) AS s, MAX({term}) AS m, AVG({term}) AS a FROM masks")
    assert total == [(sum(expected), max(expected), sum(expected) / N)]
