"""What every storage must do, as tests: subclass `StorageTests` and give it a `storage`."""

from __future__ import annotations

import pickle
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from masksearch_ray.errors import DamagedError, ExistsError, InputError, NotFoundError
from masksearch_ray.storage import ObjectInfo, Storage, open_storage, probe_atomic_create

BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../x",
    "a/../../x",
    "a/..",
    "./a",
    "a//b",
    "a/",
    "a\0b",
    "a\udc80b",
    ".tmp-1",
    "a/.tmp-1/b",
]

ODD_KEYS = [
    "a b/c d",
    "ümlaut/日本.npy",
    "%2e%2e/x",
    "q?x=1#2",
    "[a]*{b}",
    "a+b&c=d",
    "back\\slash",
    "...",
    "~",
    "$HOME",
    "x.tmp-1",
]


def keys(storage: Storage, prefix: str = "") -> list[str]:
    return [found.key for found in storage.list(prefix)]


class StorageTests:
    """The contract of `Storage`."""

    @pytest.fixture
    def storage(self) -> Storage:
        raise NotImplementedError("give an empty storage")

    def test_put_then_get(self, storage: Storage) -> None:
        storage.put("a/b/c.bin", b"hello")
        assert storage.get("a/b/c.bin") == b"hello"

    def test_put_replaces(self, storage: Storage) -> None:
        storage.put("a", b"a longer text")
        storage.put("a", b"new")
        assert storage.get("a") == b"new"

    def test_put_joins_buffers(self, storage: Storage) -> None:
        storage.put("a", [b"ab", memoryview(b"xcdx")[1:3], b"", bytearray(b"e")])
        assert storage.get("a") == b"abcde"

    def test_empty_object(self, storage: Storage) -> None:
        storage.put("a", b"")
        storage.put("b", [])
        assert storage.get("a") == storage.get("b") == b""
        assert storage.info("a").size == 0

    def test_large_object(self, storage: Storage) -> None:
        data = random.Random(1).randbytes(9 * 1024 * 1024 + 17)
        storage.put("large", data)
        assert storage.get("large") == data
        (piece,) = storage.get_ranges("large", [(1, len(data))])
        assert piece == data[1:]

    def test_what_is_got_stays_when_the_object_changes(self, storage: Storage) -> None:
        storage.put("a", b"first")
        (piece,) = storage.get_ranges("a", [(0, 5)])
        storage.put("a", b"other")
        assert piece == b"first"

    def test_ranges_come_in_the_order_given(self, storage: Storage) -> None:
        storage.put("a", b"0123456789")
        pieces = storage.get_ranges("a", [(7, 10), (0, 2), (1, 8), (4, 4), (0, 2)])
        assert [bytes(piece) for piece in pieces] == [b"789", b"01", b"1234567", b"", b"01"]

    def test_no_ranges(self, storage: Storage) -> None:
        storage.put("a", b"0123")
        assert storage.get_ranges("a", []) == []

    def test_ranges_are_slices(self, storage: Storage) -> None:
        chance = random.Random(2)
        data = chance.randbytes(1_000_000)
        storage.put("a", data)
        ends = [sorted(chance.choices(range(len(data) + 1), k=2)) for _ in range(60)]
        ranges = [(start, stop) for start, stop in ends]
        pieces = storage.get_ranges("a", ranges)
        assert all(
            piece == data[start:stop] for piece, (start, stop) in zip(pieces, ranges, strict=True)
        )

    @pytest.mark.parametrize("bad", [(2, 5), (4, 6), (9, 12), (3, 2), (-2, 1), (0, 2**60)])
    def test_range_outside_the_object(self, storage: Storage, bad: tuple[int, int]) -> None:
        storage.put("x/short", b"0123")
        with pytest.raises(DamagedError) as caught:
            storage.get_ranges("x/short", [(0, 2), bad])
        assert caught.value.object == f"{storage.url}/x/short"

    @pytest.mark.parametrize("key", ["gone", "folder", "folder/object/below"])
    def test_missing_object(self, storage: Storage, key: str) -> None:
        storage.put("folder/object", b"x")
        calls: list[Callable[[], object]] = [
            lambda: storage.get(key),
            lambda: storage.get_ranges(key, [(0, 1)]),
            lambda: storage.info(key),
        ]
        for call in calls:
            with pytest.raises(NotFoundError) as caught:
                call()
            assert caught.value.object == f"{storage.url}/{key}"

    def test_info(self, storage: Storage) -> None:
        storage.put("a/b", b"hello")
        found = storage.info("a/b")
        assert (found.key, found.size) == ("a/b", 5)
        assert found.etag
        assert abs(found.modified - time.time()) < 60
        assert list(storage.list()) == [found]

    def test_etag_tells_a_changed_object(self, storage: Storage) -> None:
        storage.put("a", b"hello")
        before = storage.info("a")
        assert storage.info("a") == before
        storage.put("a", b"hello, world")
        assert storage.info("a").etag != before.etag

    def test_put_if_absent(self, storage: Storage) -> None:
        storage.put_if_absent("a/b", b"first")
        with pytest.raises(ExistsError) as caught:
            storage.put_if_absent("a/b", b"second")
        assert caught.value.object == f"{storage.url}/a/b"
        assert storage.get("a/b") == b"first"
        assert keys(storage) == ["a/b"]

    def test_put_if_absent_after_put_and_delete(self, storage: Storage) -> None:
        storage.put("a", b"put")
        with pytest.raises(ExistsError):
            storage.put_if_absent("a", b"late")
        storage.delete("a")
        storage.put_if_absent("a", b"again")
        assert storage.get("a") == b"again"

    def test_one_of_many_creators_wins(self, storage: Storage) -> None:
        start = threading.Barrier(16)

        def create(number: int) -> bool:
            start.wait()
            try:
                storage.put_if_absent("manifests/1.json", b"%d" % number)
            except ExistsError:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(create, range(16)))
        assert won.count(True) == 1
        assert storage.get("manifests/1.json") == b"%d" % won.index(True)
        assert keys(storage) == ["manifests/1.json"]

    def test_readers_never_see_half_an_object(self, storage: Storage) -> None:
        whole = [bytes([letter]) * 100_000 for letter in b"ab"]
        storage.put("a", whole[0])
        done = threading.Event()

        def overwrite() -> None:
            try:
                for turn in range(20):
                    storage.put("a", whole[turn % 2])
            finally:
                done.set()

        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(overwrite)
            seen = [storage.get("a")]
            while not done.is_set():
                seen.append(storage.get("a"))
            writer.result()
        assert set(seen) <= set(whole)

    def test_list_is_recursive_and_sorted(self, storage: Storage) -> None:
        names = ["b", "a/b", "a.b", "a-b/c", "a/b-c/d", "a0", "a/c", "é", "Z"]
        for name in names:
            storage.put(name, name.encode())
        found = list(storage.list(""))
        assert [one.key for one in found] == sorted(names)
        assert [one.size for one in found] == [len(name.encode()) for name in sorted(names)]
        assert all(isinstance(one, ObjectInfo) for one in found)

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("", ["logs", "seg/1/a", "seg/1/b", "seg/10", "segments"]),
            ("seg", ["seg/1/a", "seg/1/b", "seg/10", "segments"]),
            ("seg/", ["seg/1/a", "seg/1/b", "seg/10"]),
            ("seg/1", ["seg/1/a", "seg/1/b", "seg/10"]),
            ("seg/1/", ["seg/1/a", "seg/1/b"]),
            ("logs", ["logs"]),
            ("logs/", []),
            ("seg/1/a/x", []),
            ("nothing/here", []),
        ],
    )
    def test_list_by_prefix(self, storage: Storage, prefix: str, expected: list[str]) -> None:
        for name in ["segments", "seg/10", "seg/1/b", "seg/1/a", "logs"]:
            storage.put(name, b"x")
        assert keys(storage, prefix) == expected

    def test_an_empty_storage_lists_nothing(self, storage: Storage) -> None:
        assert keys(storage) == []

    def test_delete(self, storage: Storage) -> None:
        storage.put("a/b/c", b"x")
        storage.put("a/d", b"y")
        storage.delete("a/b/c")
        storage.delete("a/b/c")
        storage.delete("a/d/e")
        storage.delete("a")
        with pytest.raises(NotFoundError):
            storage.get("a/b/c")
        assert keys(storage) == ["a/d"]

    @pytest.mark.parametrize("key", BAD_KEYS)
    def test_keys_that_cannot_be(self, storage: Storage, key: str) -> None:
        calls: list[Callable[[], object]] = [
            lambda: storage.get(key),
            lambda: storage.get_ranges(key, [(0, 1)]),
            lambda: storage.info(key),
            lambda: storage.put(key, b"x"),
            lambda: storage.put_if_absent(key, b"x"),
            lambda: storage.delete(key),
        ]
        for call in calls:
            with pytest.raises(InputError):
                call()
        assert keys(storage) == []

    @pytest.mark.parametrize("prefix", ["/", "/etc/", "../", "a/../../b", "a//b"])
    def test_prefixes_that_cannot_be(self, storage: Storage, prefix: str) -> None:
        with pytest.raises(InputError):
            storage.list(prefix)

    def test_odd_keys_are_taken_literally(self, storage: Storage) -> None:
        for key in ODD_KEYS:
            storage.put(key, key.encode())
        assert keys(storage) == sorted(ODD_KEYS)
        for key in ODD_KEYS:
            assert storage.get(key) == key.encode()
            assert storage.info(key).size == len(key.encode())
            storage.delete(key)
        assert keys(storage) == []

    def test_many_threads(self, storage: Storage) -> None:
        def write_and_read(number: int) -> bool:
            key, data = f"{number % 3}/{number}", b"%d" % number * 100
            storage.put(key, data)
            return storage.get(key) == data and storage.info(key).size == len(data)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(write_and_read, range(40)))
        assert len(keys(storage)) == 40

    def test_reopened_it_shows_the_same(self, storage: Storage) -> None:
        storage.put("a/b", b"x")
        url, options = pickle.loads(pickle.dumps(storage.describe()))
        again = open_storage(url, options)
        assert again.url == storage.url == url
        assert again.get("a/b") == b"x"
        below = open_storage(f"{url}/a", options)
        assert keys(below) == ["b"]

    def test_there_are_no_leftovers(self, storage: Storage) -> None:
        storage.put("a/b", b"x")
        storage.put_if_absent("c", b"x")
        assert storage.remove_leftovers(older_than=0) == 0
        assert keys(storage) == ["a/b", "c"]

    def test_atomic_create_is_shown(self, storage: Storage) -> None:
        assert probe_atomic_create(storage)
        assert keys(storage) == []
