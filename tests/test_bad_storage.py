"""Objects that are damaged, lost or mixed up, and folders that cannot be written: never an answer
that is wrong, and one clear error that names the object."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.collection.sealed import seal, unseal
from masksearch_ray.storage import local, open_storage
from tests.bad_input import GOOD, Refusals, made, maps, refuses, state, takes_more

__all__ = ["made", "maps", "refuses"]  # fixtures

QUERIES = (
    "SELECT * FROM masks WHERE CP(mask, box(1, 1, 15, 15), (0.33, 0.9)) > 60",
    "SELECT mask_id, CP(mask, object_box, (0.2, 0.61)) / area(object_box) AS s FROM masks "
    "ORDER BY s DESC LIMIT 2",
    "SELECT label, SUM(CP(mask, full_image, (0.5, 1.0))) AS n FROM masks GROUP BY label",
    "SELECT a, CP(union(mask > 0.5), full_image, (0.5, 1.0)) AS n FROM masks GROUP BY a",
    "SELECT COUNT(*) AS n FROM masks WHERE CP(mask, box(2, 2, 9, 9), (0.3, 0.7)) > 10",
)


def answers(url: str) -> list[Any]:
    """Every answer, and the pixels of every mask, by a reader that has seen nothing yet."""
    with ms.open(url) as col:
        found: list[Any] = [col.sql(text).table.to_pylist() for text in QUERIES]
        ids = [row["mask_id"] for row in col.sql("SELECT mask_id FROM masks").table.to_pylist()]
        return [*found, len(col), ids, [mask.tolist() for mask in col.masks(ids)]]


@pytest.fixture(scope="module")
def url() -> str:
    """A collection in memory of two segments, with deleted rows and an index part built later."""
    url = "memory://damaged-end-to-end"
    col = ms.create(url, cell=8)
    boxes: list[Any] = [(1, 2, 9, 9), None, (0, 0, 40, 30)]
    for half in (0, 3):
        rows = {"a": [1, 2, 3], "label": ["x", "y", "x"], "object_box": boxes}
        col.append(GOOD[half : half + 3], rows)
    col.delete("mask_id IN (1, 4)")
    col.build_index([(2, 2, 9, 9)], bins=10)
    return url


def objects(url: str) -> dict[str, str]:
    """Key of one object of each sort."""
    keys = [info.key for info in open_storage(url).list()]
    newest = max(key for key in keys if key.startswith("manifests/"))
    sorts = {"rows": "rows.parquet", "tiles": "tiles.bin", "index": "index.arrow"}
    found = {sort: next(key for key in keys if key.endswith(end)) for sort, end in sorts.items()}
    parts = [key for key in keys if key.startswith("indexes/")]
    for part in parts:
        found["spec" if part.startswith("indexes/specs/") else "part"] = part
    found["deletes"] = next(key for key in keys if key.startswith("deletes/"))
    return {**found, "manifest": newest}


SORTS = ("manifest", "rows", "tiles", "index", "deletes", "spec", "part")


@pytest.fixture
def spoil(url: str) -> Iterator[Callable[[str, bytes | None], None]]:
    """Replace or, by None, remove objects; they are put back."""
    storage = open_storage(url)
    kept: dict[str, bytes] = {}

    def replace(key: str, data: bytes | None) -> None:
        kept.setdefault(key, storage.get(key))
        storage.delete(key) if data is None else storage.put(key, data)

    yield replace
    for key, data in kept.items():
        storage.put(key, data)


@pytest.mark.parametrize("sort", SORTS)
def test_a_wrong_byte(url: str, spoil: Any, sort: str) -> None:
    key = objects(url)[sort]
    data, wanted = open_storage(url).get(key), answers(url)
    noticed = 0
    for at in range(0, len(data), max(1, len(data) // 30)):
        spoil(key, data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        try:
            assert answers(url) == wanted, at
        except ms.DamagedError as error:
            assert error.object == f"{url}/{key}"
            assert "\n" not in str(error)
            noticed += 1
    assert noticed > 0


@pytest.mark.parametrize("sort", SORTS)
def test_missing_and_further_bytes(url: str, spoil: Any, sort: str) -> None:
    key = objects(url)[sort]
    data, wanted = open_storage(url).get(key), answers(url)
    for wrong in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\0", data * 2):
        spoil(key, wrong)
        try:
            assert answers(url) == wanted
        except ms.DamagedError as error:
            assert error.object == f"{url}/{key}"


@pytest.mark.parametrize("sort", SORTS)
def test_a_lost_object(url: str, spoil: Any, sort: str) -> None:
    key, wanted = objects(url)[sort], answers(url)
    spoil(key, None)
    if sort in ("spec", "part"):  # a help that may be missing
        assert answers(url) == wanted
    elif sort == "manifest":
        assert ms.open(url).version == 4 - 1
    else:
        with pytest.raises(ms.NotFoundError) as caught:
            answers(url)
        assert caught.value.object == f"{url}/{key}"


def test_objects_in_the_place_of_others(url: str, spoil: Any) -> None:
    storage, wanted = open_storage(url), answers(url)
    keys = [info.key for info in storage.list() if not info.key.startswith("manifests/")]
    swaps = 0
    for one in keys:
        for other in keys:
            if one >= other or one.rpartition(".")[2] != other.rpartition(".")[2]:
                continue
            data = storage.get(one), storage.get(other)
            spoil(one, data[1])
            spoil(other, data[0])
            try:
                assert answers(url) == wanted, (one, other)
            except ms.DamagedError as error:
                assert error.object in (f"{url}/{one}", f"{url}/{other}")
            spoil(one, data[0])
            spoil(other, data[1])
            swaps += 1
    assert swaps >= 6


def test_the_command_line_names_the_object(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sort in ("manifest", "rows", "tiles", "index", "deletes"):
        path = Path(shutil.copytree(made, tmp_path / sort))
        file = path / objects(str(path))[sort]
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 4] + bytes(len(data) - len(data) // 4))
        asked = "SELECT mask_id, a, CP(mask, box(1, 1, 9, 9), (0.33, 1.0)) AS n FROM masks"
        line = Refusals(path, capsys).end(1, "sql", path, asked)
        assert str(file) in line


def test_a_newer_format(maps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = maps / "manifests" / f"{ms.open(maps).version + 1:020d}.json"
    newest = file.with_name(f"{ms.open(maps).version:020d}.json")
    record = unseal(newest.read_bytes(), "")
    file.write_bytes(seal({**record, "format": 99, "version": record["version"] + 1}))
    refuses = Refusals(maps, capsys)
    for command in (("info",), ("sql", "SELECT 1 FROM masks"), ("delete", "a = 1"), ("compact",)):
        line = refuses.end(2, command[0], maps, *command[1:])
        assert "format 99 by a newer version" in line
        assert file.name in line
    with pytest.raises(ms.CollectionError, match="newer"):
        ms.open(maps)
    file.unlink()
    assert state(maps)
    takes_more(ms.open(maps))


# ----------------------------------------------------------------- what cannot be written


def ingest(path: Path) -> None:
    ms.open(path).ingest(path.parent / "more")


CHANGES: dict[str, Callable[[Path], object]] = {
    "append": lambda path: ms.open(path).append(GOOD[:2], {"a": [5, 6]}),
    "ingest": ingest,
    "register": lambda path: ms.open(path).register(str(path.parent / "more")),
    "delete": lambda path: ms.open(path).delete("a = 3"),
    "compact": lambda path: ms.open(path).compact(),
}


@pytest.fixture
def folder(maps: Path) -> Path:
    (maps.parent / "more").mkdir()
    for number in range(2):
        np.save(maps.parent / "more" / f"{number}.npy", GOOD[number])
    return maps


def disk_full(monkeypatch: pytest.MonkeyPatch, nth: int, number: int) -> Callable[[], int]:
    """Let the `nth` write and all after it fail, half done; how many there were is told."""
    write, calls = local._write, count(1)
    made: list[int] = []

    def fail(descriptor: int, data: Any) -> None:
        made.append(next(calls))
        if made[-1] < nth:
            return write(descriptor, data)
        os.write(descriptor, b"half")
        os.close(descriptor)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(local, "_write", fail)
    return lambda: len(made)


@pytest.mark.parametrize("what", CHANGES)
def test_a_full_disk_at_every_write(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = state(folder)
    for nth in count(1):
        with monkeypatch.context() as patch:
            written = disk_full(patch, nth, errno.ENOSPC)
            try:
                CHANGES[what](folder)
            except ms.StorageError as error:
                assert error.message == "no space left"
                assert str(folder) in error.object
            else:
                assert written() < nth
                break
        now = state(folder)
        assert now[:3] == before[:3]
        assert before[3].items() <= now[3].items()
        assert not list(folder.rglob(".tmp-*"))
    assert nth > 2
    assert state(folder)[0] == before[0] + 1
    takes_more(ms.open(folder))


@pytest.mark.parametrize("what", CHANGES)
def test_a_folder_that_is_read_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = state(folder)
    for number in (errno.EROFS, errno.EACCES):
        with monkeypatch.context() as patch:
            disk_full(patch, 1, number)
            with pytest.raises(ms.ReadOnlyError, match="no permission to write it"):
                CHANGES[what](folder)
            with pytest.raises(ms.ReadOnlyError):
                ms.create(folder.parent / "other")
        assert state(folder)[:3] == before[:3]
    takes_more(ms.open(folder))


def test_a_collection_that_vanishes_under_a_reader(
    maps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    col = ms.open(maps)
    shutil.rmtree(maps)
    for call in (lambda: col.sql(QUERIES[0]).table, lambda: col.masks([0])):
        with pytest.raises(ms.NotFoundError, match="no such object"):
            call()
    with pytest.raises(ms.CollectionError, match="no collection there"):
        col.append(GOOD[:1])
    with pytest.raises(ms.CollectionError, match="no collection there"):
        col.refresh()
    assert "no collection there" in Refusals(maps, capsys).end(2, "compact", maps)
    assert not maps.exists()
