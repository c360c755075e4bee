"""What is appended is read again to the last bit, and what cannot be taken changes nothing."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from masksearch_ray.collection import BOX, BOXES, Limits, append, open_manifest
from masksearch_ray.errors import CollectionError, DataError, StorageError
from masksearch_ray.model.values import DTYPES
from masksearch_ray.storage import Fault, FaultyStorage
from tests.collection.helpers import (
    Mask,
    check_index,
    content,
    empty,
    memory,
    mixed_masks,
    random_masks,
    reader,
    same,
)


@pytest.mark.smoke
def test_masks_and_rows_come_back() -> None:
    storage, masks = empty(), random_masks(10)
    report = append(storage, masks, {"image_id": range(10), "label": list("abcdefghij")})
    assert (report.rows, report.version, report.sizes.raw) == (10, 2, masks.nbytes)
    opened = reader(storage)
    assert same(opened.masks(range(10)), list(masks))
    (segment,) = opened.segments()
    assert segment.metadata(["label", "mask_id"]).to_pydict() == {
        "label": list("abcdefghij"),
        "mask_id": list(range(10)),
    }
    check_index(storage)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(dtype: str) -> None:
    storage, masks = empty(), random_masks(5, 70, 130, dtype)
    append(storage, masks)
    assert same(reader(storage).masks(range(5)), list(masks))
    check_index(storage)


def test_sizes_and_dtypes_may_differ_within_one_append() -> None:
    storage, masks = empty(), mixed_masks(60)
    append(storage, iter(masks), {"image_id": range(60)})
    opened = reader(storage)
    assert same(opened.masks(range(60)), masks)
    order = [59, 0, 30, 30, 1]
    assert same(opened.masks(order), [masks[i] for i in order])
    check_index(storage)
    (segment,) = opened.segments()
    assert len(segment.blocks) == len({(m.shape, m.dtype.name) for m in masks})
    assert sorted(np.concatenate([view.ordinals for view in segment.blocks])) == list(range(60))


def test_segments_are_cut_when_full() -> None:
    storage, masks = empty(), mixed_masks(25)
    append(storage, masks, {"image_id": range(25)}, limits=Limits(rows=10))
    opened = reader(storage)
    assert [entry.rows for entry in opened.manifest.segments] == [10, 10, 5]
    assert [entry.id_base for entry in opened.manifest.segments] == [0, 10, 20]
    assert [entry.image_max for entry in opened.manifest.segments] == [9, 19, 24]
    assert same(opened.masks(range(25)), masks)
    append(storage, random_masks(400), limits=Limits(bytes=1), threads=1)
    assert len(open_manifest(storage).segments) > 4
    assert len(content(storage)) == 425


def test_ids_are_given_in_order_or_taken_as_given() -> None:
    storage, masks = empty(), random_masks(3)
    append(storage, masks)
    append(storage, masks, {"mask_id": [10, -4, 7]})
    append(storage, masks)
    assert sorted(content(storage)) == [-4, 0, 1, 2, 7, 10, 11, 12, 13]
    assert reader(storage).locate([7, 12]) == [(1, 2), (2, 1)]
    append(storage, masks[:1], {"mask_id": [2**63 - 1]})
    with pytest.raises(DataError, match="free ids"):
        append(storage, masks)


def test_a_buffer_may_be_used_again_and_again() -> None:
    buffer = np.zeros((9, 9), np.uint8)

    def frames() -> Iterator[Mask]:
        for value in range(200):
            buffer[:] = value
            yield buffer

    storage = empty()
    append(storage, frames())
    assert [int(mask[0, 0]) for mask in reader(storage).masks(range(200))] == list(range(200))


def test_byte_order_and_layout_do_not_matter() -> None:
    storage, masks = empty(), random_masks(4, dtype="uint16")
    append(storage, masks.astype(">u2"))
    append(storage, np.asfortranarray(masks))
    append(storage, [mask[::-1] for mask in masks])
    wanted = [*masks, *masks, *(mask[::-1].copy() for mask in masks)]
    assert same(reader(storage).masks(range(12)), wanted)


def test_nan_is_kept_where_it_is_allowed() -> None:
    masks = random_masks(6, dtype="float32")
    masks[2, 3, 4] = np.nan
    masks[5] = np.nan
    storage = empty(nan="keep")
    append(storage, masks)
    assert same(reader(storage).masks(range(6)), list(masks))
    check_index(storage)
    (segment,) = reader(storage).segments()
    assert segment.blocks[0].nan
    assert segment.histogram(0, "full_image", [0])[0].tolist() == [600, 600, 599, 600, 600, 0]


def test_a_region_without_nan_still_tells_its_valid_pixels() -> None:
    masks = random_masks(3, dtype="float32")
    masks[1, 15, 20] = np.nan
    storage = empty(nan="keep")
    append(storage, masks, {"object_box": [[0, 0, 5, 5], None, [2, 2, 3, 9]]})
    (segment,) = reader(storage).segments()
    assert segment.histogram(0, '"object_box"', [0])[0].tolist() == [25, 0, 7]


def test_memory_stays_flat_while_masks_stream() -> None:
    def frames() -> Iterator[Mask]:
        for value in range(1500):
            yield np.full((256, 256), value % 256, np.uint8)

    storage = empty()
    append(storage, [np.zeros((256, 256), np.uint8)])  # whatever is made once
    tracemalloc.start()
    append(storage, frames(), threads=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 48 << 20  # 98 MB of masks went through


def _bad(dtype: str, value: float) -> Mask:
    masks = random_masks(4, dtype=dtype)
    masks[3, 7, 9] = value
    return masks


@pytest.mark.parametrize(
    ("masks", "rows", "told"),
    [
        (np.zeros((2, 4, 4)), {}, "mask 0 has dtype float64; accepted are uint8, uint16"),
        (np.zeros((2, 4, 4), np.int64), {}, "dtype int64"),
        (np.zeros((2, 4, 4), np.complex64), {}, "dtype complex64"),
        (np.zeros((4, 4), np.uint8), {}, "2 dimensions"),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8)], {}, "mask 1 has 3 dim"),
        ([np.zeros((4, 0), np.uint8)], {}, "mask 0 is empty: 4 x 0"),
        ([np.zeros((4, 4), np.uint8), [[1, 2], [3]]], {}, "mask 1: no array"),
        ([[["a"]]], {}, "dtype <U1"),
        (7, {}, "not int"),
        ("masks", {}, "not str"),
        (_bad("float32", np.nan), {}, r"mask 3: pixel \(x=9, y=7\) is nan, which this"),
        (_bad("float16", np.inf), {}, r"mask 3: pixel \(x=9, y=7\) is inf, outside"),
        (_bad("float32", -np.inf), {}, "is -inf"),
        (_bad("float32", 1.5), {}, r"is 1.5, outside the value domain \[0.0, 1.0\]"),
        (_bad("float32", -0.25), {}, "is -0.25"),
        (random_masks(3), {"image_id": [1, 2]}, "2 rows of metadata, but 3 masks"),
        (iter(random_masks(3)), {"image_id": [1, 2]}, "2 rows of metadata, but more masks"),
        (iter(random_masks(3)), {"image_id": [1] * 4}, "4 rows of metadata, but 3 masks"),
        (random_masks(3), {"image_id": [1, 2, 3, 4]}, "4 rows of metadata, but 3 masks"),
        (random_masks(3), {"mask_id": [1, 2, 1]}, "mask_id 1 is given twice, in rows 0 and 2"),
        (random_masks(3), {"mask_id": [1, 0, 2]}, "mask_id 0 is in the collection already"),
        (random_masks(3), {"mask_id": [1, None, 2]}, "row 1: mask_id is missing"),
        (random_masks(3), {"mask_id": ["a", "b", "c"]}, "'mask_id'"),
        (random_masks(3), {"mask_id": [1, 2, 2**63]}, "mask_id"),
        (random_masks(3), {"label": [1.5, 2, 3]}, "'label' holds int64"),
        (random_masks(3), {"label": ["a", "b", "c"]}, "'label' holds int64"),
        (
            random_masks(3),
            {"object_box": [[0, 0, 1, 1], [5, 0, 4, 9], [0, 0, 1, 1]]},
            r"row 1, column 'object_box': box \(5, 0, 4, 9\) has x1 < x0",
        ),
        (random_masks(3), {"object_box": [None, None, [0, 1, 1, 0]]}, "row 2.*y1 < y0"),
    ],
)
def test_bad_input_changes_nothing(masks: Any, rows: dict[str, Any], told: str) -> None:
    storage = empty()
    box = [[1, 1, 2, 2]] * 2
    append(storage, random_masks(2), {"label": [1, 2], "object_box": box, "mask_id": [0, 5]})
    before = [(one.key, one.etag) for one in storage.list()]
    with pytest.raises(DataError, match=told):
        append(storage, masks, rows)
    assert [(one.key, one.etag) for one in storage.list()] == before


def test_nan_beside_a_kept_one_is_not_all_that_is_checked() -> None:
    masks = _bad("float32", np.nan)
    masks[3, 8, 0] = 2.0
    with pytest.raises(DataError, match=r"pixel \(x=0, y=8\) is 2.0"):
        append(empty(nan="keep"), masks)


def test_values_are_compared_with_the_domain_as_doubles() -> None:
    # The float32 nearest to 0.1 lies above the double 0.1.
    masks = np.full((1, 4, 4), 0.1, np.float32)
    with pytest.raises(DataError, match="outside the value domain"):
        append(empty(domain=(0.0, 0.1)), masks)
    append(empty(domain=(0.0, float(np.float32(0.1)))), masks)


def test_bool_is_0_or_1_whatever_the_domain() -> None:
    append(empty(domain=(-1.0, 1.0)), random_masks(2, dtype="bool"))
    with pytest.raises(DataError, match="outside the value domain"):
        append(empty(domain=(0.0, 0.5)), random_masks(2, dtype="bool"))
    append(empty(domain=(0.0, 0.5)), np.zeros((1, 4, 4), bool))


def test_an_iterator_that_fails_leaves_nothing_behind() -> None:
    def broken() -> Iterator[Mask]:
        yield from random_masks(30)
        raise OSError("the disk is on fire")

    storage = empty()
    with pytest.raises(OSError, match="on fire"):
        append(storage, broken(), limits=Limits(rows=10))
    assert [one.key for one in storage.list()] == ["manifests/00000000000000000001.json"]


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_full_disk_leaves_nothing_behind(nth: int) -> None:
    storage = empty()
    faulty = FaultyStorage(storage, [Fault("put", nth, kind="full")])
    with pytest.raises(StorageError, match="no space"):
        append(faulty, random_masks(30), limits=Limits(rows=10))
    assert content(storage) == {}
    assert len(list(storage.list())) == 1


def test_boxes_beyond_the_mask_are_kept_counted_and_reported() -> None:
    storage, masks = empty(), [*random_masks(3, 20, 30), *random_masks(1, 90, 90)]
    boxes = [[0, 0, 30, 20], [-1, 0, 5, 5], None, [0, 0, 80, 80]]
    lists = [[], [[0, 0, 1, 1], [0, 0, 31, 1]], [[0, 0, 1, 1]], None]
    report = append(storage, masks, {"object_box": boxes, "many": lists})
    assert report.boxes_beyond == {"object_box": 1, "many": 1}
    (segment,) = reader(storage).segments()
    table = segment.metadata(["object_box", "many"])
    assert table.schema.types == [BOX, BOXES]
    assert table.to_pydict() == {"object_box": boxes, "many": lists}
    assert segment.histogram_levels(0, '"object_box"') == segment.blocks[0].levels
    wanted = [int((masks[i][0:20, 0:30] >= segment.blocks[0].levels[0]).sum()) for i in [0]]
    assert segment.histogram(0, '"object_box"', [1])[1][:1].tolist() == wanted
    assert segment.histogram(0, '"many"', [1])[1][0] == 0


@pytest.mark.parametrize(
    "rows",
    [
        {"image_id": [3, 4], "name": ["a", None], "score": [0.5, None]},
        pd.DataFrame({"image_id": [3, 4], "name": ["a", None], "score": [0.5, None]}),
        pa.table({"image_id": [3, 4], "name": ["a", None], "score": [0.5, None]}),
    ],
)
def test_rows_of_every_kind(rows: Any) -> None:
    storage = empty()
    append(storage, random_masks(2), rows)
    (segment,) = reader(storage).segments()
    found = segment.metadata(["image_id", "name", "score"])
    assert found.schema.types == [pa.int64(), pa.string(), pa.float64()]
    assert found.to_pydict() == {"image_id": [3, 4], "name": ["a", None], "score": [0.5, None]}


def test_columns_come_late_and_are_missing_early() -> None:
    storage, masks = empty(), random_masks(2)
    append(storage, masks, {"a": [1, 2], "unknown": [None, None]})
    append(storage, masks, {"b": ["x", "y"], "unknown": [1.5, None]})
    append(storage, masks)
    found = content(storage)
    assert [found[i][0] for i in range(6)] == [
        {"mask_id": 0, "a": 1},
        {"mask_id": 1, "a": 2},
        {"mask_id": 2, "b": "x", "unknown": 1.5},
        {"mask_id": 3, "b": "y"},
        {"mask_id": 4},
        {"mask_id": 5},
    ]
    assert open_manifest(storage).schema.names == ["a", "unknown", "b"]
    assert open_manifest(storage, 2).schema.names == ["a", "unknown"]


def test_nothing_appended_is_no_version() -> None:
    storage = empty()
    report = append(storage, [], {"a": []})
    assert (report.rows, report.version) == (0, 1)


def test_a_collection_is_needed() -> None:
    with pytest.raises(CollectionError, match="no collection there"):
        append(memory(), random_masks(1))


def test_columns_of_whatever_type_come_back() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    columns: dict[str, pa.Array] = {
        "when": pa.array([moment, None]),
        "nanoseconds": pa.array([1, 2], pa.timestamp("ns")),
        "seconds": pa.array([1, None], pa.timestamp("s")),
        "day": pa.array([1, 2], pa.date32()),
        "day64": pa.array([0, 86_400_000], pa.date64()),
        "time": pa.array([1, 2], pa.time32("s")),
        "lasting": pa.array([1, 2], pa.duration("ms")),
        "price": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
        "bytes": pa.array([b"\xff", None]),
        "words": pa.array([["a", "b"], []]),
        "vector": pa.array([[0.5, 1.5], [1.0, 2.0]], pa.list_(pa.float32(), 2)),
        "empty": pa.array([[], None]),
        "nothing": pa.nulls(2),
        "flag": pa.array([True, None]),
        "a": pa.array([{"b": 1, "c": "x"}, None]),
        "a.b": pa.array([5, 6]),
        "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
    }
    storage = empty()
    append(storage, random_masks(2), pa.table(columns))
    for name in columns:  # one by one, each by a reader of its own
        (segment,) = reader(storage).segments()
        assert segment.metadata([name]).column(0).to_pylist() == columns[name].to_pylist()
    (segment,) = reader(storage).segments()
    table = segment.metadata([*reversed(columns)])
    assert table.to_pydict() == {name: column.to_pylist() for name, column in columns.items()}
    assert {field.name: field.type for field in table.schema} == {
        name: column.type for name, column in columns.items()
    }


def test_a_column_that_cannot_be_stored_is_named() -> None:
    column = pa.UnionArray.from_dense(
        pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["x"])]
    )
    with pytest.raises(DataError, match="column 'either'"):
        append(empty(), random_masks(2), {"either": column})
