"""What cannot be taken: one clear error that says what and where, and a collection as it was."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import masksearch_ray as ms
from masksearch_ray.cli import main
from tests.bad_input import (
    GOOD,
    Refusals,
    first_state,
    made,
    maps,
    refused,
    refuses,
    state,
    takes_more,
)

__all__ = ["made", "maps", "refuses"]  # fixtures

GRAY = (GOOD[0] * 255).astype(np.uint8)


def spoiled(value: float) -> Any:
    masks = GOOD[:2].copy()
    masks[1, 3, 4] = value
    return masks


# ------------------------------------------------------------------------------ masks and rows

MASKS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "NaN": (spoiled(np.nan), ("mask 1", "x=4, y=3", "nan", "rejects")),
    "infinity": (spoiled(np.inf), ("mask 1", "x=4, y=3", "inf", "[0.0, 1.0]")),
    "minus infinity": (spoiled(-np.inf), ("mask 1", "x=4, y=3", "-inf")),
    "above the domain": (spoiled(1.0000001), ("mask 1", "x=4, y=3", "[0.0, 1.0]")),
    "below the domain": (spoiled(-1e-40), ("mask 1", "x=4, y=3", "[0.0, 1.0]")),
    "float64": (GOOD[:1].astype(np.float64), ("mask 0", "float64", "float32")),
    "signed": (np.zeros((1, 4, 4), np.int8), ("mask 0", "int8", "uint8")),
    "objects": (np.full((1, 4, 4), None), ("mask 0", "object")),
    "text": (np.full((1, 4, 4), "x"), ("mask 0", "<U1")),
    "one mask alone": (GOOD[0], ("(N, H, W)", "2 dimensions")),
    "colours": ([np.zeros((4, 4, 3), np.uint8)], ("mask 0", "3 dimensions")),
    "numbers": ([np.uint8(3)], ("mask 0", "0 dimensions")),
    "ragged": ([[[1, 2], [3]]], ("mask 0", "no array")),
    "no lines": ([GOOD[0], GOOD[0][:0]], ("mask 1", "empty", "0 x 24")),
    "no columns": (GOOD[:1, :, :0], ("mask 0", "empty", "20 x 0")),
    "no masks": (None, ("NoneType",)),
    "too many pixels": ([np.broadcast_to(np.uint8(0), (20_000, 20_000))], ("20000 x 20000",)),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_masks(made: Path, name: str) -> None:
    masks, words = MASKS[name]
    with refused(made, ms.DataError, *words):
        ms.open(made).append(masks)


ROWS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "too few": ({"a": [1]}, ("1 rows", "2 masks")),
    "of different length": ({"a": [1, 2], "b": [1]}, ("'a' 2", "'b' 1")),
    "mask_id twice": ({"mask_id": [70, 70]}, ("mask_id 70", "rows 0 and 1")),
    "mask_id taken": ({"mask_id": [70, 3]}, ("mask_id 3", "already")),
    "mask_id missing": ({"mask_id": [70, None]}, ("row 1", "mask_id is missing")),
    "mask_id text": ({"mask_id": ["x", "y"]}, ("mask_id", "string")),
    "mask_id fraction": ({"mask_id": [1.5, 2]}, ("mask_id",)),
    "mask_id huge": ({"mask_id": [2**63, 1]}, ("mask_id",)),
    "x1 < x0": ({"object_box": [(1, 1, 5, 5), (5, 1, 1, 5)]}, ("row 1", "object_box", "x1 < x0")),
    "y1 < y0": ({"object_box": [(1, 5, 5, 1), None]}, ("row 0", "object_box", "y1 < y0")),
    "a box of fractions": ({"object_box": [(1, 1, 5.5, 5)] * 2}, ("object_box", "5.5")),
    "a box of three": ({"object_box": [(1, 1, 5)] * 2}, ("row 0", "object_box", "four")),
    "half a box": ({"object_box": [(1, 1, 5, None)] * 2}, ("row 0", "object_box", "missing")),
    "a box beyond int32": ({"object_box": [(1, 1, 5, 2**40)] * 2}, ("row 0", "int32")),
    "another type": ({"a": ["x", "y"]}, ("column 'a'", "int64", "string")),
    "mixed types": ({"b": ["x", 1]}, ("column 'b'",)),
    "no order": ({"b": {1, 2}}, ("column 'b'", "one value a row")),
    "half a character": ({"b": ["\ud800", "x"]}, ("column 'b'", "surrogates")),
    "a column twice": (pd.DataFrame([[1, 2], [3, 4]], columns=["b", "b"]), ("'b'", "twice")),
    "an Arrow column twice": (pa.table([[1, 2], [3, 4]], ["b", "b"]), ("'b'", "twice")),
    "no table": ("abc", ("rows", "str")),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows(made: Path, name: str) -> None:
    rows, words = ROWS[name]
    with refused(made, ms.DataError, *words):
        ms.open(made).append(GOOD[:2], rows)


def test_the_next_append_works(maps: Path) -> None:
    with ms.open(maps) as col:
        for masks, _ in MASKS.values():
            with pytest.raises(ms.DataError):
                col.append(masks)
        for rows, _ in ROWS.values():
            with pytest.raises(ms.DataError):
                col.append(GOOD[:2], rows)
        takes_more(col)


@pytest.mark.parametrize(
    "name",
    ["", "__block", "a\0b", "a\nb", "\x1b[31mred", "a\u202eb", "\u200b", "\ud800",
     "x" * 1_000_000, 5, None, b"a"],
    ids=lambda name: repr(name)[:20],
)  # fmt: skip
def test_names_of_columns(made: Path, name: Any) -> None:
    with refused(made, ms.DataError, "column name", repr(name)[:20]):
        ms.open(made).append(GOOD[:1], {name: [1]})


def test_odd_names_are_names_like_others(maps: Path) -> None:
    latin, cyrillic = "a\N{COMBINING ACUTE ACCENT}", "\N{CYRILLIC SMALL LETTER A}"
    names = ['"', "'", "a.b", "A", cyrillic, latin, "SELECT", "mask", "a b", ";--", "%s{0}\\"]
    col = ms.open(maps)
    col.append(GOOD[:1], {name: [number] for number, name in enumerate(names)})
    listed = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    found = col.sql(f'SELECT {listed} FROM masks WHERE "{cyrillic}" = 4').table
    assert [column[0].as_py() for column in found.columns] == list(range(len(names)))
    assert found.column_names == names


def test_a_box_beyond_the_mask_is_counted_and_told(maps: Path) -> None:
    col = ms.open(maps)
    boxes = [(-5, -5, 3, 3), (1, 1, 2, 2), (20, 10, 99, 99), (50, 50, 60, 60)]
    report = col.append(GOOD[:4], {"a": [7] * 4, "object_box": boxes})
    assert report.boxes_beyond == {"object_box": 3}
    text = "SELECT area(object_box) AS n, object_box FROM masks WHERE a = 7"
    found = col.sql(text).table
    assert found["n"].to_pylist() == [9, 1, 40, 0]
    assert [tuple(box) for box in found["object_box"].to_pylist()] == boxes


# ------------------------------------------------------------------------------------------ SQL

SQL: dict[str, tuple[str, str]] = {
    "another statement": ("DROP TABLE masks", "DROP"),
    "two statements": ("SELECT mask_id FROM masks; DROP TABLE masks", ";"),
    "a subquery": ("SELECT mask_id FROM masks WHERE a IN (SELECT 1)", "SELECT 1)"),
    "a function that waits": ("SELECT pg_sleep(9) FROM masks", "pg_sleep"),
    "an unknown column": ("SELECT mask_idd FROM masks", "mask_idd"),
    "an unknown table": ("SELECT mask_id FROM secrets", "secrets"),
    "a range turned round": ("SELECT CP(mask, full_image, (0.8, 0.2)) FROM masks", "(0.8"),
    "half a box": ("SELECT CP(mask, box(1, 2, 3), (0, 1)) FROM masks", "box(1"),
    "a string for a number": ("SELECT mask_id FROM masks WHERE a = 'x'", "'x'"),
    "a negative LIMIT": ("SELECT mask_id FROM masks LIMIT -1", "-1"),
    "a LIMIT beyond 64 bits": (f"SELECT mask_id FROM masks LIMIT {10**20}", "1000"),
}


@pytest.mark.parametrize("name", SQL)
def test_sql(refuses: Refusals, name: str) -> None:
    text, word = SQL[name]
    error = refuses.end(2, "sql", refuses.path, text)
    _, line, caret = error.splitlines()
    at = caret.index("^")
    assert line[at:].startswith(word)
    with refused(refuses.path, ms.QueryError, f"column {text.index(word) + 1})"):
        ms.open(refuses.path).sql(text)
    refuses.end(2, "delete", refuses.path, text)


@pytest.mark.parametrize("text", ["x" * 1_000_000, "SELECT " + "1+" * 500_000 + "1 FROM masks"])
def test_a_megabyte_of_sql(refuses: Refusals, tmp_path: Path, text: str) -> None:
    (tmp_path / "query.sql").write_text(text)
    began = time.process_time()
    refuses(2, ("characters long",), "sql", refuses.path, f"@{tmp_path / 'query.sql'}")
    assert time.process_time() - began < 5


def test_a_huge_limit_is_no_error(made: Path) -> None:
    text = "SELECT mask_id FROM masks ORDER BY CP(mask, full_image, (0.5, 1.0)) LIMIT :n"
    most = 2**63 - 1
    assert len(ms.open(made).sql(text, n=most)) == 5
    assert len(ms.open(made).sql(f"{text} OFFSET :n", n=most)) == 0


def test_hostile_text_is_shown_but_not_obeyed(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = "SELECT label FROM masks WHERE label = :l"
    assert main(["sql", str(made), asked, "-p", "l=\x1b[31m"]) == 0
    out = capsys.readouterr().out
    assert out.count("\\x1b[31m") == 2
    assert "\x1b" not in out


# --------------------------------------------------------------------------------- a clumsy user

Call = Callable[[ms.Collection], object]
CALLS: dict[str, tuple[Call, str]] = {
    "unknown id": (lambda col: col.masks([0, 99]), "mask_id 99"),
    "a deleted id": (lambda col: col.masks([1]), "mask_id 1"),
    "an id beyond 64 bits": (lambda col: col.masks([2**70]), str(2**70)),
    "a fraction of an id": (lambda col: col.masks([1.5]), "1.5"),  # type: ignore[list-item]
    "a text for ids": (lambda col: col.masks("12"), "'1'"),  # type: ignore[arg-type]
    "nothing for an id": (lambda col: col.masks([None]), "None"),  # type: ignore[list-item]
    "one id alone": (lambda col: col.masks(5), "5"),  # type: ignore[arg-type]
    "params of no names": (lambda col: col.sql(ASK, [1]), "params"),  # type: ignore[arg-type]
    "a parameter too many": (lambda col: col.sql(ASK, t=0.5, u=1), ":u"),
    "a parameter too few": (lambda col: col.sql(ASK), ":t"),
    "NaN": (lambda col: col.sql(ASK, t=float("nan")), "nan"),
    "a time": (lambda col: col.sql(ASK, t=datetime.time(1)), "number"),
    "a timeout of text": (lambda col: col.sql(ASK, t=0, timeout="x"), "x"),  # type: ignore[arg-type]
    "no timeout": (lambda col: col.sql(ASK, t=0, timeout=float("nan")), "nan"),
    "half a region": (lambda col: col.sql(ASK, t=0, roi=(1, 2)), "(1, 2)"),
    "a region that is none": (lambda col: col.sql(ASK, t=0, roi="full_image; x"), ";"),
    "no region": (lambda col: col.build_index(5), "rois = 5"),  # type: ignore[arg-type]
    "bins of text": (lambda col: col.build_index(bins="x"), "bins = 'x'"),  # type: ignore[arg-type]
    "an age": (lambda col: col.vacuum(older_than="soon"), "soon"),
    "no age": (lambda col: col.vacuum(older_than=None), "None"),  # type: ignore[arg-type]
    "no versions": (lambda col: col.vacuum(keep_versions=0), "keep_versions = 0"),
    "no predicate": (lambda col: col.delete(""), "too early"),
    "a predicate over pixels": (lambda col: col.delete("CP(mask, roi, (0, 1)) > 3"), "CP"),
}  # fmt: skip
ASK = "SELECT COUNT(*) AS n FROM masks WHERE CP(mask, full_image, (:t, 1.0)) > 3"


@pytest.mark.parametrize("name", CALLS)
def test_calls(made: Path, name: str) -> None:
    call, word = CALLS[name]
    with pytest.raises(ms.InputError) as caught:
        call(ms.open(made))
    assert word in str(caught.value)
    assert state(made) == first_state(made)


@pytest.mark.parametrize(
    "wrong",
    [{"domain": 5}, {"domain": (1, 2, 3)}, {"domain": ("a", "b")}, {"domain": (1, 0)},
     {"cell": "x"}, {"cell": 1.5}, {"cell": 0}, {"bins": 1.5}, {"bins": "x"}, {"bins": 0},
     {"bins": 10**9}, {"rois": 5}, {"rois": [(1, 2)]}, {"rois": "full_image("}, {"nan": "maybe"},
     {"runtime": "rya"}, {"runtime": 5}, {"url": None}, {"url": b"x"}, {"url": ""}, {"url": "a\0b"},
     {"url": "s4://a"}, {"url": "memory://"}, {"url": "s3://"}],
    ids=repr,
)  # fmt: skip
def test_arguments_of_create(wrong: dict[str, Any]) -> None:
    url = "memory://never-made"
    with pytest.raises(ms.InputError) as caught:
        ms.create(**{"url": url, **wrong})
    assert "\n" not in str(caught.value) or isinstance(caught.value, ms.QueryError)
    with pytest.raises(ms.CollectionError, match="no collection there"):
        ms.open(url)


def test_places_without_a_collection(refuses: Refusals, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "nowhere", file, file / "below", tmp_path / "empty"):
        for command in (("info",), ("compact",), ("get", 1), ("sql", "SELECT 1 FROM masks")):
            error = refuses.end(2, command[0], place, *command[1:])
            assert f"{place}: no collection there" in error
    for url in ("s4://a/b", "", "file:here", "a\0b", "memory://"):
        refuses.end(2, "info", url)
    refuses.end(2, "info", refuses.path, "--version", "99")
    refuses.end(2, "info", refuses.path, "--version", "x")
    assert "not a directory" in refuses.end(1, "ingest", file, save(tmp_path))


def save(folder: Path) -> Path:
    np.save(folder / "one.npy", GRAY)
    return folder / "one.npy"


@pytest.mark.parametrize("param", ["t", "=1", "t=" + "9" * 5_000, "t='x'", "u=1", "t=nan"])
def test_params(refuses: Refusals, param: str) -> None:
    refuses.end(2, "sql", refuses.path, ASK, "--param", param)


def test_places_that_cannot_be_written(refuses: Refusals, tmp_path: Path) -> None:
    asked = ("sql", refuses.path, "SELECT mask_id FROM masks", "--output")
    assert "nowhere" in refuses.end(1, *asked, tmp_path / "nowhere" / "a.csv")
    assert ".csv" in refuses.end(2, *asked, tmp_path / "a.xyz")
    (tmp_path / "folder.csv").mkdir()
    assert "folder.csv" in refuses.end(1, *asked, tmp_path / "folder.csv")
    assert list((tmp_path / "folder.csv").iterdir()) == []
    full = tmp_path / "full.csv"
    full.symlink_to("/dev/full")
    assert "No space left" in refuses.end(1, *asked, full)
    assert Path("/dev/full").is_char_device()
    assert full.is_symlink()
    assert "mask_id 99" in refuses.end(2, "get", refuses.path, 99, "--out", tmp_path / "out")
