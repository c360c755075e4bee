"""Values of pixels, counts, regions and mask aggregates, worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.oracle import ast as q
from tests.oracle.collection import Refused, pixel_values
from tests.oracle.evaluate import evaluate
from tests.oracle.short import FULL, collection, cp, op, over, rows, select, values

INF = math.inf


def grid(height: int = 4, width: int = 5) -> np.ndarray:
    """One float mask whose pixels are all 1."""
    return np.ones((height, width), np.float32)


def pixels(roi: q.Roi, height: int = 4, width: int = 5, **columns: Any) -> list[tuple[int, int]]:
    """The pixels (y, x) of a region of one mask, each asked for by itself."""
    found = []
    for y in range(height):
        for x in range(width):
            mask = np.zeros((height, width), np.uint8)
            mask[y, x] = 255
            if values(collection([mask], **columns), cp(1, 1, "[]", roi)) == [1]:
                found.append((y, x))
    return found


# ------------------------------------------------------------------ values


def test_integers_are_rounded_once_from_the_rational_value() -> None:
    mask = np.array([[0, 2, 51, 255]], np.uint8)
    assert pixel_values(mask, (0.0, 1.0)).tolist() == [[0.0, 2 / 255, 0.2, 1.0]]
    # -1 + 2 * (2 / 255) in float64 arithmetic is the neighbour -0.9843137254901961.
    assert pixel_values(mask, (-1.0, 1.0)).tolist() == [[-1.0, -0.984313725490196, -0.6, 1.0]]
    wide = np.array([[0, 13107, 65535]], np.uint16)
    assert pixel_values(wide, (0.0, 255.0)).tolist() == [[0.0, 51.0, 255.0]]


def test_booleans_are_0_and_1_in_every_domain() -> None:
    mask = np.array([[False, True]])
    assert pixel_values(mask, (-1.0, 1.0)).tolist() == [[0.0, 1.0]]


def test_a_float32_pixel_is_compared_as_float64() -> None:
    stored = np.array([[0.7]], np.float32)
    assert bool((stored >= 0.7).all())
    assert values(collection([stored]), cp(0.7, 1.0)) == [0]
    assert values(collection([stored]), cp(float(stored[0, 0]), 1.0)) == [1]


# ------------------------------------------------------------------ ranges

TENTHS = np.array([[0.0, 0.25, 0.5, 0.75, 1.0, math.nan]], np.float32)


@pytest.mark.parametrize(
    ("lv", "uv", "ends", "count"),
    [
        (0.25, 0.75, None, 2),
        (0.25, 0.75, "[]", 3),
        (0.25, 0.75, "[)", 2),
        (0.25, 0.75, "(]", 2),
        (0.25, 0.75, "()", 1),
        (0.5, 1.0, None, 3),
        (0.5, 1.0, "[)", 2),
        (0.5, 7.0, None, 3),
        (0.5, 0.5, None, 0),
        (0.5, 0.5, "[]", 1),
        (0.5, 0.5, "(]", 0),
        (1.0, 1.0, None, 1),
        (0, 1, None, 5),
        (-INF, INF, "()", 5),
        (-INF, 0.25, None, 1),
        (0.3, 0.4, None, 0),
    ],
)
def test_ends_of_ranges(lv: float, uv: float, ends: str | None, count: int) -> None:
    assert values(collection([TENTHS]), cp(lv, uv, ends)) == [count]


def test_the_upper_end_is_that_of_the_domain() -> None:
    mask = np.array([[0, 255]], np.uint8)
    assert values(collection([mask], (0.0, 255.0)), cp(0, 1), cp(1, 255)) == [(1, 1)]


@pytest.mark.parametrize(
    ("lv", "uv"), [(0.6, 0.5), (math.nan, 1.0), (0.5, math.nan), (None, 1.0), (True, 1.0)]
)
def test_ranges_that_are_none(lv: Any, uv: Any) -> None:
    query = select(cp(q.Param("lv", lv), q.Param("uv", uv)))
    assert isinstance(evaluate(collection([TENTHS]), query), Refused)


# ------------------------------------------------------------------ regions


def test_a_box_is_half_open_and_clipped() -> None:
    assert pixels(q.Box(1, 2, 3, 4)) == [(2, 1), (2, 2), (3, 1), (3, 2)]
    assert pixels(q.Box(4, 3, 99, 99)) == [(3, 4)]
    assert pixels(q.Box(-9, -9, 1, 1)) == [(0, 0)]
    assert pixels(q.Box(2, 2, 2, 4)) == []
    assert pixels(q.Box(7, 0, 9, 4)) == []


def test_area_counts_the_pixels_that_cp_counts() -> None:
    for roi in (FULL, q.Box(1, 2, 30, 40), q.Outside(q.Box(1, 2, 3, 4)), q.Box(2, 2, 2, 2)):
        ((area, count),) = values(collection([grid()]), q.Area(roi), cp(0, 1, roi=roi))
        assert area == count
    assert values(collection([grid()]), q.Area(q.Outside(q.Box(0, 0, 1, 4)))) == [16]


def test_outside_twice_is_inside() -> None:
    box = q.Box(1, 2, 3, 4)
    assert pixels(q.Outside(q.Outside(box))) == pixels(box)
    assert len(pixels(q.Outside(box))) == 16
    assert pixels(q.Outside(FULL)) == []


def test_columns_of_boxes() -> None:
    masks = collection(
        [grid(), grid(), grid()],
        box=("box", [(0, 0, 2, 1), None, (3, 3, 3, 4)]),
        parts=("boxes", [((0, 0, 2, 2), (1, 1, 3, 3)), None, ()]),
    )
    found = values(masks, q.Area(q.BoxColumn("box")), q.Area(q.BoxColumn("parts")))
    assert found == [(2, 7), (None, None), (0, 0)]
    assert values(masks, cp(0, 1, roi=q.Outside(q.BoxColumn("box")))) == [18, None, 20]


def test_the_default_region_is_a_parameter() -> None:
    query = select(cp(0, 1, roi=q.DefaultRoi()), roi=(0, 0, 2, 2))
    assert rows(collection([grid()]), query) == [(4,)]
    assert isinstance(evaluate(collection([grid()]), select(q.Area(q.DefaultRoi()))), Refused)


def test_a_polygon_holds_centres_left_of_an_odd_number_of_edges() -> None:
    square = [(y, x) for y in (0, 1) for x in (0, 1)]
    assert pixels(q.Polygon((0, 0, 2, 0, 2, 2, 0, 2))) == square
    # Edges through centres: the left and the upper ones belong to the region.
    assert pixels(q.Polygon((0.5, 0.5, 2.5, 0.5, 2.5, 2.5, 0.5, 2.5))) == square
    # The same corners the other way round.
    assert pixels(q.Polygon((0.5, 2.5, 2.5, 2.5, 2.5, 0.5, 0.5, 0.5))) == square
    # x + y < 3, with the centres on x + y = 3 left out.
    assert pixels(q.Polygon((0, 0, 3, 0, 0, 3))) == [(0, 0), (0, 1), (1, 0)]
    # Twice around is even.
    assert pixels(q.Polygon((0, 0, 2, 0, 2, 2, 0, 2) * 2)) == []
    # A bow tie whose edges cross in (2, 2).
    bow_tie = [(0, 3), (1, 0), (1, 2), (1, 3), (2, 0), (2, 2), (2, 3), (3, 3)]
    assert pixels(q.Polygon((0, 0, 4, 4, 4, 0, 0, 4)), 4, 4) == bow_tie


@pytest.mark.parametrize("coordinates", [(0, 0, 1, 1), (0, 0, 1, 0, 1), (0, 0, 1, INF, 1, 1)])
def test_polygons_that_are_none(coordinates: tuple[float, ...]) -> None:
    roi = q.Polygon(tuple(q.Param(f"c{i}", c) for i, c in enumerate(coordinates)))
    assert isinstance(evaluate(collection([grid()]), select(q.Area(roi))), Refused)


# ------------------------------------------------------------------ mask aggregates

A = np.array([[0, 51, 255, 255]], np.uint8)
B = np.array([[51, 51, 0, 255]], np.uint8)


def counts(masks: list[np.ndarray], *terms: q.CP) -> tuple[Any, ...]:
    """Mask aggregates over all masks as one group."""
    (found,) = rows(collection(masks), select(*terms))
    return found


def test_intersect_is_the_minimum_and_union_the_maximum() -> None:
    # intersect: 0, 0.2, 0, 1; union: 0.2, 0.2, 1, 1.
    assert counts([A, B], over("intersect", 0.2, 1), over("union", 0.2, 1)) == (2, 4)
    assert counts([A, B], over("intersect", 0.5, 1), over("union", 0.5, 1)) == (1, 2)


def point(value: float, *threshold: Any) -> q.CP:
    """How many pixels of the mean have just this value."""
    limit = q.Threshold(*threshold) if threshold else None
    return q.CP(q.MaskAggregate("avg", limit), FULL, q.Range(value, value, "[]"))


def test_avg_of_integers_is_rounded_once_from_their_sum() -> None:
    assert counts([A, B], point(0.1), point(0.2), point(0.5), point(1.0)) == (1, 1, 1, 1)
    # The mean of the float64 values is the neighbour 0.04313725490196079.
    masks = [np.array([[k]], np.uint8) for k in (0, 0, 33)]
    assert counts(masks, point(33 / 765)) == (1,)


def test_avg_of_floats_is_the_exact_mean_rounded_once() -> None:
    masks = [np.array([[value]], np.float32) for value in (1.0, 2.0**-53, 2.0**-53)]
    # Added one by one in float64, the small ones are lost.
    assert (1.0 + 2.0**-53 + 2.0**-53) / 3 == 1 / 3
    assert counts(masks, point(1 / 3), point((2**52 + 1) / (3 * 2**52))) == (0, 1)


def test_avg_of_several_types_is_the_mean_of_their_values() -> None:
    masks = [np.array([[51]], np.uint8), np.array([[True]]), np.array([[0.25]], np.float16)]
    # 0.2 as float64, 1 and 0.25.
    exact = (Fraction(0.2) + 1 + Fraction(0.25)) / 3
    assert counts(masks, point(float(exact))) == (1,)


def test_thresholded_masks_are_0_and_1_in_the_domain_0_to_1() -> None:
    masks = collection([A, B, B], (0.0, 255.0))
    terms = [over(kind, 0.5, 1.0, ">", 50) for kind in ("intersect", "union", "avg")]
    # A > 50: 0 1 1 1; B > 50: 1 1 0 1; shares: 2/3 1 1/3 1.
    assert rows(masks, select(*terms)) == [(2, 4, 3)]
    assert rows(masks, select(point(1 / 3, ">", 50))) == [(1,)]


@pytest.mark.parametrize(("op", "count"), [(">", 1), (">=", 2), ("<", 1), ("<=", 2)])
def test_thresholds_compare(op: str, count: int) -> None:
    mask = np.array([[0, 51, 255]], np.uint8)
    assert counts([mask], over("union", 1, 1, op, 0.2)) == (count,)


def test_nan_in_any_member_makes_the_pixel_nan_but_compares_as_false() -> None:
    masks = [np.array([[math.nan, 0.5]], np.float32), np.array([[0.75, 0.5]], np.float32)]
    for kind in ("intersect", "union", "avg"):
        assert counts(masks, over(kind, -INF, INF)) == (1,)
    assert counts(masks, over("union", 1, 1, ">", 0.6)) == (1,)
    assert counts(masks, over("union", 1, 1, "<", 0.6)) == (1,)
    assert counts(masks, over("intersect", 1, 1, ">", 0.1)) == (1,)


def test_masks_of_a_group_agree_in_size() -> None:
    masks = collection([grid(), grid(), grid(2, 2)], image_id=("int", [1, 1, 2]))
    by_image = select("image_id", over("union", 0, 1), group_by=(q.Column("image_id"),))
    assert rows(masks, by_image) == [(1, 20), (2, 4)]
    assert isinstance(evaluate(masks, select(over("union", 0, 1))), Refused)
    some = select(over("union", 0, 1), where=q.Binary("<", q.Column("mask_id"), q.Literal(2)))
    assert rows(masks, some) == [(20,)]


def test_masks_of_a_group_agree_in_the_box_that_is_used() -> None:
    masks = collection(
        [grid(), grid(), grid(), grid(), grid()],
        image_id=("int", [1, 1, 2, 2, 3]),
        box=("box", [(0, 0, 2, 1), (0, 0, 2, 1), None, None, (0, 0, 0, 0)]),
        bad=("box", [(0, 0, 2, 1), (0, 0, 2, 1), None, (0, 0, 1, 1), None]),
    )
    keys = (q.Column("image_id"),)
    box = q.BoxColumn("box")
    for roi, found in ((box, [2, None, 0]), (q.Outside(box), [18, None, 20])):
        query = select(over("union", 0, 1, roi=roi), group_by=keys)
        assert [count for (count,) in rows(masks, query)] == found
    query = select(over("union", 0, 1, roi=q.BoxColumn("bad")), group_by=keys)
    assert isinstance(evaluate(masks, query), Refused)


def test_the_area_in_a_group_is_that_in_its_masks() -> None:
    masks = collection([grid(), grid(), grid(2, 2)], image_id=("int", [1, 1, 2]))
    share = op(over("union", 0, 1), "/", q.Area(FULL))
    query = select("image_id", share, q.Area(FULL), group_by=(q.Column("image_id"),))
    assert rows(masks, query) == [(1, 1.0, 20), (2, 1.0, 4)]
    assert isinstance(evaluate(masks, select(q.Area(FULL), q.Aggregate("COUNT"))), Refused)
    assert rows(masks, select(q.Aggregate("MAX", q.Area(FULL)))) == [(20,)]


def test_a_group_of_no_masks_has_no_count() -> None:
    nothing = q.Binary("<", q.Column("mask_id"), q.Literal(0))
    query = select(over("union", 0, 1), q.Area(FULL), q.Aggregate("COUNT"), where=nothing)
    assert rows(collection([grid()]), query) == [(None, None, 0)]
