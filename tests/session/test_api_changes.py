"""The Python API, as the guide describes it: what changes a collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.storage import open_storage
from tests.session.api import CP, MASKS, ROWS, col, counts, url, within

__all__ = ["col", "url"]


def test_what_is_appended_is_seen_at_once(url: str, col: ms.Collection) -> None:
    other = ms.open(url)
    report = col.append(MASKS[:3], {"label": ["new"] * 3})
    assert report.rows == 3 and report.version == col.version == 3
    assert len(col) == 15
    fresh = col.sql("SELECT mask_id, object_box FROM masks WHERE label = 'new'").table
    assert fresh.to_pydict() == {"mask_id": [112, 113, 114], "object_box": [None] * 3}
    assert len(other) == 12 and other.version == 2
    assert len(other.sql("SELECT mask_id FROM masks")) == 12
    assert other.refresh() is other
    assert len(other) == 15 and len(other.sql("SELECT mask_id FROM masks")) == 15


def test_forms_of_rows(url: str) -> None:
    import pandas

    col = ms.create(url)
    col.append(MASKS[:2], pa.table({"label": ["a", "b"]}))
    col.append(iter(MASKS[2:4]), pandas.DataFrame({"label": ["c", None]}))
    col.append(list(MASKS[4:6]), {"label": ["e", "f"]})
    col.append(MASKS[6:7])
    labels = col.sql("SELECT label FROM masks").table["label"].to_pylist()
    assert labels == ["a", "b", "c", None, "e", "f", None]
    assert col.schema.names == ["mask_id", "label"]


def test_an_older_version_stays_and_cannot_be_changed(url: str, col: ms.Collection) -> None:
    col.append(MASKS[:3])
    col.delete("label = 'cat'")
    with ms.open(url, version=2) as old:
        assert old.version == 2 and len(old) == 12
        assert len(old.sql("SELECT mask_id FROM masks WHERE label = 'cat'")) == 4
        assert old.refresh().version == 2
        for change in (
            lambda: old.append(MASKS[:1]),
            lambda: old.delete("label = 'dog'"),
            lambda: old.compact(),
            lambda: old.vacuum(),
            lambda: old.build_index(),
            lambda: old.ingest(MASKS[:1]),
            lambda: old.register("nowhere"),
        ):
            with pytest.raises(ms.InputError, match="version 2"):
                change()
    assert ms.open(url).version == 4


def test_delete(col: ms.Collection) -> None:
    report = col.delete("label = :label OR mask_id > 109", {"label": "dog"})
    assert report.rows == 5 and report.version == col.version == 3
    left = [100, 102, 103, 105, 106, 108, 109]
    assert col.sql("SELECT mask_id FROM masks").table["mask_id"].to_pylist() == left
    full = within(0, 0, 30, 24)
    assert counts(col, "full_image") == [full[i - 100] for i in left]
    assert col.sql(f"SELECT SUM({CP.format('full_image')}) AS s FROM masks").to_pylist() == [
        {"s": sum(full[i - 100] for i in left)}
    ]
    with pytest.raises(ms.QueryError):
        col.delete(f"{CP.format('full_image')} > 3")
    assert len(col) == 7


def test_compact_and_vacuum_change_no_answer(tmp_path: Path) -> None:
    col = ms.create(tmp_path / "masks", runtime=LocalRuntime(2))
    for start in range(0, 12, 3):
        rows = {name: values[start : start + 3] for name, values in ROWS.items()}
        col.append(MASKS[start : start + 3], rows)
    col.delete("mask_id IN (101, 107)")
    text = f"SELECT mask_id, label, {CP.format('object_box')} AS n FROM masks ORDER BY n, mask_id"
    before = col.sql(text).table
    merged = col.compact()
    assert (merged.merged, merged.written, merged.rows) == (4, 1, 10)
    assert col.sql(text).table.equals(before)
    removed = col.vacuum(keep_versions=1, older_than=0.0)
    assert removed.objects > 0
    assert ms.open(tmp_path / "masks").sql(text).table.equals(before)
    with pytest.raises(ms.CollectionError):
        ms.open(tmp_path / "masks", version=2)


def test_256_bins_read_no_pixel_ever(url: str, col: ms.Collection) -> None:
    box = "box(3, 4, 21, 19)"
    text = f"SELECT mask_id, {CP.format(box)} AS n FROM masks WHERE n > 20 ORDER BY n DESC LIMIT 4"
    assert ms.open(url).sql(text).stats.tiles_read > 0
    built = col.build_index(rois=[(3, 4, 21, 19)], bins=256)
    assert built.built == built.segments == 1
    result = ms.open(url).sql(text)
    assert result.stats.tiles_read == 0 and result.stats.rows_verified == 0
    best = sorted(enumerate(within(3, 4, 21, 19), 100), key=lambda found: (-found[1], found[0]))
    expected = [(i, n) for i, n in best if n > 20][:4]
    assert list(zip(*result.table.to_pydict().values(), strict=True)) == expected
    assert result.table.equals(ms.open(url).sql(text, use_index=False).table)


def test_coarser_bins_for_one_region(url: str) -> None:
    col = ms.create(url, rois=())
    col.append(MASKS, ROWS)
    col.build_index(rois=[(3, 4, 21, 19)], bins=1)
    text = f"SELECT mask_id FROM masks WHERE {CP.format('box(3, 4, 21, 19)')} > 20"
    assert "0 columns" in col.explain(text)
    expected = [100 + i for i, n in enumerate(within(3, 4, 21, 19)) if n > 20]
    assert col.sql(text).table["mask_id"].to_pylist() == expected


def test_a_cache_keeps_the_index_of_what_cannot_be_written(
    tmp_path: Path, monkeypatch: Any
) -> None:
    prefix = tmp_path / "arrays"
    prefix.mkdir()
    for number, mask in enumerate(MASKS):
        np.save(prefix / f"{number:02}.npy", mask)
    where = tmp_path / "masks"
    ms.create(where).register(str(prefix))
    text = f"SELECT mask_id FROM masks WHERE {CP.format('full_image')} > 100"

    def refuse(self: object, key: str, data: object) -> None:
        raise ms.ReadOnlyError("read-only", f"{where}/{key}")

    kind = type(open_storage(str(where)))
    monkeypatch.setattr(kind, "put_if_absent", refuse)
    for _ in range(2):
        result = ms.open(where, cache=tmp_path / "cache").sql(text)
        assert len(result) == sum(n > 100 for n in within(0, 0, 30, 24))
    assert len(list((tmp_path / "cache").rglob("*.arrow"))) == 1
    assert result.stats.bytes_read < MASKS.nbytes
    assert not list(where.rglob("*.arrow"))


def test_closing(url: str, col: ms.Collection) -> None:
    with ms.open(url) as opened:
        first = counts(opened, "full_image")
    opened.close()
    assert "12 masks" in repr(opened)
    # What a closed collection needs is opened again.
    assert counts(opened, "full_image") == first
