"""Boxes from columns and from COCO annotations."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.collection.metadata import BoxColumns, BoxSource, Coco, RowMaker, RowOptions
from masksearch_ray.collection.metadata.boxes import pixel_box
from masksearch_ray.collection.specs import BOX, BOXES
from masksearch_ray.errors import DataError

FILES = ["a.npy", "b.npy"]


def made(
    source: BoxSource, given: dict[str, Any] | None = None, size: tuple[int, int] = (100, 200)
) -> pa.Table:
    maker = RowMaker(RowOptions(boxes={"object_box": source}), FILES)
    return maker.rows(FILES, [size] * 2, None if given is None else pa.table(given))


def boxes(*args: Any, **kwargs: Any) -> Any:
    table = made(*args, **kwargs)
    assert table.schema.field("object_box").type in (BOX, BOXES)
    return table.column("object_box").to_pylist()


FOUR = ("x0", "y0", "x1", "y1")


@pytest.mark.smoke
def test_four_columns() -> None:
    given = {"x0": [1, None], "y0": [2, None], "x1": [3, None], "y1": [4, None], "n": [5, 6]}
    table = made(FOUR, given)
    assert table.column("object_box").to_pylist() == [[1, 2, 3, 4], None]
    assert table.column("object_box").type == BOX
    assert table.schema.names == ["n", "image_id", "object_box"]


def test_a_list_column_under_its_own_and_another_name() -> None:
    assert boxes("bbox", {"bbox": [[1, 2, 3, 4], None]}) == [[1, 2, 3, 4], None]
    assert boxes("object_box", {"object_box": [[1, 2, 3, 4], None]}) == [[1, 2, 3, 4], None]


def test_floats_grow_to_whole_pixels_and_missing_ones_may_be_nan() -> None:
    nan = float("nan")
    given = {"x0": [1.5, nan], "y0": [-0.5, nan], "x1": [3.0, nan], "y1": [3.1, nan]}
    assert boxes(FOUR, given) == [[1, -1, 3, 4], None]


def test_sizes_in_image_pixels_are_scaled() -> None:
    source = BoxColumns(("bbox",), "size", ("h", "w"))
    given = {
        "bbox": [[10.0, 20.0, 30.5, 40.0], [1.0, 2.0, 3.0, 4.0]],
        "h": [200, None],
        "w": [100, None],
    }
    assert boxes(source, given) == [[20, 10, 81, 30], [1, 2, 4, 6]]


def test_sizes_given_as_lists_of_integers_are_not_taken_for_corners() -> None:
    table = {"file": FILES, "bbox": [[10, 20, 3, 4], None]}
    maker = RowMaker(RowOptions([table], boxes={"b": BoxColumns(("bbox",), "size")}), FILES)
    found = maker.rows(FILES, [(100, 200)] * 2)
    assert found.column("b").to_pylist() == [[10, 20, 13, 24], None]


def test_decimals_are_added_as_written() -> None:
    assert 0.1 + 0.2 > 0.3
    assert pixel_box([29.1, 0.1, 0.9, 0.9], "size", (50, 50)) == (29, 0, 30, 1)
    assert pixel_box([0.1, 0, 0.2, 1], "size", (10, 10), (3, 3)) == (0, 0, 1, 4)


@given(
    st.lists(st.integers(0, 10**6), min_size=4, max_size=4),
    st.tuples(*[st.integers(1, 1000)] * 2),
    st.tuples(*[st.integers(1, 1000)] * 2),
)
def test_scaled_boxes_are_the_smallest_that_hold_them(
    cents: list[int], mask: tuple[int, int], image: tuple[int, int]
) -> None:
    numbers = [cent / 100 for cent in cents]
    x, y, w, h = (Fraction(cent, 100) for cent in cents)
    across, down = Fraction(mask[1], image[1]), Fraction(mask[0], image[0])
    assert pixel_box(numbers, "size", mask, image) == (
        math.floor(x * across),
        math.floor(y * down),
        math.ceil((x + w) * across),
        math.ceil((y + h) * down),
    )


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([3, 2, 1, 4], r"a\.npy: box \(3, 2, 1, 4\): x1 < x0"),
        ([1, 5, 3, 4], "y1 < y0"),
        ([1, 2, 3], "four numbers wanted"),
        ([1, 2, 3, None], "four numbers wanted"),
        ([0, 0, 1, 2**31], "exceeds int32"),
        ([0.0, 0.0, 1.0, math.inf], "not finite"),
        ([0.0, 0.0, 1.0, 1e300], "too large"),
        (["0", "0", "1", "1"], "numbers wanted"),
    ],
)
def test_what_is_no_box(box: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        boxes("bbox", {"bbox": [box, None]})


def test_columns_that_are_no_boxes() -> None:
    with pytest.raises(DataError, match="no column 'x0' for boxes; there are"):
        boxes(FOUR, {"n": [1, 2]})
    with pytest.raises(DataError, match="one or four columns"):
        boxes(("x0", "y0"), {"n": [1, 2]})
    with pytest.raises(DataError, match="an image of 0 x 5 pixels"):
        boxes(
            BoxColumns(("b",), "size", ("h", "w")),
            {"b": [[1, 1, 1, 1]] * 2, "h": [0] * 2, "w": [5] * 2},
        )


def coco(folder: Path, **changes: Any) -> str:
    record = {
        "images": [
            {"id": 7, "file_name": "train/b.jpg", "height": 50, "width": 100},
            {"id": 9, "file_name": "train/a.jpg"},
            {"id": 11, "file_name": "train/c.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "bbox": [0.1, 1, 0.2, 1.5]},
            {"id": 2, "image_id": 7, "bbox": [10, 10, 20.5, 10]},
            {"id": 3, "image_id": 11, "bbox": [1, 1, 1, 1]},
        ],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps({**record, **changes}))
    return str(path)


def test_coco_lists_and_largest(tmp_path: Path) -> None:
    path = coco(tmp_path)
    assert boxes(Coco(path)) == [None, [[0, 2, 1, 5], [20, 20, 61, 40]]]
    assert boxes(Coco(path, largest=True)) == [None, [20, 20, 61, 40]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": [{"id": 1, "file_name": "a.jpg"}]}, "no 7"),
        ({"images": None}, "no COCO annotations"),
        ({"annotations": [{"id": 3, "image_id": 9, "bbox": [1, 2, 3]}]}, "annotation 3: bbox"),
        ({"annotations": [{"id": 3, "image_id": 9, "bbox": [1, 2, -3, 1]}]}, r"a\.npy: x1 < x0"),
        ({"annotations": [{"id": 3, "image_id": 9, "bbox": [1, 2, "3", 1]}]}, "numbers wanted"),
        ({"annotations": [{"id": 3, "image_id": 9, "bbox": [1, 2, math.nan, 1]}]}, "NaN is no"),
        ({"annotations": [{"image_id": 9}]}, "no 'bbox'"),
        (
            {"images": [{"id": 7, "file_name": "b"}, {"id": 11, "file_name": "c"}]},
            r"no row for 1 of 2 files: a\.npy",
        ),
    ],
)
def test_bad_annotations_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    path = coco(tmp_path, **changes)
    with pytest.raises(DataError, match=words) as caught:
        boxes(Coco(path))
    assert str(caught.value).startswith(path)


def test_numbers_that_would_take_all_memory(tmp_path: Path) -> None:
    path = Path(coco(tmp_path))
    path.write_text(path.read_text().replace("20.5", "1e999999999"))
    with pytest.raises(DataError, match="too large"):
        boxes(Coco(str(path)))
