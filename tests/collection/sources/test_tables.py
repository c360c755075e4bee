"""Masks in Arrow tables, Parquet and Arrow files, and data sets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from masksearch_ray.collection.sources import open_source
from masksearch_ray.errors import DataError
from tests.collection.sources.test_files import read

STACK = np.random.default_rng(5).random((6, 3, 4), dtype=np.float32)


def tensors(stack: np.ndarray[Any, Any]) -> pa.Array:
    if stack.dtype != bool:
        return pa.FixedShapeTensorArray.from_numpy_ndarray(stack)
    type_ = pa.fixed_shape_tensor(pa.bool_(), stack.shape[1:])
    flat = pa.FixedSizeListArray.from_arrays(pa.array(stack.ravel()), stack[0].size)
    return pa.ExtensionArray.from_storage(type_, flat)


def ray_like(stack: np.ndarray[Any, Any]) -> tuple[pa.Field, pa.Array]:
    """Write a column as Ray does, where its extension types are not registered."""
    lists = pa.array([mask.ravel().tolist() for mask in stack], pa.large_list(pa.float32()))
    metadata = {
        b"ARROW:extension:name": b"ray.data.arrow_tensor_v2",
        b"ARROW:extension:metadata": json.dumps(stack.shape[1:]).encode(),
    }
    return pa.field("image", lists.type, metadata=metadata), lists


def check(source: object, stack: np.ndarray[Any, Any] = STACK, **options: Any) -> list[str]:
    found = read(open_source(source, **options))
    assert {mask.dtype for mask in found.values()} == {stack.dtype}
    np.testing.assert_array_equal(np.stack(list(found.values())), stack)
    return list(found)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "bool"])
def test_tensor_column_of_every_dtype(dtype: str) -> None:
    stack = (STACK > 0.5 if dtype == "bool" else STACK * 200).astype(dtype)
    table = pa.table({"id": range(6), "map": tensors(stack)})
    assert check(table, stack) == list("012345")
    assert check(table.slice(2, 3), stack[2:5]) == list("012")


def test_transposed_tensor() -> None:
    type_ = pa.fixed_shape_tensor(pa.float32(), (4, 3), permutation=[1, 0])
    turned = np.ascontiguousarray(STACK.transpose(0, 2, 1)).reshape(6, 12)
    flat = pa.FixedSizeListArray.from_arrays(pa.array(turned.ravel()), 12)
    check(pa.table({"map": pa.ExtensionArray.from_storage(type_, flat)}))


@pytest.mark.parametrize("suffix", ["parquet", "feather", "arrow", "stream.arrow"])
def test_files(tmp_path: Path, suffix: str) -> None:
    field, lists = ray_like(STACK)
    native = pa.field("map", tensors(STACK).type)
    schema = pa.schema([native, field, pa.field("name", pa.string())])
    table = pa.table([tensors(STACK), lists, pa.array(list("abcdef"))], schema=schema)
    path = tmp_path / f"maps.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, path, row_group_size=2)
    elif suffix == "feather":
        feather.write_feather(table, str(path))
    else:
        writer = pa.ipc.new_stream if suffix.startswith("stream") else pa.ipc.new_file
        with writer(path, table.schema) as out:
            out.write_table(table, max_chunksize=4)
    for column in ("map", "image"):
        assert check(str(tmp_path), column=column)[-1] == f"maps.{suffix}#5"
    assert check(str(path), column="image", key="name") == list("abcdef")
    batches = list(open_source(str(path), column="map", key="name").batches({"a", "c"}))
    for batch in batches:
        assert batch.rows is not None
        assert batch.rows.column("name").to_pylist() == batch.keys
    assert [key for batch in batches for key in batch.keys] == list("bdef")
    assert open_source(str(path)).expected() == (6 if suffix == "parquet" else None)
    with pytest.raises(DataError, match="which column holds the masks"):
        read(open_source(str(path)))


def test_nested_lists_of_several_sizes() -> None:
    masks = [STACK[0], STACK[1, :2], STACK[2, :, :1]]
    column = pa.array([mask.tolist() for mask in masks], pa.list_(pa.list_(pa.float32())))
    found = read(open_source(pa.table({"n": [1, 2, 3], "map": column})))
    for mask, want in zip(found.values(), masks, strict=True):
        np.testing.assert_array_equal(mask, want)


def test_flat_lists_with_a_shape() -> None:
    flat = pa.FixedSizeListArray.from_arrays(pa.array(STACK.ravel()), 12)
    check(pa.table({"mask": flat}), shape=(3, 4))
    declared = pa.field("mask", flat.type, metadata={"shape": "[3, 4]"})
    check(pa.table([flat], schema=pa.schema([declared])))
    check(pa.table({"mask": flat, "height": [3] * 6, "width": [4] * 6}))
    check(pa.table({"mask": flat, "mask_shape": [[3, 4]] * 6}))
    with pytest.raises(DataError, match="'mask': flat lists of pixels; give their shape"):
        check(pa.table({"mask": flat}))
    with pytest.raises(DataError, match="row 0 has 12 values for shape \\(3, 5\\)"):
        check(pa.table({"mask": flat}), shape=(3, 5))
    with pytest.raises(DataError, match="row 0 has 12 values for shape \\(-3, -4\\)"):
        check(pa.table({"mask": flat, "mask_shape": [[-3, -4]] * 6}))


def test_variable_shapes_in_a_struct() -> None:
    masks = [STACK[0], STACK[1, :2]]
    column = pa.array(
        [{"data": mask.ravel().tolist(), "shape": list(mask.shape)} for mask in masks],
        pa.struct([("data", pa.large_list(pa.float32())), ("shape", pa.list_(pa.int64()))]),
    )
    found = read(open_source(pa.table({"mask": column})))
    assert [mask.shape for mask in found.values()] == [(3, 4), (2, 4)]
    np.testing.assert_array_equal(found["1"], masks[1])


def test_lists_that_differ_but_add_up_are_refused() -> None:
    column = pa.array([[1.0] * 3, [1.0] * 5], pa.list_(pa.float32()))
    with pytest.raises(DataError, match="row 0 has 3 values"):
        read(open_source(pa.table({"mask": column}), shape=(2, 2)))


LINES = pa.list_(pa.list_(pa.float32()))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([[[1.0]], None], LINES), "no mask in row 1"),
        (pa.array([[[1.0, 2.0], [1.0]]], LINES), "the lines of row 0 differ"),
        (pa.array([[[1.0, None]]], LINES), "a pixel is null"),
        (pa.array([[[1.0], None]], LINES), "a missing line"),
        (pa.array([[["a"]]]), "are no pixels"),
        (pa.array(["a"]), "are no masks"),
        (pa.array([[[[1.0]]]]), "three deep"),
    ],
)
def test_what_is_no_mask(column: pa.Array, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read(open_source(pa.table({"mask": column})))


def test_missing_and_double_columns() -> None:
    table = pa.table({"mask": tensors(STACK), "name": [*list("abcde"), None]})
    with pytest.raises(DataError, match="no one column 'maps'; there are 'mask', 'name'"):
        read(open_source(table, column="maps"))
    with pytest.raises(DataError, match="'name': no key in row 5"):
        read(open_source(table, key="name"))
    with pytest.raises(DataError, match="no one column 'id'"):
        read(open_source(table, key="id"))


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table({"mask": tensors(STACK)}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"m\.parquet: unreadable or truncated"):
        read(open_source(str(path)))


class Batches:
    """Something with ``iter_batches`` that knows nothing of Arrow."""

    def iter_batches(self, batch_size: int = 4) -> Iterator[dict[str, Any]]:
        for start in range(0, 6, batch_size):
            rows = slice(start, min(start + batch_size, 6))
            yield {
                "map": STACK[rows],
                "box": np.arange(24).reshape(6, 4)[rows],
                "name": np.array(list("abcdef"))[rows],
            }


def test_batches_of_arrays() -> None:
    assert check(Batches(), key="name") == list("abcdef")
    source = open_source(Batches())
    assert not source.stable
    (batch,) = source.batches()
    assert batch.rows is not None
    assert batch.rows.column("box").to_pylist()[1] == [4, 5, 6, 7]


def test_a_parquet_file_object_has_batches_too(tmp_path: Path) -> None:
    pq.write_table(pa.table({"mask": tensors(STACK)}), tmp_path / "m.parquet")
    with pq.ParquetFile(tmp_path / "m.parquet") as file:
        check(file)


def test_arrays_and_iterables() -> None:
    assert check(STACK) == list("012345")
    check(list(STACK))
    check(mask for mask in STACK)
    assert list(read(open_source(iter(STACK)), {"0", "4"})) == ["1", "2", "3", "5"]
    assert open_source(STACK).expected() == 6
    assert open_source(iter(STACK)).expected() is None
    with pytest.raises(DataError, match="shape"):
        open_source(STACK[0])
    with pytest.raises(DataError, match="int is no source"):
        open_source(3)


@pytest.mark.ray
def test_ray_dataset(ray_instance: None) -> None:
    import ray

    table = pa.table({"name": list("abcdef"), "map": tensors(STACK)})
    assert sorted(check(ray.data.from_arrow(table), key="name")) == list("abcdef")
    same = [{"name": str(i), "map": mask} for i, mask in enumerate(STACK)]
    ragged = [{"name": f"r{i}", "map": STACK[i, : i % 2 + 1]} for i in range(6)]
    found = read(open_source(ray.data.from_items(same), key="name"))
    found.update(read(open_source(ray.data.from_items(ragged), key="name")))
    for i in range(6):
        np.testing.assert_array_equal(found[str(i)], STACK[i])
        np.testing.assert_array_equal(found[f"r{i}"], STACK[i, : i % 2 + 1])
