"""The cache on disk, and what may befall its file: never a wrong answer, never an error."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from masksearch_ray.storage import CountingStorage, LocalStorage
from masksearch_ray.storage.disk_cache_storage import CachedStorage, past_caches
from tests.storage.disk_caches import DATA, RANGES, cached, memory, read, the_file


@pytest.fixture
def inner() -> CountingStorage:
    storage = CountingStorage(memory())
    storage.put("a", DATA)
    return storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ranges"


def overwrite(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for at in range(0, size, 4096):
            file.seek(at)
            file.write(b"\xa5" * 2048)


def flip(path: Path) -> None:
    """Change bytes of what is kept, none of SQLite's own."""
    data = bytearray(path.read_bytes())
    at = data.index(DATA[300_000:300_064])
    data[at + 7] ^= 1
    path.write_bytes(data)


def swap(path: Path) -> None:
    """Give every piece the bytes of another."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE bytes SET id = -id")
        connection.execute("UPDATE bytes SET id = (SELECT max(id) FROM pieces) + 1 + id")
    connection.close()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "overwritten": overwrite,
    "a flipped bit": flip,
    "bytes of others": swap,
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut in a page": lambda path: os.truncate(path, 10_000),
    "empty": lambda path: os.truncate(path, 0),
    "no database": lambda path: path.write_bytes(b"something else entirely" * 1000),
    "gone": lambda path: path.unlink(),
    "the folder gone": lambda path: shutil.rmtree(path.parent),
    "another schema": lambda path: sqlite3.connect(path).executescript("DROP TABLE bytes").close(),
    "another format": lambda path: (
        sqlite3.connect(path).executescript("PRAGMA user_version = 99").close()
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("running", [False, True])
def test_a_damaged_file_is_a_miss_and_is_mended(
    inner: CountingStorage, folder: Path, damage: str, running: bool
) -> None:
    first = cached(inner, folder)
    read(first)
    first.cache.flush()
    the_connections_of(first)
    DAMAGE[damage](the_file(folder))
    storage = first if running else cached(inner, folder)
    for _ in range(4):
        read(storage)
        storage.cache.flush()
    assert storage.cache.working
    for _ in range(2):
        before = inner.bytes_read
        again = cached(inner, folder)
        read(again)
        again.cache.flush()
    assert inner.bytes_read == before


def the_connections_of(storage: CachedStorage) -> None:
    """Have what is in the log written to the file, as the last process to close it does."""
    connection = sqlite3.connect(storage.cache._file.path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def test_a_folder_that_cannot_be(
    inner: CountingStorage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        storage = cached(inner, tmp_path / "file" / "ranges")
        for _ in range(3):
            read(storage)
            storage.cache.flush()
    assert not storage.cache.working
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is not used any more" in caplog.text


def test_a_database_that_says_it_is_full(
    inner: CountingStorage, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = cached(inner, folder)
    read(storage, RANGES[:2])
    storage.cache.flush()
    for connection in storage.cache._file._idle:
        connection.execute("PRAGMA max_page_count = 12").fetchall()
    before = inner.bytes_read
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            read(storage)
            storage.cache.flush()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "nothing more is kept" in caplog.text
    read(storage, RANGES[:2])
    missing = sum(stop - start for start, stop in RANGES[2:])
    assert inner.bytes_read - before == 3 * missing  # what was kept is still given


FULL = """
import logging, resource, signal, sys
from pathlib import Path
from masksearch_ray.storage import LocalStorage
from masksearch_ray.storage.disk_cache import DiskCache
from masksearch_ray.storage.disk_cache_storage import CachedStorage
logging.basicConfig(level=logging.WARNING, format="%(levelname)s")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
inner, folder = sys.argv[1:]
cache = DiskCache(Path(folder), 64 << 20)
storage = CachedStorage(LocalStorage(inner), cache, lambda key: True)
data = Path(inner, "a").read_bytes()
for at in range(0, 1_000_000, 100_000):
    assert bytes(storage.get_ranges("a", [(at, at + 100_000)])[0]) == data[at:at + 100_000]
    assert cache.flush()
