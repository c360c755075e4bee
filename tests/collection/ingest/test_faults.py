"""An ingest that dies, or meets an error, at any call of the storage."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

import pytest

from masksearch_ray.collection import create_collection, open_manifest
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.collection.ingest_run import IngestReport
from masksearch_ray.collection.register import register
from masksearch_ray.errors import StorageError
from masksearch_ray.storage import Fault, FaultyStorage, Killed, MemoryStorage, Storage
from tests.collection.ingest.test_ingest import SMALL, assert_each_once, write_masks

COUNT = 10


def run(storage: Storage, url: str, how: str) -> IngestReport:
    if how == "register":
        return register(storage, url, segment_rows=4)
    return ingest(storage, url, limits=SMALL, threads=1)


@pytest.mark.parametrize("how", ["ingest", "register"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["kill", "error", "transient"])
def test_every_call_may_fail(
    tmp_path: Path,
    how: str,
    when: Literal["before", "after"],
    kind: Literal["kill", "error", "transient"],
) -> None:
    url = write_masks(tmp_path / "maps", COUNT)
    call, failed = 1, True
    while failed:
        inner = MemoryStorage(f"memory://faults-{how}-{when}-{kind}-{call}")
        create_collection(inner)
        faulty = FaultyStorage(inner, [Fault("*", call, kind=kind, when=when)])
        failed = False
        try:
            run(faulty, url, how)
        except (Killed, StorageError):
            failed = True
        failed = failed or faulty.calls >= call
        left = open_manifest(inner)
        assert left.rows in (0, COUNT)
        report = run(inner, url, how)
        assert report.rows == COUNT - left.rows
        assert_each_once(inner, COUNT)
        assert run(inner, url, how).rows == 0
        call += 1
    assert call > 12


def test_many_deaths_in_a_row(tmp_path: Path) -> None:
    url = write_masks(tmp_path / "maps", COUNT)
    inner = MemoryStorage("memory://faults-in-a-row")
    create_collection(inner)
    for call in range(1, 40):
        with contextlib.suppress(Killed):
            run(FaultyStorage(inner, [Fault("*", call, kind="kill", when="after")]), url, "ingest")
    assert_each_once(inner, COUNT)
