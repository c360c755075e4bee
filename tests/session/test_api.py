"""The Python API, as the guide describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.storage import open_storage
from tests.session.held import smooth

MASKS = smooth(12, 24, 30)
VALUES = MASKS / 255
ROWS: dict[str, Any] = {
    "mask_id": list(range(100, 112)),
    "label": ["cat", "dog", None] * 4,
    "object_box": [[2, 2, 20, 20], [5, 1, 29, 23], [0, 0, 3, 3]] * 4,
}
CP = "CP(mask, {}, (0.31, 0.77))"


def within(x0: int, y0: int, x1: int, y1: int) -> list[int]:
    inside = VALUES[:, y0:y1, x0:x1]
    found: list[int] = ((inside >= 0.31) & (inside < 0.77)).sum(axis=(1, 2)).tolist()
    return found


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return f"memory://{request.node.name}"


@pytest.fixture
def col(url: str) -> ms.Collection:
    col = ms.create(url)
    col.append(MASKS, ROWS)
    return col


def counts(col: ms.Collection, region: str, **given: Any) -> list[int]:
    found: list[int] = (
        col.sql(f"SELECT {CP.format(region)} AS n FROM masks", **given).table["n"].to_pylist()
    )
    return found


# ------------------------------------------------------------------ creating and opening


@pytest.mark.parametrize("form", ["path", "text", "file url", "memory url"])
def test_where_a_collection_may_lie(form: str, tmp_path: Path, url: str) -> None:
    folder = tmp_path / "deep er" / "masks"
    where: Any = {
        "path": folder,
        "text": str(folder),
        "file url": f"file://{folder}",
        "memory url": url,
    }[form]
    made = ms.create(where)
    made.append(MASKS, ROWS)
    with ms.open(where) as opened:
        assert counts(opened, "object_box") == counts(made, "object_box")
        assert len(opened) == 12 and opened.version == made.version == 2
        name = opened.url.rstrip("/").rsplit("/", 1)[-1]
        assert opened.sql(f'SELECT COUNT(*) AS n FROM "{name}"').to_pylist() == [{"n": 12}]


def test_creating_twice(url: str, col: ms.Collection) -> None:
    with pytest.raises(ms.CollectionError):
        ms.create(url)
    assert len(ms.open(url)) == 12


@pytest.mark.parametrize("where", ["memory://nobody", "/nowhere/at/all"])
def test_opening_what_is_not_there(where: str) -> None:
    with pytest.raises(ms.CollectionError):
        ms.open(where)


def test_opening_with_nonsense(url: str, col: ms.Collection) -> None:
    with pytest.raises(ms.InputError, match="'local' and 'ray'"):
        ms.open(url, runtime="spark")
    with pytest.raises(ms.InputError, match="Ray runtime only"):
        ms.open(url, address="auto")
    for version in (0, 3, 99, -1):
        with pytest.raises(ms.CollectionError):
            ms.open(url, version=version)
    with pytest.raises(ms.InputError):
        ms.open("ftp://host/masks")


@pytest.mark.parametrize(
    "given",
    [
        {"nan": "maybe"},
        {"cell": 0},
        {"cell": -3},
        {"bins": 0},
        {"rois": [(1, 2, 3)]},
        {"rois": ["box(1, 2"]},
        {"domain": (1.0, 0.0)},
    ],
)
def test_creating_with_nonsense(url: str, given: dict[str, Any]) -> None:
    with pytest.raises(ms.InputError):
        ms.create(url, **given)
    with pytest.raises(ms.CollectionError):
        ms.open(url)


def test_settings_are_kept(url: str) -> None:
    ms.create(
        url, domain=(-1, 1), nan="keep", cell=4, bins=[-1, -0.5, 0.25, 1], rois=["object_box"]
    )
    col = ms.open(url)
    assert col.domain == (-1.0, 1.0)
    masks = (VALUES * 2 - 1).astype(np.float32)
    masks[:, 0, 0] = np.nan
    col.append(masks, ROWS)
    edges, held = col.histogram()
    assert edges.tolist() == [-1.0, -0.5, 0.25, 1.0]
    assert held.sum() == MASKS.size - 12
    exact = "SELECT COUNT(*) AS n FROM masks WHERE CP(mask, object_box, (-0.5, 0.25)) > 30"
    assert ms.open(url).sql(exact).stats.tiles_read == 0


def test_nan_is_refused_where_it_is_not_kept(col: ms.Collection) -> None:
    with pytest.raises(ms.DataError, match="nan"):
        col.append(np.full((1, 4, 4), np.nan, np.float32))
    assert len(col) == 12 and col.version == 2


@pytest.mark.parametrize("rois", ["full_image", ["full_image"], (3, 3, 9, 9), [(3, 3, 9, 9)]])
def test_regions_with_histograms(url: str, rois: Any) -> None:
    col = ms.create(url, rois=rois)
    col.append(MASKS, ROWS)
    named = "full_image" if "full_image" in rois else "box(3, 3, 9, 9)"
    other = "box(3, 3, 9, 9)" if named == "full_image" else "full_image"
    text = "SELECT mask_id FROM masks WHERE CP(mask, {}, (0.3, 0.75)) > 10"
    assert "ROI histogram" in col.explain(text.format(named))
    assert "CHI cells" in col.explain(text.format(other))


# ------------------------------------------------------------------ asking


def test_parameters(col: ms.Collection) -> None:
    text = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (:lv, :uv)) > :least"
    expected = [100 + i for i, n in enumerate(within(0, 0, 30, 24)) if n > 100]
    assert 0 < len(expected) < 12
    given: dict[str, Any] = {"lv": 0.31, "uv": 0.77, "least": 100}
    for result in (
        col.sql(text, given),
        col.sql(text, **given),
        col.sql(text, {"lv": 0.31}, uv=0.77, least=100),
        col.sql(text, {"lv": 0.9, "uv": 0.77, "least": 100}, lv=0.31),
    ):
        assert result.table["mask_id"].to_pylist() == expected
    with pytest.raises(ms.QueryError, match=":least"):
        col.sql(text, lv=0.31, uv=0.77)


def test_forms_of_the_default_region(col: ms.Collection) -> None:
    boxes = [within(*box)[i] for i, box in enumerate(ROWS["object_box"])]
    box = within(3, 4, 21, 19)
    for roi in ((3, 4, 21, 19), [3, 4, 21, 19], np.array([3, 4, 21, 19]), "box(3, 4, 21, 19)"):
        assert counts(col, "roi", roi=roi) == box
    for roi in ("object_box", '"object_box"'):
        assert counts(col, "roi", roi=roi) == boxes
    outside = [a - b for a, b in zip(within(0, 0, 30, 24), boxes, strict=True)]
    assert counts(col, "outside(roi)", roi="object_box") == outside
    assert counts(col, "roi", roi="outside(object_box)") == outside
    assert counts(col, "roi", roi="full_image") == within(0, 0, 30, 24)


@pytest.mark.parametrize("roi", [None, (1, 2, 3), "nobody", "roi", "label", 7, ""])
def test_default_regions_that_are_none(col: ms.Collection, roi: Any) -> None:
    with pytest.raises(ms.QueryError):
        col.sql(f"SELECT {CP.format('roi')} AS n FROM masks", roi=roi)


def test_errors_of_queries_are_raised_at_the_call(col: ms.Collection) -> None:
    with pytest.raises(ms.QueryError) as caught:
        col.sql("SELECT mask_id\nFROM masks WHERE lable = 'cat'")
    assert (caught.value.line, caught.value.column) == (2, 18)
    assert "label" in str(caught.value)
    assert isinstance(caught.value, ms.MaskSearchError)


def test_bounds_of_a_count_read_no_pixels(url: str, col: ms.Collection) -> None:
    for least in range(0, 400, 40):
        opened = ms.open(url, LocalRuntime(2))
        text = f"SELECT mask_id FROM masks WHERE {CP.format('box(1, 1, 27, 20)')} > :least"
        surely, possibly = opened.count_bounds(text, least=least)
        exact = sum(n > least for n in within(1, 1, 27, 20))
        assert surely <= exact <= possibly
        held = opened._open_reader().segments()
        assert sum(segment.counter.totals.tiles for segment in held) == 0
    aligned = f"SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.3, 0.75)) > {least}"
    surely, possibly = col.count_bounds(aligned)
    assert surely == possibly == len(col.sql(aligned))


def test_bounds_of_a_count_heed_metadata_and_parameters(col: ms.Collection) -> None:
    text = "SELECT mask_id FROM masks WHERE label = :label AND CP(mask, roi, (0.3, 0.75)) >= 0"
    assert col.count_bounds(text, {"label": "cat"}, roi="full_image") == (4, 4)
    assert col.count_bounds(text, label="cow", roi=(1, 1, 7, 7)) == (0, 0)
    with pytest.raises(ms.QueryError):
        col.count_bounds(text, label="cow")


@pytest.mark.parametrize("bins", [20, 7, 256, [0, 0.2, 0.5, 1]])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
def test_histogram(url: str, bins: Any, dtype: str) -> None:
    col = ms.create(url, bins=bins)
    masks = {"uint8": MASKS, "float32": VALUES.astype(np.float32), "bool": MASKS > 99}[dtype]
    col.append(masks[:7])
    col.append(masks[7:])
    edges, held = col.histogram()
    values = VALUES if dtype == "uint8" else masks.astype(np.float64)
    assert held.dtype == np.int64 and edges.dtype == np.float64
    assert held.tolist() == np.histogram(values, edges)[0].tolist()
    assert len(edges) == (len(bins) if isinstance(bins, list) else bins) + (
        0 if isinstance(bins, list) else 1
    )


def test_explain(col: ms.Collection) -> None:
    text = f"SELECT mask_id FROM masks WHERE {CP.format('roi')} > :least"
    plain = col.explain(text, {"least": 5}, roi="object_box")
    assert plain == col.explain(f"explain {text}", least=5, roi="object_box")
    assert (
        plain.splitlines()
        == col.sql(f"EXPLAIN {text}", least=5, roi="object_box").table["plan"].to_pylist()
    )
    assert "done in" not in plain
    assert "done in" in col.explain(f"EXPLAIN ANALYZE {text}", least=5, roi="object_box")
    assert "no index" in col.explain(text, least=5, roi="object_box", use_index=False)
    with pytest.raises(ms.QueryError):
        col.explain("SELECT nothing")


# ------------------------------------------------------------------ masks


def test_masks_come_in_the_order_asked_for(col: ms.Collection) -> None:
    col.append((VALUES[:2, :5, :6]).astype(np.float16), {"mask_id": [7, 3]})
    found = col.masks([111, 3, 100, 7, 111])
    expected = [MASKS[11], VALUES[1, :5, :6].astype(np.float16), MASKS[0],
                VALUES[0, :5, :6].astype(np.float16), MASKS[11]]  # fmt: skip
    for mask, wanted in zip(found, expected, strict=True):
        assert mask.dtype == wanted.dtype and np.array_equal(mask, wanted)
    assert col.masks([]) == []
    assert [m.shape for m in col.masks(np.array([7, 100]))] == [(5, 6), (24, 30)]
    assert col.masks(col.sql("SELECT mask_id FROM masks").table["mask_id"].to_pylist())


def test_scaled_masks_are_values(url: str) -> None:
    col = ms.create(url, domain=(-1.0, 1.0))
    col.append(MASKS[:1])
    col.append(np.array([[[0, 13107, 65535]]], np.uint16))
    byte, short = col.masks([0, 1], scaled=True)
    assert byte.dtype == short.dtype == np.float64
    assert short.tolist() == [[-1.0, -0.6, 1.0]]
    assert byte[3, 4] == -1 + 2 * (int(MASKS[0, 3, 4]) / 255)


def test_masks_that_are_not_there(col: ms.Collection) -> None:
    with pytest.raises(ms.InputError, match="4"):
        col.masks([100, 4])
    col.delete("mask_id = 100")
    with pytest.raises(ms.InputError, match="100"):
        col.masks([100])


# ------------------------------------------------------------------ changing


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
    pandas = pytest.importorskip("pandas")
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