print(cache.counters.size)
"""


def test_a_full_disk(tmp_path: Path) -> None:
    """No file may grow beyond 200 kB: writes fail as on a full disk."""
    (tmp_path / "a").write_bytes(DATA)
    command = [sys.executable, "-c", FULL, str(tmp_path), str(tmp_path / "ranges")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.split() in (["WARNING"], [])


MANY = """
import random, sys
from pathlib import Path
from masksearch_ray.storage import LocalStorage
from masksearch_ray.storage.disk_cache import DiskCache
from masksearch_ray.storage.disk_cache_storage import CachedStorage
inner, folder, seed = sys.argv[1:]
chance = random.Random(int(seed))
cache = DiskCache(Path(folder), 1 << 20, touch_after=0.0)
storage = CachedStorage(LocalStorage(inner), cache, lambda key: True)
data = Path(inner, "a").read_bytes()
for turn in range(150):
    starts = [chance.randrange(len(data) - 30_000) for _ in range(4)]
    ranges = [(start, start + chance.choice([1, 300, 30_000])) for start in starts]
    found = storage.get_ranges("a", ranges)
    assert [bytes(one) for one in found] == [data[start:stop] for start, stop in ranges]
    if turn % 50 == 49:
        cache.flush()
        assert cache.counters.size <= 1 << 20
assert cache.working
print(cache.counters.hits, cache.counters.evictions)
"""


def test_several_processes_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    commands = [
        [sys.executable, "-c", MANY, str(tmp_path), str(tmp_path / "ranges"), str(seed)]
        for seed in range(4)
    ]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    answers = [process.communicate(timeout=100) for process in running]
    assert [process.returncode for process in running] == [0] * 4, answers
    assert [error for _, error in answers] == [""] * 4
    hits, evictions = zip(*(map(int, answer.split()) for answer, _ in answers), strict=True)
    assert sum(hits) > 0
    assert sum(evictions) > 0


def test_killed_while_it_writes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    folder = tmp_path / "ranges"
    text = MANY.replace("range(150)", "range(10**9)")
    command = [sys.executable, "-c", text, str(tmp_path), str(folder), "1"]
    for _ in range(2):
        with subprocess.Popen(command) as process:
            while not list(folder.glob("*.sqlite-wal")):
                assert process.poll() is None
            process.kill()
    storage = cached(LocalStorage(str(tmp_path)), folder)
    read(storage)
    assert storage.cache.flush()
    assert storage.cache.counters.working


def test_many_threads(inner: CountingStorage, folder: Path) -> None:
    storage = cached(inner, folder, 1 << 20)

    def some(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            start = chance.randrange(900_000)
            read(storage, [(start, start + chance.choice([1, 300, 30_000]))])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, range(8)))
    assert storage.cache.counters.working


def test_a_forked_child_starts_afresh(inner: CountingStorage, folder: Path) -> None:
    storage = cached(inner, folder)
    read(storage)
    storage.cache.flush()
    child = os.fork()
    if child == 0:
        good = False
        try:
            read(storage)
            good = storage.cache.flush()
        finally:
            os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    read(storage)


def test_bytes_that_proved_damaged_are_read_again(inner: CountingStorage, folder: Path) -> None:
    storage = cached(inner, folder)
    storage.inner.put("a", DATA[::-1])
    storage.get_ranges("a", RANGES)
    storage.inner.put("a", DATA)
    storage.cache.flush()
    assert bytes(storage.get_ranges("a", RANGES)[0]) == DATA[::-1][:300]
    with past_caches():
        read(storage)
    storage.cache.flush()
    read(storage)


def test_the_folder_is_the_users_alone(inner: CountingStorage, folder: Path) -> None:
    folder.mkdir(mode=0o777)
    read(cached(inner, folder))
    assert folder.stat().st_mode & 0o77 == 0
