"""The cache on disk is damaged, full or not to be written, while real actors read through it."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from masksearch_ray.runtime.ray import RayRuntime
from tests.faults.tally import Tally
from tests.faults.world import QUERIES, World, check
from tests.soak.fate import workers

LIMIT = 64 << 20


def files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.sqlite"))
    assert found, "nothing was cached"
    return found


def overwrite(folder: Path) -> None:
    for file in files(folder):
        file.write_bytes(b"\xa5" * file.stat().st_size)


def cut(folder: Path) -> None:
    for file in files(folder):
        os.truncate(file, file.stat().st_size // 2)


def flip(folder: Path) -> None:
    """Change one byte of each page, but for the first, in which SQLite says what the file is."""
    for file in files(folder):
        data = bytearray(file.read_bytes())
        for at in range(6000, len(data), 4096):
            data[at] ^= 1
        file.write_bytes(data)


def remove(folder: Path) -> None:
    for file in files(folder):
        file.unlink()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "overwritten": overwrite,
    "cut in half": cut,
    "flipped bits": flip,
    "gone": remove,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_changes_no_answer(
    damage: str, world: World, actors: RayRuntime, tmp_path: Path, tally: Tally
) -> None:
    with world.open("masks", actors, cache=tmp_path, cache_bytes=LIMIT) as opened:
        check(opened, QUERIES["filter"])
        DAMAGE[damage](tmp_path)  # under workers that hold it open
        check(opened, QUERIES["top-k"])
        tally.add("query: top-k", f"cache {damage}", "exact")
    DAMAGE[damage](tmp_path)
    for name in ("filter", "groups"):
        with world.open("masks", actors, cache=tmp_path, cache_bytes=LIMIT) as opened:
            check(opened, QUERIES[name])
        tally.add(f"query: {name}", f"cache {damage}", "exact")


@pytest.mark.timeout(600)
def test_a_cache_that_cannot_be_made(
    world: World, actors: RayRuntime, tmp_path: Path, tally: Tally
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    for name, query in QUERIES.items():
        with world.open("masks", actors, cache=in_the_way, cache_bytes=LIMIT) as opened:
            check(opened, query)
        tally.add(f"query: {name}", "cache not to be written", "exact")


@pytest.mark.timeout(600)
def test_a_disk_that_is_full(
    world: World, actors: RayRuntime, tmp_path: Path, tally: Tally
) -> None:
    """No file of the workers may grow beyond 50 kB: writes fail as on a full disk."""
    with world.open("masks", actors, cache=tmp_path, cache_bytes=LIMIT) as opened:
        check(opened, QUERIES["filter"])
        limited = list(workers())
        for process in limited:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (50_000, 50_000))
        for name in ("top-k", "groups", "intersections"):
            check(opened, QUERIES[name])
            tally.add(f"query: {name}", "disk of the cache full", "exact")
        assert limited == list(workers()), "no worker died of it"
        for process in limited:
            os.kill(process, signal.SIGKILL)  # those that follow have no limit
        check(opened, QUERIES["filter"])
