"""Ingesting: what becomes of the masks, what is refused, and what is continued."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from masksearch_ray.collection import (
    CollectionReader,
    Limits,
    Manifest,
    create_collection,
    open_manifest,
)
from masksearch_ray.collection.commit import commit
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.collection.journal import list_journals
from masksearch_ray.collection.metadata import RowOptions
from masksearch_ray.collection.vacuum import vacuum
from masksearch_ray.errors import ConflictError, DamagedError, DataError, InputError, NotFoundError
from masksearch_ray.model.progress import ProgressStep
from masksearch_ray.storage import MemoryStorage, Storage

_numbers = itertools.count()
SMALL = Limits(rows=4)


@pytest.fixture
def storage() -> MemoryStorage:
    """Give an empty collection in memory."""
    found = MemoryStorage(f"memory://ingest-{next(_numbers)}")
    create_collection(found)
    return found


def mask_of(number: int, side: int = 9) -> np.ndarray[Any, Any]:
    return np.random.default_rng(number).integers(0, 256, (side, 11), dtype=np.uint8)


def write_masks(folder: Path, count: int, first: int = 0) -> str:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        np.save(folder / f"{number:03}.npy", mask_of(number))
    return str(folder)


def rows_of(storage: Storage) -> dict[str, list[Any]]:
    """All columns of a collection, and its masks under ``pixels``."""
    manifest = open_manifest(storage)
    reader = CollectionReader(storage, manifest)
    columns: dict[str, list[Any]] = {}
    for segment in reader.segments():
        names = ["mask_id", *manifest.schema.names]
        for name, values in segment.metadata(names).to_pydict().items():
            columns.setdefault(name, []).extend(values)
        columns.setdefault("pixels", []).extend(segment.masks(range(segment.entry.rows)))
    return columns


def assert_each_once(storage: Storage, count: int) -> None:
    rows = rows_of(storage)
    assert rows["image_id"] == [f"{number:03}" for number in range(count)]
    assert rows["mask_id"] == list(range(count))
    for number, mask in enumerate(rows["pixels"]):
        np.testing.assert_array_equal(mask, mask_of(number))


@pytest.mark.smoke
def test_a_folder_with_metadata(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 10)
    meta = {
        "file": [f"{n:03}.jpg" for n in range(10)],
        "label": list(range(10)),
        "x0": [1] * 10, "y0": [0] * 10, "x1": [5] * 9 + [12], "y1": [9] * 10,
    }  # fmt: skip
    options = RowOptions(
        [pa.table(meta)], boxes={"object_box": ("x0", "y0", "x1", "y1")}, columns={"model_id": 1}
    )
    steps: list[ProgressStep] = []

    def keep(step: ProgressStep) -> None:
        steps.append(step)

    report = ingest(storage, url, rows=options, progress=keep, limits=SMALL)
    assert (report.rows, report.skipped, report.resumed, report.version) == (10, 0, 0, 2)
    assert report.raw_bytes == 10 * 99
    assert report.stored_bytes == report.sizes.stored > 0
    assert report.index_share == report.sizes.index / report.sizes.pixels > 0
    assert report.boxes_beyond == {"object_box": 1}
    assert report.seconds > 0
    assert steps[-1] == ProgressStep("ingest", 10, 10, 990)
    assert_each_once(storage, 10)
    rows = rows_of(storage)
    assert rows["label"] == list(range(10))
    assert rows["model_id"] == [1] * 10
    assert rows["object_box"][9] == [1, 0, 12, 9]


def test_a_second_run_adds_only_what_is_new(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 5)
    assert ingest(storage, url, limits=SMALL).rows == 5
    report = ingest(storage, url, limits=SMALL)
    assert (report.rows, report.skipped, report.version) == (0, 5, 2)
    write_masks(tmp_path / "maps", 6, first=5)
    report = ingest(storage, url, limits=SMALL)
    assert (report.rows, report.skipped, report.version) == (6, 5, 3)
    assert_each_once(storage, 11)
    other = ingest(storage, url, rows=RowOptions(columns={"model_id": 2}))
    assert other.rows == 11


def test_what_is_deleted_is_not_added_again(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 5)
    ingest(storage, url, limits=SMALL)
    commit(storage, _Becomes(replace(open_manifest(storage), segments=())))
    assert ingest(storage, url).rows == 0
    assert len(CollectionReader(storage, open_manifest(storage))) == 0


class _Becomes:
    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def rebase(self, latest: Manifest) -> Manifest | None:
        return self.manifest


def test_a_bad_file_leaves_the_collection_and_the_work_done(
    storage: MemoryStorage, tmp_path: Path
) -> None:
    url = write_masks(tmp_path / "maps", 300)
    bad = tmp_path / "maps" / "280.npy"
    good = bad.read_bytes()
    bad.write_bytes(good[:-1])
    with pytest.raises(DataError, match=r"maps/280\.npy: truncated"):
        ingest(storage, url, limits=Limits(rows=100))
    assert open_manifest(storage).version == 1
    bad.write_bytes(good)
    report = ingest(storage, url, limits=Limits(rows=100))
    assert (report.rows, report.resumed) == (300, 200)
    assert_each_once(storage, 300)


def test_interrupted_by_hand(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 300)

    def interrupt(step: ProgressStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(storage, url, limits=SMALL, progress=interrupt)
    assert open_manifest(storage).version == 1
    report = ingest(storage, url, limits=SMALL)
    assert (report.rows, report.resumed) == (300, 256)
    assert_each_once(storage, 300)


def test_rows_of_other_metadata_are_made_again(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 300)
    meta = tmp_path / "meta.csv"

    def run(shift: int, **options: Any) -> Any:
        lines = [f"{n:03},{n + shift}" for n in range(300)]
        meta.write_text("\n".join(["file,label", *lines]))
        return ingest(storage, url, rows=RowOptions([str(meta)]), limits=SMALL, **options)

    def interrupt(step: ProgressStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(0, progress=interrupt)
    report = run(1000)
    assert (report.rows, report.resumed) == (300, 0)
    assert rows_of(storage)["label"] == list(range(1000, 1300))


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.full((9, 11), np.nan, np.float32), r"mask 001\.npy: pixel \(x=0, y=0\) is nan"),
        (np.full((9, 11), np.inf, np.float32), r"mask 001\.npy: .* is inf, outside"),
        (np.full((9, 11), 1.5, np.float16), r"mask 001\.npy: .* is 1\.5, outside"),
        (np.zeros((9, 11)), r"mask 001\.npy has dtype float64; to round it say dtype="),
        (np.zeros((9, 11), np.int32), r"mask 001\.npy has dtype int32; accepted are uint8"),
        (np.zeros((0, 11), np.uint8), r"mask 001\.npy is empty: 0 x 11 pixels"),
        (np.zeros(11, np.uint8), r"001\.npy: an array of shape \(11,\)"),
        (np.zeros((9, 11), "u1,f4"), r"001\.npy: not a \.npy file of a plain array"),
    ],
)
def test_bad_masks_are_named(
    storage: MemoryStorage, tmp_path: Path, mask: np.ndarray[Any, Any], words: str
) -> None:
    url = write_masks(tmp_path / "maps", 3)
    np.save(tmp_path / "maps" / "001.npy", mask)
    with pytest.raises(DataError, match=words):
        ingest(storage, url)
    assert open_manifest(storage).version == 1
    assert list(storage.list("segments/")) == []


def test_floats_are_rounded_on_request(storage: MemoryStorage) -> None:
    masks = np.random.default_rng(1).random((3, 5, 6))
    assert ingest(storage, masks, dtype="float32").rows == 3
    np.testing.assert_array_equal(rows_of(storage)["pixels"], masks.astype(np.float32))
    with pytest.raises(DataError, match=r"mask 1: .* is inf"):
        ingest(storage, np.array([[[0.0]], [[1e300]]]), dtype="float32")
    with pytest.raises(InputError, match="dtype 'int8': one of float16, float32"):
        ingest(storage, masks, dtype="int8")


def test_boxes_and_ids_that_cannot_be(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 3)
    names = [f"{n:03}" for n in range(3)]

    def run(**columns: Any) -> None:
        boxes = {"b": "box"} if "box" in columns else {}
        ingest(storage, url, rows=RowOptions([{"file": names, **columns}], boxes=boxes))

    with pytest.raises(DataError, match=r"001\.npy: box \(3, 0, 2, 1\): x1 < x0"):
        run(box=[[0, 0, 1, 1], [3, 0, 2, 1], None])
    with pytest.raises(DataError, match="mask_id 7 is given twice"):
        run(mask_id=[7, 8, 7])
    run(mask_id=[7, 8, 9])
    write_masks(tmp_path / "more", 1)
    with pytest.raises(DataError, match="mask_id 8 is in the collection already"):
        ingest(storage, str(tmp_path / "more"), rows=RowOptions(columns={"mask_id": 8}))
    with pytest.raises(DataError, match="no row for 1 of 4 files"):
        write_masks(tmp_path / "maps", 1, first=3)
        run(label=[1, 2, 3])
    with pytest.raises(DataError, match="column 'image_id' holds string"):
        ingest(storage, str(tmp_path / "more"), rows=RowOptions(columns={"image_id": 8}))
    assert open_manifest(storage).version == 2
    assert rows_of(storage)["mask_id"] == [7, 8, 9]


def test_sources_without_a_url(storage: MemoryStorage) -> None:
    masks = np.stack([mask_of(number) for number in range(10)])
    assert ingest(storage, masks, limits=SMALL).rows == 10
    assert ingest(storage, iter(masks), limits=SMALL).rows == 10
    assert list(storage.list("ingests/")) == []
    with pytest.raises(DataError, match="mask 2 has 1 dimensions"):
        ingest(storage, [*masks[:2], masks[2, 0]], limits=Limits(rows=2))
    named = {info.key.split("/")[1] for info in storage.list("segments/")}
    assert named == {entry.id for entry in open_manifest(storage).segments}


def test_a_name_makes_an_ingest_resumable(storage: MemoryStorage) -> None:
    masks = np.stack([mask_of(number) for number in range(10)])
    rows = RowOptions([{"key": [str(n) for n in range(10)], "label": list(range(10))}])
    assert ingest(storage, masks[:6], rows=rows, name="trial").rows == 6
    report = ingest(storage, masks, rows=rows, name="trial")
    assert (report.rows, report.skipped) == (4, 6)
    assert rows_of(storage)["label"] == list(range(10))


def test_a_table_with_its_rows_and_a_data_set_without_order(storage: MemoryStorage) -> None:
    masks = np.stack([mask_of(number) for number in range(10)])
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(masks)
    table = pa.table({"image_id": [f"{n:03}" for n in range(10)], "mask": column})

    class DataSet:
        def iter_batches(self, batch_size: int) -> Any:
            return iter(table.to_batches(max_chunksize=3))

    with pytest.raises(InputError, match="name a key column"):
        ingest(storage, DataSet(), name="trial")
    assert ingest(storage, DataSet(), key="image_id", name="trial", limits=SMALL).rows == 10
    assert ingest(storage, table, key="image_id", name="trial").rows == 0
    assert_each_once(storage, 10)


def test_two_masks_of_one_name(storage: MemoryStorage) -> None:
    masks = np.stack([mask_of(number) for number in range(3)])
    column = pa.FixedShapeTensorArray.from_numpy_ndarray(masks)
    table = pa.table({"nr": ["a", "b", "a"], "mask": column})
    with pytest.raises(DataError, match=r"more than one mask is called a$"):
        ingest(storage, table, key="nr")


def test_a_quicker_run_of_the_same_ingest(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 10)

    def overtake(step: ProgressStep) -> None:
        assert ingest(storage, url, limits=SMALL).rows == 10

    with pytest.raises(ConflictError, match="another run of this ingest was quicker"):
        ingest(storage, url, limits=SMALL, progress=overtake)
    assert ingest(storage, url).rows == 0
    assert_each_once(storage, 10)


def test_two_runs_that_were_both_killed_leave_each_mask_once(
    storage: MemoryStorage, tmp_path: Path
) -> None:
    url = write_masks(tmp_path / "maps", 300)

    def interrupt(step: ProgressStep) -> None:
        raise KeyboardInterrupt

    def overtake(step: ProgressStep) -> None:
        with pytest.raises(KeyboardInterrupt):
            ingest(storage, url, limits=Limits(rows=7), progress=interrupt)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(storage, url, limits=Limits(rows=50), progress=overtake)
    report = ingest(storage, url, limits=SMALL)
    assert report.rows == 300
    assert 0 < report.resumed <= 300
    assert sorted(rows_of(storage)["image_id"]) == [f"{number:03}" for number in range(300)]


def test_journal_shows_what_must_be_kept(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 10)
    ingest(storage, url, limits=SMALL)
    (journal,) = list_journals(storage)
    manifest = open_manifest(storage)
    assert list(journal.segments) == sorted(manifest.ingests[journal.ingest])
    assert {entry.id for entry in manifest.segments} == set(journal.segments)
    assert any(key.endswith("/heartbeat") for key in journal.keys)
    assert journal.modified == max(info.modified for info in storage.list("ingests/"))


def test_vacuum_spares_what_a_later_run_needs(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 300)

    def interrupt(step: ProgressStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(storage, url, limits=Limits(rows=64), progress=interrupt)
    vacuum(storage)
    assert ingest(storage, url, limits=Limits(rows=64)).resumed == 256
    vacuum(storage, keep_versions=1, older_than=0)
    assert ingest(storage, url).rows == 0
    assert_each_once(storage, 300)


def test_after_the_grace_vacuum_takes_what_was_never_committed(
    storage: MemoryStorage, tmp_path: Path
) -> None:
    url = write_masks(tmp_path / "maps", 300)

    def interrupt(step: ProgressStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(storage, url, limits=Limits(rows=64), progress=interrupt)
    vacuum(storage, older_than=0)
    assert [info.key.split("/")[0] for info in storage.list()] == ["manifests"]
    report = ingest(storage, url, limits=Limits(rows=64))
    assert (report.rows, report.resumed) == (300, 0)


def test_a_damaged_or_lost_record_is_named(storage: MemoryStorage, tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", 5)
    ingest(storage, url, limits=SMALL)
    (journal,) = list_journals(storage)
    key = next(iter(journal.segments.values()))
    data = storage.get(key)
    storage.put(key, data.replace(b'"keys":["', b'"keys":["x'))
    with pytest.raises(DamagedError, match=key):
        ingest(storage, url)
    storage.delete(key)
    with pytest.raises(NotFoundError, match=key):
        ingest(storage, url)
    storage.put(key, data)
    assert ingest(storage, url).rows == 0


def test_pending_segments_that_vanished_are_made_again(
    storage: MemoryStorage, tmp_path: Path
) -> None:
    url = write_masks(tmp_path / "maps", 300)

    def interrupt(step: ProgressStep) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(storage, url, limits=Limits(rows=64), progress=interrupt)
    first = next(iter(storage.list("segments/"))).key
    storage.delete(first)
    report = ingest(storage, url, limits=Limits(rows=64))
    assert (report.rows, report.resumed) == (300, 192)
    assert sorted(rows_of(storage)["image_id"]) == [f"{number:03}" for number in range(300)]
