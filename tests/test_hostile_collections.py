"""Collections written by somebody who means harm: refused, and nothing outside them is touched."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import masksearch_ray as ms
from masksearch_ray.collection.sealed import seal, unseal
from masksearch_ray.collection.segment import object_entry
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.errors import DamagedError
from masksearch_ray.storage import LocalStorage, WrappedStorage

NAME = "0" * 32
KEYS = [
    *("../../etc/passwd", "..", ".", "", "/etc/passwd", "a/../../b", "a//b", "a\0b", "\udc80"),
    *(
        "%2e%2e/x",
        "s3://other/bucket",
        "C:\\windows",
        f"../{NAME}",
        NAME + "/..",
        NAME.upper() + "A",
    ),
    *(7, None),
]
PLACES = [
    *("uuid", "segments/0/id", "segments/0/deletes/name", "segments/0/objects/*"),
    *("ingests/*", "ingests/0"),
]


class Watched(WrappedStorage):
    """Notes which keys are asked for."""

    def __init__(self, folder: str) -> None:
        super().__init__(LocalStorage(folder))
        self.keys: set[str] = set()

    def _around(self, operation: str, key: str, call: Any) -> Any:
        self.keys.add(key)
        return call()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "masks"
    with ms.create(folder) as collection:
        collection.append(np.zeros((4, 8, 8), np.uint8))
        collection.delete("mask_id = 1")
    return folder


def spoil(record: dict[str, Any], place: str, value: Any) -> None:
    """Have a manifest name something else."""
    text, (segment,) = str(value), record["segments"]
    match place:
        case "uuid":
            record["uuid"] = value
        case "segments/0/id":
            segment["id"] = value
        case "segments/0/deletes/name":
            segment["deletes"]["name"] = value
        case "segments/0/objects/*":
            segment["objects"][text] = {"size": 1, "crc32c": 2}
        case "ingests/*":
            record["ingests"] = {text: []}
        case "ingests/0":
            record["ingests"] = {NAME: [value]}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", KEYS, ids=ascii)
def test_a_manifest_that_names_other_places_is_refused(
    folder: Path, tmp_path: Path, place: str, value: Any
) -> None:
    newest = max((folder / "manifests").iterdir())
    record = unseal(newest.read_bytes(), "here")
    spoil(record, place, value)
    there = tmp_path / "manifests"
    there.mkdir()
    (there / newest.name).write_bytes(seal(record))
    storage = Watched(str(tmp_path))
    with pytest.raises(DamagedError) as caught:
        open_manifest(storage)
    assert caught.value.object == str(there / newest.name)
    assert storage.keys <= {"manifests/", f"manifests/{newest.name}"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("__source", "../../secret.npy"),
        ("__source", "/secret.npy"),
        ("__source", "a/../../secret.npy"),
        ("__source", ""),
        ("__source", "./x.npy"),
        ("__root", ""),
        ("__root", "gopher://x"),
        ("__root", "http://169.254.169.254/latest"),
    ],
)
def test_rows_that_name_other_places_are_refused(tmp_path: Path, column: str, value: str) -> None:
    """Checksums do not help: whoever writes the rows writes those too."""
    masks = tmp_path / "sources" / "masks"
    masks.mkdir(parents=True)
    np.save(tmp_path / "sources" / "secret.npy", np.zeros((8, 8), np.uint8))
    np.save(masks / "a.npy", np.zeros((8, 8), np.uint8))
    url = tmp_path / "collection"
    with ms.create(url) as collection:
        collection.register(str(masks))
    rewrite(url, column, value)
    with ms.open(url) as collection, pytest.raises(DamagedError) as caught:
        collection.sql(
            "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.1, 0.2)) > 3"
        ).to_pylist()
    assert caught.value.object.endswith("rows.parquet")
    assert "names a mask that cannot be" in str(caught.value)


def rewrite(url: Path, column: str, value: str) -> None:
    """Change what the rows say of the only segment, and all checksums with it."""
    (entry,) = open_manifest(LocalStorage(str(url))).segments
    rows = url / "segments" / entry.id / "rows.parquet"
    table = pq.read_table(rows)
    where = table.column_names.index(column)
    table = table.set_column(where, column, pa.array([value] * table.num_rows))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    rows.write_bytes(sink.getvalue())
    newest = max((url / "manifests").iterdir())
    record = unseal(newest.read_bytes(), "here")
    found = object_entry([sink.getvalue()])
    record["segments"][0]["objects"]["rows.parquet"] = {"size": found.size, "crc32c": found.crc32c}
    newest.write_bytes(seal(record))
