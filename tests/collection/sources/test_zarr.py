"""Masks in Zarr arrays of both formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr

from masksearch_ray.collection.sources import open_source
from masksearch_ray.errors import DataError
from masksearch_ray.storage import MemoryStorage
from tests.collection.sources.test_files import read

STACK = np.random.default_rng(3).integers(0, 256, (10, 7, 9), dtype=np.uint8)


def write(
    url: Path, array: np.ndarray[Any, Any], version: Literal[2, 3], **options: Any
) -> zarr.Array[Any]:
    found = zarr.create_array(
        str(url), shape=array.shape, dtype=array.dtype, zarr_format=version, **options
    )
    found[...] = array
    return found


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "bool"])
def test_both_formats_and_every_dtype(tmp_path: Path, version: Literal[2, 3], dtype: str) -> None:
    array = (STACK > 9 if dtype == "bool" else STACK).astype(dtype)
    write(tmp_path / "maps.zarr", array, version, chunks=(3, 4, 4))
    source = open_source(str(tmp_path / "maps.zarr"))
    assert source.expected() == 10
    found = read(source, {"maps.zarr#3"})
    assert list(found) == [f"maps.zarr#{i}" for i in range(10) if i != 3]
    assert found["maps.zarr#4"].dtype == dtype
    np.testing.assert_array_equal(np.stack(list(found.values())), np.delete(array, 3, 0))


def test_shards(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", STACK, 3, chunks=(1, 7, 9), shards=(4, 7, 9))
    found = read(open_source(str(tmp_path / "s.zarr")))
    np.testing.assert_array_equal(np.stack(list(found.values())), STACK)


@pytest.mark.parametrize("version", [2, 3])
def test_an_array_in_a_group(tmp_path: Path, version: Literal[2, 3]) -> None:
    group = zarr.create_group(str(tmp_path / "g.zarr"), zarr_format=version)
    group.create_array("maps", shape=(2, 3, 4), dtype="uint8")
    assert open_source(str(tmp_path / "g.zarr")).expected() == 2
    group.create_array("other", shape=(3, 3, 4), dtype="uint8")
    with pytest.raises(DataError, match="name one of its arrays: maps, other"):
        open_source(str(tmp_path / "g.zarr")).expected()
    assert open_source(str(tmp_path / "g.zarr"), column="other").expected() == 3
    assert open_source(str(tmp_path / "g.zarr" / "other")).expected() == 3


def test_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "z", STACK, 3, chunks=(4, 7, 9))
    storage = MemoryStorage("memory://zarr-source/z")
    for path in (tmp_path / "z").rglob("*"):
        if path.is_file():
            storage.put(path.relative_to(tmp_path / "z").as_posix(), path.read_bytes())
    found = read(open_source("memory://zarr-source/z"))
    np.testing.assert_array_equal(np.stack(list(found.values())), STACK)


def test_wrong_rank(tmp_path: Path) -> None:
    write(tmp_path / "flat", STACK[0], 3)
    with pytest.raises(DataError, match=r"flat: shape \(7, 9\); \(N, height, width\) wanted"):
        open_source(str(tmp_path / "flat")).expected()


def test_a_truncated_chunk_is_named(tmp_path: Path) -> None:
    write(tmp_path / "z", STACK, 3, chunks=(5, 7, 9))
    chunk = tmp_path / "z" / "c" / "1" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-20])
    with pytest.raises(DataError, match="z: masks 0 to 9 are unreadable"):
        read(open_source(str(tmp_path / "z")))


def test_damaged_metadata(tmp_path: Path) -> None:
    write(tmp_path / "z", STACK, 3)
    (tmp_path / "z" / "zarr.json").write_text('{"zarr_format": 3, "node_type": "array"}')
    with pytest.raises(DataError, match="z: no readable Zarr array"):
        read(open_source(str(tmp_path / "z")))


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_no_codec_that_unpickles_is_run(tmp_path: Path, place: str) -> None:
    write(tmp_path / "z", STACK, 2)
    header = tmp_path / "z" / ".zarray"
    record = json.loads(header.read_text())
    codec = {"id": "pickle", "protocol": 5}
    record[place] = [codec] if place == "filters" else codec
    header.write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"unpickled|no readable Zarr array"):
        read(open_source(str(tmp_path / "z")))
