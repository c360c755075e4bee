"""The Python API, as the guide describes it: creating, asking, fetching."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from tests.session.api import CP, MASKS, ROWS, VALUES, col, counts, url, within

__all__ = ["col", "url"]

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


@pytest.mark.parametrize("ask", ["count_bounds", "explain", "histogram"])
def test_what_is_no_query_ends_in_time_too(url: str, col: ms.Collection, ask: str) -> None:
    text = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.3, 0.75)) > 9"
    given = () if ask == "histogram" else (text,)
    with ms.open(url, LocalRuntime(2)) as opened:
        with pytest.raises(ms.QueryTimeoutError, match="time limit of 1e-09 s"):
            getattr(opened, ask)(*given, timeout=1e-9)
        # Nothing of it stays behind.
        timely, unhurried = (getattr(opened, ask)(*given, timeout=t) for t in (60, None))
    assert np.array_equal(timely[1], unhurried[1])


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
