"""The cache on disk: quicker, and never wrong, whatever becomes of its file."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from masksearch_ray.storage import CountingStorage, Storage
from masksearch_ray.storage.disk_cache import (
    DiskCache,
    bytes_cached_here,
    cache_counters,
    default_limit,
    disk_cache,
)
from masksearch_ray.storage.disk_cache_file import PIECE_BYTES, CacheFile, Piece
from masksearch_ray.storage.disk_cache_storage import CachedStorage
from masksearch_ray.storage.spans import gaps_in, slices, union
from tests.conformance.storage import StorageTests
from tests.storage.disk_caches import DATA, LIMIT, RANGES, cached, memory, read, the_file
from tests.storage.test_state import StorageMachine


@pytest.fixture
def inner() -> CountingStorage:
    storage = CountingStorage(memory())
    storage.put("a", DATA)
    return storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ranges"


# -- the contract of a storage ------------------------------------------------------------------


class TestCachedStorage(StorageTests):
    @pytest.fixture
    def storage(self, folder: Path) -> Storage:
        return cached(memory(), folder)

    def test_readers_never_see_half_an_object(self, storage: Storage) -> None:
        """What is replaced while it is read is not immutable, and is passed through."""
        assert isinstance(storage, CachedStorage)
        passing = CachedStorage(storage.inner, storage.cache, lambda key: False)
        super().test_readers_never_see_half_an_object(passing)


class CachedMachine(StorageMachine):
    """Any sequence of operations, with caches opened anew in between."""

    def make(self) -> Storage:
        self.folder = tempfile.TemporaryDirectory()
        return cached(memory(), Path(self.folder.name))

    @initialize()
    def begin(self) -> None:
        super().begin()

    @rule()
    def reopen(self) -> None:
        assert isinstance(self.storage, CachedStorage)
        assert self.storage.cache.flush()
        assert self.storage.cache.counters.working
        self.storage = cached(self.storage.inner, Path(self.folder.name))

    def teardown(self) -> None:
        self.folder.cleanup()


TestCachedMachine = CachedMachine.TestCase
TestCachedMachine.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1])),
    max_size=8,
)


@given(wanted=SPANS, there=SPANS)
def test_gaps_and_what_is_held_make_up_what_is_wanted(
    wanted: list[tuple[int, int]], there: list[tuple[int, int]]
) -> None:
    data = bytes(range(100))
    merged = union(wanted)
    held = [(start, stop, data[start:stop]) for start, stop in union(there)]
    gaps = gaps_in(merged, held)
    missing = {at for start, stop in gaps for at in range(start, stop)}
    kept = {at for start, stop, _ in held for at in range(start, stop)}
    assert missing == {at for start, stop in merged for at in range(start, stop)} - kept
    whole = sorted([*held, *((a, b, data[a:b]) for a, b in gaps)], key=lambda one: one[0])
    assert [bytes(one) for one in slices(wanted, whole)] == [data[a:b] for a, b in wanted]


# -- what it saves ------------------------------------------------------------------------------


def test_a_second_process_reads_nothing_from_storage(inner: CountingStorage, folder: Path) -> None:
    first = cached(inner, folder)
    read(first)
    assert first.cache.flush()
    before = inner.bytes_read, dict(inner.calls)
    second = cached(inner, folder)
    here = bytes_cached_here()
    read(second)
    assert (inner.bytes_read, dict(inner.calls)) == before
    wanted = sum(stop - start for start, stop in RANGES)
    assert bytes_cached_here() - here == wanted
    counters = second.cache.counters
    assert (counters.hits, counters.misses) == (len(RANGES), 0)
    assert (counters.hit_bytes, counters.miss_bytes) == (wanted, 0)
    assert wanted < counters.size < LIMIT


def test_only_what_is_missing_is_read(inner: CountingStorage, folder: Path) -> None:
    storage = cached(inner, folder)
    read(storage, [(100, 200), (300, 400)])
    storage.cache.flush()
    before = inner.bytes_read
    read(storage, [(50, 450), (120, 130)])
    assert inner.bytes_read - before == 400 - 200
    assert storage.cache.counters.hits == 1


def test_whole_objects(inner: CountingStorage, folder: Path) -> None:
    storage = cached(inner, folder)
    assert storage.get("a") == DATA
    storage.cache.flush()
    again = cached(inner, folder)
    before = inner.bytes_read
    assert again.get("a") == DATA
    read(again)
    assert inner.bytes_read == before


def test_what_may_change_is_passed_through(inner: CountingStorage, folder: Path) -> None:
    cache = DiskCache(folder, LIMIT)
    storage = CachedStorage(inner, cache, lambda key: key != "a")
    for _ in range(2):
        read(storage)
        cache.flush()
    assert inner.calls["get_ranges"] == 2
    assert (cache.counters.hits, cache.counters.misses) == (0, 0)


def test_storages_do_not_mix(folder: Path) -> None:
    cache = DiskCache(folder, LIMIT)
    storages = [CachedStorage(memory(), cache, lambda key: True) for _ in range(2)]
    for number, storage in enumerate(storages):
        storage.inner.put("a", b"%d" % number * 10)
    for _ in range(2):
        assert [bytes(s.get_ranges("a", [(0, 10)])[0]) for s in storages] == [b"0" * 10, b"1" * 10]
        cache.flush()


def test_one_cache_a_folder(folder: Path) -> None:
    one = disk_cache(folder, LIMIT)
    assert disk_cache(folder, LIMIT // 2) is one
    assert one.limit == LIMIT // 2
    assert str(folder) in [counters.folder for counters in cache_counters()]


def test_a_limit_by_the_disk(folder: Path) -> None:
    assert 0 < default_limit(folder) <= min(10 << 30, shutil.disk_usage("/").total)


# -- room ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [300, 5000, PIECE_BYTES])
def test_it_keeps_to_its_limit(folder: Path, size: int) -> None:
    limit = 2 << 20
    file = CacheFile(folder, limit)
    evicted = 0
    many = max(8, 100_000 // size)
    for number in range(4 * limit // size // many):
        pieces = [Piece(f"o{number}", at * size, os.urandom(size)) for at in range(many)]
        evicted += file.add(pieces)
        assert file.size() <= limit
    assert evicted > 0
    assert the_file(folder).stat().st_size <= limit
    assert file.find(f"o{number}", [(0, many * size)])


def test_what_was_used_last_stays(folder: Path) -> None:
    file = CacheFile(folder, 1 << 20, touch_after=0.0)
    clock = iter(range(10**6))
    pieces = [Piece("o", at * 30_000, os.urandom(30_000)) for at in range(60)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: float(next(clock)))
        for piece in pieces:
            file.add([piece])
            ((_, number),) = file.find("o", [(0, 10)])
            file.add([], [number])
    kept = {found.start for found, _ in file.find("o", [(0, 60 * 30_000)])}
    assert 0 in kept
    assert pieces[1].start not in kept
    newest = sorted(kept)[1:]
    assert newest == [piece.start for piece in pieces[-len(newest) :]]


def test_a_lowered_limit(folder: Path) -> None:
    file = CacheFile(folder, 8 << 20)
    file.add([Piece("o", at * PIECE_BYTES, os.urandom(PIECE_BYTES)) for at in range(60)])
    lower = CacheFile(folder, 1 << 20)
    lower.add([Piece("p", 0, b"x" * 1000)])
    lower.size()
    assert lower.size() <= 1 << 20
    assert the_file(folder).stat().st_size < 2 << 20


def test_an_object_larger_than_the_cache(inner: CountingStorage, folder: Path) -> None:
    storage = cached(inner, folder, 512 << 10)
    for _ in range(3):
        assert storage.get("a") == DATA
        storage.cache.flush()
    assert storage.cache.counters.working
    assert storage.cache.counters.size <= 512 << 10
