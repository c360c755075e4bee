"""Files that cannot be read, or not as masks and metadata: named, and nothing is added."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from PIL import Image

import masksearch_ray as ms
from masksearch_ray.cli import main
from tests.bad_input import (
    GOOD,
    Refusals,
    made,
    maps,
    refuses,
    takes_more,
)

__all__ = ["made", "maps", "refuses"]  # fixtures

GRAY = (GOOD[0] * 255).astype(np.uint8)
NAN = np.where(np.arange(24) == 4, np.float32(np.nan), GOOD[0])


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def claims(shape: tuple[int, ...], dtype: str = "|u1", data: bytes = b"\0" * 64) -> bytes:
    """Make a .npy file with this header, whatever follows."""
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + data


def npz(*members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"m{number}.npy", member)
    return stream.getvalue()


def picture(array: Any, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def parquet(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


TABLE = pa.table({"mask": pa.array([GRAY.tolist()], pa.list_(pa.list_(pa.uint8()))), "a": [1]})
FILES: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "an empty .npy": ("a.npy", b"", ("a.npy", "not a .npy")),
    "no .npy": ("a.npy", picture(GRAY, "PNG"), ("a.npy", "not a .npy")),
    "half a header": ("a.npy", npy(GRAY)[:60], ("a.npy", "header")),
    "half a .npy": ("a.npy", npy(GRAY)[:300], ("a.npy", "truncated", "300 of 608")),
    "a terabyte": ("a.npy", claims((10**6, 10**6)), ("a.npy", "1000000 x 1000000")),
    "a long stack": ("a.npy", claims((10**9, 64, 64)), ("a.npy", "truncated")),
    "a stack of nothing": ("a.npy", claims((2**62, 0, 8)), ("a.npy", "empty")),
    "pixels of no bytes": ("a.npy", claims((2**60, 4), "|V0"), ("a.npy", "|V0")),
    "objects": ("a.npy", npy(np.array([[None]])), ("a.npy", "Python objects")),
    "a struct": ("a.npy", npy(np.zeros((2, 2), [("x", "u1")])), ("a.npy", "plain array")),
    "a vector": ("a.npy", npy(GRAY[0]), ("a.npy", "(24,)")),
    "float64": ("a.npy", npy(GOOD[0].astype(np.float64)), ("a.npy", "float64")),
    "NaN": ("a.npy", npy(np.stack([GOOD[0], NAN])), ("a.npy#1", "x=4, y=0", "nan")),
    "no .npz": ("a.npz", npy(GRAY), ("a.npz", "not a .npz")),
    "half a .npz": ("a.npz", npz(npy(GRAY))[:200], ("a.npz", "truncated")),
    "a member that is none": ("a.npz", npz(b"text"), ("a.npz", "'m0'", "not a .npy")),
    "a bomb": ("a.npz", npz(claims((10**9, 1), data=b"\0" * 9_000_000)), ("a.npz", "10000000")),
    "a bomb behind a mask": ("a.npz", npz(npy(GRAY) + b"\0" * 9_000_000), ("m0", "too many")),
    "half a .png": ("a.png", picture(GRAY, "PNG")[:200], ("a.png", "truncated")),
    "colours": ("a.png", picture(np.zeros((4, 4, 3), np.uint8), "PNG"), ("a.png", "RGB")),
    "a huge .png": ("a.png", png_that_claims(2**31 - 1, 2**31 - 1), ("a.png", "2147483647")),
    "no .png": ("a.png", npy(GRAY), ("a.png", "not a .png")),
    "no .tif": ("a.tif", npy(GRAY), ("a.tif", "unreadable or truncated")),
    "half a .tif": ("a.tif", picture(GRAY, "TIFF")[:20], ("a.tif", "unreadable or truncated")),
    "a .tif of integers": ("a.tif", picture(GRAY.astype(np.int32), "TIFF"), ("a.tif", "32 bits")),
    "half a .parquet": ("a.parquet", parquet(TABLE)[:300], ("a.parquet", "truncated")),
    "a column twice": ("a.parquet", parquet(TABLE.append_column("a", [[1]])), ("'a'", "twice")),
    "no column of masks": ("a.parquet", parquet(TABLE.select(["a"])), ("a.parquet", "'a'")),
    "a reserved column": ("a.parquet", parquet(TABLE.rename_columns(["mask", "__a"])), ("'__a'",)),
    "nothing to read": ("a.txt", b"", (".npy", "wanted")),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files(refuses: Refusals, tmp_path: Path, name: str) -> None:
    file, data, words = FILES[name]
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / file).write_bytes(data)
    refuses(2, words, "ingest", refuses.path, folder)


def test_the_next_ingest_works(maps: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    with ms.open(maps) as col:
        for name, (file, data, _) in FILES.items():
            if file in ("a.parquet", "a.txt"):  # not read beside other files
                continue
            (folder / f"{name}{file}").write_bytes(data)
            with pytest.raises(ms.DataError):
                col.ingest(folder)
            (folder / f"{name}{file}").unlink()
            np.save(folder / f"{name}.npy", GRAY)
            assert col.ingest(folder, columns={"a": 9}).rows == 1
        takes_more(col)


@pytest.mark.parametrize("kind", [".png", ".tif", ".npz", ".npy", ".parquet"])
def test_damaged_files_are_taken_or_refused(tmp_path: Path, kind: str) -> None:
    """They need carry no checksum: but whatever comes of a wrong byte is no other error."""
    data = {
        ".png": picture(GRAY, "PNG"), ".tif": picture(GRAY, "TIFF"), ".npz": npz(npy(GRAY)),
        ".npy": npy(GRAY), ".parquet": parquet(TABLE),
    }[kind]  # fmt: skip
    file = tmp_path / f"a{kind}"
    refused_at = 0
    for at in range(0, len(data), max(1, len(data) // 25)):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        col = ms.create(f"memory://damaged-{kind}-{at}")
        try:
            assert col.ingest(file).rows == 1
        except ms.DataError as error:
            refused_at += 1
            assert f"a{kind}" in str(error)
            assert (col.version, len(col)) == (1, 0)
    assert refused_at > 0


@pytest.mark.parametrize("format", [2, 3])
def test_zarr(refuses: Refusals, tmp_path: Path, format: Any) -> None:
    folder = tmp_path / "masks.zarr"
    array = zarr.create_array(folder, shape=(3, 20, 24), dtype="u1", zarr_format=format)
    array[:] = np.stack([GRAY] * 3)
    chunks = [file for file in folder.rglob("*") if file.is_file() and "z" not in file.name]
    chunks[0].write_bytes(chunks[0].read_bytes()[:5])
    refuses(2, ("masks.zarr", "unreadable"), "ingest", refuses.path, folder)
    for file in folder.rglob("*z*"):
        file.write_bytes(b"{")
    refuses(2, ("masks.zarr", "no readable Zarr"), "ingest", refuses.path, folder)
    zarr.create_array(
        tmp_path / "huge.zarr", shape=(2, 10**6, 10**6), dtype="u1", zarr_format=format
    )
    refuses(2, ("huge.zarr", "1000000 x 1000000"), "ingest", refuses.path, tmp_path / "huge.zarr")


def test_names_of_files(maps: Path, refuses: Refusals, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    file = os.fsencode(folder) + b"/\xff.npy"
    with open(file, "wb") as stream:
        stream.write(npy(GRAY))
    refuses(2, ("udcff.npy", "no text"), "ingest", refuses.path, folder)
    os.rename(file, os.fsencode(folder) + b"/\n\x1b[31m\xc3\xa9 #0.npy")
    assert ms.open(maps).ingest(folder).rows == 1


def test_folders(refuses: Refusals, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    nothing = ("source", "nothing there")
    refuses(2, nothing, "ingest", refuses.path, folder)
    (folder / "up").symlink_to(folder)
    (folder / "lost.npy").symlink_to(folder / "nowhere.npy")
    (folder / "zeros.npy").symlink_to("/dev/zero")
    (folder / "folder.npy").mkdir()
    os.mkfifo(folder / "pipe.npy")
    refuses(2, nothing, "ingest", refuses.path, folder)
    (folder / "round.npy").symlink_to(folder / "round.npy")
    refuses(1, ("round.npy", "symbolic links"), "ingest", refuses.path, folder)


def test_another_process_begins_the_same_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    maps, mask = tmp_path / "maps", tmp_path / "a.npy"
    np.save(mask, GRAY)
    create = ms.create

    def too_late(*arguments: Any, **settings: Any) -> ms.Collection:
        create(maps).close()
        return create(*arguments, **settings)

    monkeypatch.setattr(ms, "create", too_late)
    line = Refusals(maps, capsys).end(2, "ingest", maps, mask, "--domain", "0,9")
    assert "there is a collection already" in line
    shutil.rmtree(maps)
    assert main(["ingest", str(maps), str(mask)]) == 0
    assert len(ms.open(maps)) == 1


# ------------------------------------------------------------------------- metadata and options

CSV: dict[str, tuple[bytes, tuple[str, ...], tuple[str, ...]]] = {
    "a row is missing": (b"file,x\na,1\n", (), ("rows.csv", "b.npy")),
    "a row is there twice": (b"file,x\na,1\na,2\nb,3\n", (), ("rows.csv", "more than one row")),
    "no column of names": (b"x,y\n1,2\n", (), ("rows.csv", "'x', 'y'")),
    "nothing": (b"", (), ("rows.csv", "Empty")),
    "ragged": (b"file,x\na,1,2\nb,3\n", (), ("rows.csv", "Expected 2 columns, got 3")),
    "Latin-1": (b"file,x\na,\xe9\nb,\xe8\n", (), ("rows.csv", "'x'", "UTF-8")),
    "Latin-1 in a name": (b"file,\xe9\na,1\nb,2\n", (), ("rows.csv", "utf-8")),
    "an escape in a name": (b"file,x\x1b[31m\na,1\nb,2\n", (), ("x\\x1b[31m",)),
    "a reserved name": (b"file,__x\na,1\nb,2\n", (), ("'__x'", "reserved")),
    "a name twice": (b"file,x,x\na,1,1\nb,2,2\n", (), ("rows.csv", "twice")),
    "a megabyte of name": (b"file," + b"x" * 1_000_000 + b"\na,1\nb,2\n", (), ("xxx", "255")),
    "another type": (b"file,a\na,x\nb,y\n", (), ("column 'a'", "int64", "string")),
    "mask_id twice": (b"file,mask_id\na,70\nb,70\n", (), ("mask_id 70", "twice")),
    "mask_id taken": (b"file,mask_id\na,70\nb,3\n", (), ("mask_id 3", "already")),
    "a box turned round": (b"file,p,q,r,s\na,5,5,1,1\nb,1,1,5,5\n", ("--box", "b=p,q,r,s"),
                           ("a.npy", "x1 < x0")),
    "half a box": (b"file,p,q,r,s\na,,5,1,1\nb,1,1,5,5\n", ("--box", "b=p,q,r,s"), ("a.npy",)),
    "a box of no column": (b"file,p\na,1\nb,2\n", ("--box", "b=p,q,r,s"), ("'q'", "'p'")),
    "--box": (b"file,p\na,1\nb,2\n", ("--box", "b"), ("--box 'b'", "NAME=FROM")),
    "--set": (b"file,p\na,1\nb,2\n", ("--set", "=3"), ("--set '=3'", "NAME=VALUE")),
    "--on": (b"file,p\na,1\nb,2\n", ("--on", "q"), ("'q'", "'p'")),
    "--shape": (b"file,p\na,1\nb,2\n", ("--shape", "3"), ("--shape '3'", "HEIGHT,WIDTH")),
    "--domain": (b"file,p\na,1\nb,2\n", ("--domain", "0,2"), ("--domain 0,2", "has 0,1")),
}  # fmt: skip


@pytest.mark.parametrize("name", CSV)
def test_metadata(refuses: Refusals, tmp_path: Path, name: str) -> None:
    content, options, words = CSV[name]
    folder, rows = tmp_path / "source", tmp_path / "rows.csv"
    folder.mkdir()
    for stem in "ab":
        np.save(folder / f"{stem}.npy", GRAY)
    rows.write_bytes(content)
    refuses(2, words, "ingest", refuses.path, folder, "--metadata", rows, *options)


def test_coco(refuses: Refusals, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GRAY)
    file = tmp_path / "coco.json"
    image = {"id": 1, "file_name": "a.jpg", "width": 24, "height": 20}
    wrong: list[Any] = [
        [], {"images": 5}, {"images": [{"id": []}]}, "[" * 100_000,
        {"images": [image], "annotations": [{"image_id": 1, "bbox": [1, 2, -3, 4]}]},
        {"images": [image], "annotations": [{"image_id": 1, "bbox": "abcd"}]},
        {"images": [{**image, "width": 0}], "annotations": [{"image_id": 1, "bbox": [1] * 4}]},
    ]  # fmt: skip
    for content in wrong:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        options = ("--box", f"boxes=coco:{file}")
        refuses(2, ("coco.json",), "ingest", refuses.path, tmp_path / "a.npy", *options)
