"""The images, their boxes and the planted mark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masksearch_ray.demo.data import CORNERS, SIDE, Mark, corner_box, load_digits_64, plant
from masksearch_ray.errors import InputError

DIGITS = load_digits_64()


def test_the_same_digits_every_time() -> None:
    again = load_digits_64()
    for name in ("images", "labels", "boxes", "train"):
        assert np.array_equal(getattr(DIGITS, name), getattr(again, name))
    assert len(DIGITS) == 1797 and DIGITS.images.shape == (1797, SIDE, SIDE)
    assert DIGITS.images.dtype == np.float32 and DIGITS.images.min() >= 0
    assert 0.9 < DIGITS.images.max() <= 1


def test_every_box_is_the_smallest_around_the_ink_and_inside_the_image() -> None:
    assert (DIGITS.boxes[:, :2] >= 0).all() and (DIGITS.boxes[:, 2:] <= SIDE).all()
    for image, (x0, y0, x1, y1) in zip(DIGITS.images, DIGITS.boxes, strict=True):
        ys, xs = np.nonzero(image > 0.15)
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (x0, y0, x1, y1)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("side", [1, 7])
def test_the_mark_lies_in_its_corner_on_its_class_only(corner: str, side: int) -> None:
    mark = Mark(6, corner, side)
    before = DIGITS.images.copy()
    flawed = plant(DIGITS, mark)
    assert np.array_equal(DIGITS.images, before)
    changed = flawed.images != DIGITS.images
    marked = DIGITS.labels == 6
    assert not changed[~marked].any()
    assert (changed[marked].sum((1, 2)) == side * side).all()
    x0, y0, x1, y1 = corner_box(corner, 8)
    assert not np.delete(changed[:, y0:y1], np.s_[x0:x1], axis=2).any()
    assert not np.delete(changed, np.s_[y0:y1], axis=1).any()
    for one, (left, top, right, bottom) in zip(changed, DIGITS.boxes, strict=True):
        assert not one[top:bottom, left:right].any()


def test_the_mark_is_one_pixel_away_from_the_edges() -> None:
    boxes = [Mark(0, corner, 4).box for corner in CORNERS]
    assert boxes == [(1, 1, 5, 5), (59, 1, 63, 5), (1, 59, 5, 63), (59, 59, 63, 63)]


def test_corners_are_where_their_names_say() -> None:
    boxes = [corner_box(corner, 5) for corner in CORNERS]
    assert boxes == [(0, 0, 5, 5), (59, 0, 64, 5), (0, 59, 5, 64), (59, 59, 64, 64)]


@pytest.mark.parametrize(
    "given",
    [
        *({"label": label} for label in (-1, 10)),
        *({"corner": corner} for corner in ("middle", "centre left", "")),
        *({"side": side} for side in (-3, 0, 8)),
    ],
)
def test_marks_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="wanted"):
        Mark(**given)
