"""Metadata joined by name from tables, constants and folders of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from masksearch_ray.collection.metadata import RowMaker, RowOptions
from masksearch_ray.errors import DataError

FILES = ["m1/a.npy", "m1/b.npy", "m2/a.npy"]
RECORDS = [
    {"file": "m2/a.npy", "label": 7, "score": 0.5},
    {"file": "m1/b.npy", "label": 8, "score": None},
    {"file": "m1/a.npy", "label": 9, "score": 1.5},
]


def rows(
    options: RowOptions, keys: list[str] = FILES, files: list[str] | None = FILES, given: Any = None
) -> dict[str, list[Any]]:
    maker = RowMaker(options, files)
    found: dict[str, list[Any]] = maker.rows(keys, [(4, 4)] * len(keys), given).to_pydict()
    return found


def write(folder: Path, suffix: str) -> str:
    table = pa.Table.from_pylist(RECORDS)
    path = folder / f"meta{suffix}"
    match suffix:
        case ".csv" | ".tsv":
            table.to_pandas().to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
        case ".parquet":
            pq.write_table(table, path)
        case ".feather":
            pa.feather.write_feather(table, str(path))
        case ".json":
            path.write_text(json.dumps(RECORDS, indent=1))
        case _:
            path.write_text("\n".join(map(json.dumps, RECORDS)))
    return str(path)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "suffix", [".csv", ".tsv", ".parquet", ".feather", ".json", ".jsonl", ".ndjson"]
)
def test_every_kind_of_file(tmp_path: Path, suffix: str) -> None:
    found = rows(RowOptions([write(tmp_path, suffix)]))
    assert found["label"] == [9, 8, 7]
    assert found["score"] == [1.5, None, 0.5]
    assert found["file"] == FILES
    assert found["image_id"] == ["a", "b", "a"]


@pytest.mark.parametrize(
    "table",
    [
        pa.Table.from_pylist(RECORDS),
        pd.DataFrame(RECORDS),
        {name: [record[name] for record in RECORDS] for name in RECORDS[0]},
    ],
)
def test_tables_in_memory(table: object) -> None:
    assert rows(RowOptions([table]))["label"] == [9, 8, 7]
    assert rows(RowOptions(table))["label"] == [9, 8, 7]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["m1/a.npy", "m1/b.npy", "m2/a.npy"], [0, 1, 2]),
        (["m1/a", "m1/b", "m2/a"], [0, 1, 2]),
        (["m1/a.jpg", "m1/b.jpg", "m2/a.jpg"], [0, 1, 2]),
        (["x/b.jpg", "x/a.jpg"], [1, 0, 1]),
        (["a.png", "b.png"], [0, 1, 0]),
        (["b", "a"], [1, 0, 1]),
        (["b.npy", "a.npy", "m2/a"], [1, 0, 2]),
    ],
)
def test_names_may_be_paths_base_names_or_stems(names: list[str], labels: list[int]) -> None:
    table = {"file_name": names, "label": range(len(names))}
    assert rows(RowOptions([pa.table(table)]))["label"] == labels


def test_parts_of_files_and_arrays() -> None:
    keys = ["s.npy#0", "s.npy#1", "t.npz#a"]
    table = {"file": ["s#1", "s.npy#0", "t.npz"], "label": [1, 0, 2]}
    found = rows(RowOptions([table]), keys, ["s.npy", "t.npz"])
    assert found["label"] == [0, 1, 2]
    assert found["image_id"] == ["s#0", "s#1", "t#a"]
    numbers = RowOptions([{"index": [1, 0], "label": [11, 10]}], on="index")
    assert rows(numbers, ["maps.zarr#0", "maps.zarr#1"], None)["label"] == [10, 11]
    assert rows(numbers, ["s.npy#1"], ["s.npy"])["label"] == [11]
    with pytest.raises(DataError, match=r"no row for 2 of 2 files: s\.npy, t\.npz"):
        rows(numbers, ["s.npy#1"], ["s.npy", "t.npz"])


def test_a_number_sign_in_a_file_name() -> None:
    found = rows(RowOptions([{"file": ["a#1"], "n": [3]}]), ["a#1.png"], ["a#1.png", "a#1.npy"])
    assert found["n"] == [3]
    assert found["image_id"] == ["a#1"]


def test_names_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image_id,label\n007,1\n08,2\n")
    found = rows(
        RowOptions([str(tmp_path / "m.csv")]), ["007.npy", "08.npy"], ["007.npy", "08.npy"]
    )
    assert found == {"image_id": ["007", "08"], "label": [1, 2]}
    (tmp_path / "n.csv").write_text("nr,label\n007,1\n")
    options = RowOptions([str(tmp_path / "n.csv")], on="nr")
    assert rows(options, ["007.npy"], ["007.npy"])["label"] == [1]


def test_several_tables_constants_and_given_columns() -> None:
    options = RowOptions(
        [{"file": FILES, "label": [1, 2, 3]}, {"file": FILES[::-1], "split": ["c", "b", "a"]}],
        columns={"model_id": 4, "mask_type": "gradcam"},
    )
    assert rows(options, FILES, None, pa.table({"n": [5, 6, 7]})) == {
        "n": [5, 6, 7],
        "file": FILES,
        "label": [1, 2, 3],
        "split": ["a", "b", "c"],
        "model_id": [4, 4, 4],
        "mask_type": ["gradcam"] * 3,
    }
    with pytest.raises(DataError, match="column 'label' is given twice, the second time by"):
        rows(options, FILES, None, pa.table({"label": [5, 6, 7]}))
    with pytest.raises(DataError, match=r"column 'label' is given twice, .* a constant"):
        rows(RowOptions([{"file": FILES, "label": [1, 2, 3]}], columns={"label": 1}))


def test_image_paths(tmp_path: Path) -> None:
    for name in ("m1/a.JPG", "b.png", "m2/a.jpeg", "notes.txt", "m3/c.jpg", "m4/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    options = RowOptions(images=str(tmp_path))
    found = rows(options, [*FILES, "d.npy"], [*FILES, "d.npy"])
    want = [f"{tmp_path}/{name}" for name in ("m1/a.JPG", "b.png", "m2/a.jpeg")]
    assert found["image_path"] == [*want, None]
    with pytest.raises(DataError, match=r"m3/c\.jpg, m4/c\.jpg all fit c\.npy; give their paths"):
        rows(options, ["c.npy"], ["c.npy"])


def test_missing_rows_are_counted_before_anything_is_read() -> None:
    files = [f"{i}.png" for i in range(9)]
    with pytest.raises(DataError) as caught:
        RowMaker(RowOptions([{"file": ["3.png", "8"]}]), files)
    assert str(caught.value) == (
        "metadata: no row for 7 of 9 files: 0.png, 1.png, 2.png, 4.png, 5.png and 2 more"
    )
    with pytest.raises(DataError, match=r"no row for 1 masks: s\.npy#1"):
        rows(RowOptions([{"file": ["s#0"]}]), ["s.npy#0", "s.npy#1"], ["s.npy"])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"file": ["a", "b", "a"]}, "more than one row for a$"),
        ({"label": [1]}, r"no column of file names; which of \['label'\] is it"),
        ({"file": ["a", None]}, "row 1 has no name in 'file'"),
        ({"file": ["x/a.jpg", "y/a.jpg"]}, r"x/a\.jpg, y/a\.jpg all fit a\.npy"),
    ],
)
def test_bad_tables(table: dict[str, list[Any]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        rows(RowOptions([table]), ["a.npy"], ["a.npy"])


def test_asked_for_column_is_missing() -> None:
    with pytest.raises(DataError, match=r"no column 'nr'; which of \['file'\] is it"):
        rows(RowOptions([{"file": ["a"]}], on="nr"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", b"file,n\na,1\nb\n"),
        ("m.csv", b"file,\xff\xfe\na,1\n"),
        ("m.csv", b""),
        ("m.csv", b"file,file\na,b\n"),
        ("m.json", b'[{"file": "a"}, 3]'),
        ("m.json", b"[" * 100_000),
        ("m.jsonl", b'{"file": '),
        ("m.parquet", b"PAR1"),
        ("m.arrow", b"ARROW1"),
        ("m.xlsx", b""),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{tmp_path}/{name}: "):
        rows(RowOptions([str(tmp_path / name)]), ["a.npy"], ["a.npy"])


def test_no_such_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing there"):
        rows(RowOptions([str(tmp_path / "m.csv")]))
    (tmp_path / "m.csv").touch()
    with pytest.raises(DataError, match="a folder; a file wanted"):
        rows(RowOptions([str(tmp_path)]))


def test_digest_changes_with_the_content(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    digests = set()
    for text in ("file,n\na,1\n", "file,n\na,2\n"):
        path.write_text(text)
        digests.add(RowMaker(RowOptions([str(path)])).digest)
        digests.add(RowMaker(RowOptions([str(path)])).digest)
    assert len(digests) == 2
