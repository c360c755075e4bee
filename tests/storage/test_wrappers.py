from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from masksearch_ray.errors import DamagedError, NotFoundError, StorageError, TransientError
from masksearch_ray.storage import (
    CountingStorage,
    Fault,
    FaultyStorage,
    Killed,
    LatencyStorage,
    LocalStorage,
    MemoryStorage,
    RetryingStorage,
    Storage,
)
from masksearch_ray.storage.wrappers import OPERATIONS
from tests.conformance.storage import StorageTests, keys


def fresh() -> MemoryStorage:
    return MemoryStorage(f"memory://{uuid.uuid4().hex}")


class TestWrapped(StorageTests):
    @pytest.fixture
    def storage(self) -> Storage:
        return CountingStorage(FaultyStorage(LatencyStorage(fresh(), 0.0), []))


class TestRetriedThroughFaults(StorageTests):
    """Faults that pass change no answer."""

    @pytest.fixture
    def storage(self) -> Storage:
        table = [Fault("*", nth, times=2) for nth in range(1, 600, 3)]
        faulty = FaultyStorage(fresh(), table)
        return RetryingStorage(faulty, attempts=200, sleep=lambda seconds: None)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def retrying(
    table: list[Fault], clock: Clock, chance: float = 0.0, **settings: float
) -> tuple[RetryingStorage, FaultyStorage]:
    inner = fresh()
    inner.put("a", b"x")
    faulty = FaultyStorage(inner, table)
    storage = RetryingStorage(
        faulty,
        attempts=int(settings.pop("attempts", 6)),
        **settings,
        sleep=clock.sleep,
        clock=lambda: clock.now,
        chance=lambda: chance,
    )
    return storage, faulty


def test_waits_double() -> None:
    clock = Clock()
    storage, faulty = retrying([Fault("get", 1, times=4)], clock, base=0.5)
    assert storage.get("a") == b"x"
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]
    assert faulty.calls == 5


def test_jitter_shortens_waits_by_its_share() -> None:
    clock = Clock()
    storage, _ = retrying([Fault("get", 1, times=2)], clock, chance=0.5, base=1.0, jitter=0.4)
    storage.get("a")
    assert clock.slept == pytest.approx([0.8, 1.6])


def test_attempts_are_counted_with_the_first() -> None:
    clock = Clock()
    storage, faulty = retrying([Fault("get", 1, times=99)], clock, attempts=3)
    with pytest.raises(TransientError):
        storage.get("a")
    assert faulty.calls == 3
    assert len(clock.slept) == 2


def test_no_attempt_begins_after_the_deadline() -> None:
    clock = Clock()
    table = [Fault("get", 1, times=99)]
    storage, faulty = retrying(table, clock, attempts=99, deadline=3.5, base=0.5)
    with pytest.raises(TransientError):
        storage.get("a")
    assert clock.slept == [0.5, 1.0, 2.0]
    assert faulty.calls == 4


@pytest.mark.parametrize("kind", ["error", "full"])
def test_only_what_may_pass_is_tried_again(kind: str) -> None:
    clock = Clock()
    storage, faulty = retrying([Fault("get", 1, kind=kind)], clock)  # type: ignore[arg-type]
    with pytest.raises(StorageError):
        storage.get("a")
    with pytest.raises(NotFoundError):
        storage.get("gone")
    assert faulty.calls == 2
    assert clock.slept == []


def test_a_listing_that_fails_is_begun_again() -> None:
    clock = Clock()
    storage, _ = retrying([Fault("list", 1, times=2)], clock)
    assert keys(storage) == ["a"]
    assert len(clock.slept) == 2


def test_counts() -> None:
    storage = CountingStorage(fresh())
    storage.put("a", [b"abc", b"de"])
    storage.put_if_absent("b", b"xy")
    storage.get("a")
    storage.get_ranges("a", [(0, 2), (1, 2)])
    storage.get_ranges("a", [])
    list(storage.list())
    storage.info("a")
    storage.delete("a")
    with pytest.raises(NotFoundError):
        storage.get("a")
    assert storage.calls == {
        "put": 1,
        "put_if_absent": 1,
        "get": 2,
        "get_ranges": 2,
        "list": 1,
        "info": 1,
        "delete": 1,
    }
    assert storage.bytes_written == 7
    assert storage.bytes_read == 5 + 3


def test_counts_of_many_threads() -> None:
    storage = CountingStorage(fresh())
    storage.put("a", b"abc")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: storage.get("a"), range(800)))
    assert storage.calls["get"] == 800
    assert storage.bytes_read == 2400


def test_latency() -> None:
    storage = LatencyStorage(fresh(), 0.02)
    begun = time.monotonic()
    storage.put("a", b"x")
    storage.get("a")
    assert time.monotonic() - begun >= 0.04


def test_a_fault_strikes_the_nth_call_and_no_other() -> None:
    storage = FaultyStorage(fresh(), [Fault("get", 2, times=2)])
    storage.put("a", b"x")
    outcomes = []
    for _ in range(5):
        try:
            outcomes.append(storage.get("a"))
        except TransientError as error:
            assert error.object == f"{storage.url}/a"
            outcomes.append(b"failed")
    assert outcomes == [b"x", b"failed", b"failed", b"x", b"x"]


def test_any_operation_counts_for_a_star() -> None:
    storage = FaultyStorage(fresh(), [Fault("*", 3, kind="error")])
    storage.put("a", b"x")
    storage.get("a")
    with pytest.raises(StorageError):
        storage.info("a")
    assert storage.get("a") == b"x"
    assert storage.calls == 4


@pytest.mark.parametrize(("when", "there"), [("before", []), ("after", ["a"])])
@pytest.mark.parametrize("operation", ["put", "put_if_absent"])
def test_an_error_may_come_before_or_after_the_effect(
    operation: str, when: str, there: list[str]
) -> None:
    fault = Fault(operation, 1, when=when)  # type: ignore[arg-type]
    storage = FaultyStorage(fresh(), [fault])
    with pytest.raises(TransientError):
        getattr(storage, operation)("a", b"x")
    assert keys(storage) == there


@pytest.mark.parametrize(("when", "there"), [("before", []), ("after", ["a"])])
def test_the_dead_do_nothing_more(when: str, there: list[str]) -> None:
    inner = fresh()
    storage = FaultyStorage(inner, [Fault("*", 1, kind="kill", when=when)])  # type: ignore[arg-type]
    with pytest.raises(Killed):
        storage.put("a", b"x")
    calls: list[Callable[[], object]] = [
        lambda: storage.get("a"),
        lambda: storage.get_ranges("a", [(0, 1)]),
        lambda: storage.info("a"),
        lambda: storage.put("b", b"x"),
        lambda: storage.put_if_absent("b", b"x"),
        lambda: storage.list(),
        lambda: storage.delete("a"),
        lambda: storage.remove_leftovers(0),
    ]
    assert len(calls) == len(OPERATIONS)
    for call in calls:
        with pytest.raises(Killed):
            call()
    assert keys(inner) == there


def test_a_kill_is_no_exception_that_code_may_handle() -> None:
    assert not issubclass(Killed, Exception)


def test_full() -> None:
    storage = FaultyStorage(fresh(), [Fault("put", 1, kind="full")])
    with pytest.raises(StorageError, match="no space left"):
        storage.put("a", b"x")
    assert keys(storage) == []


def test_damage_on_the_way_in_and_out(tmp_path: Path) -> None:
    damage = [
        Fault("put", 1, kind="truncate"),
        Fault("put", 2, kind="flip"),
        Fault("get", 3, kind="truncate"),
        Fault("get", 4, kind="flip"),
        Fault("get_ranges", 2, kind="flip"),
        Fault("get_ranges", 3, kind="truncate"),
    ]
    storage = FaultyStorage(LocalStorage(str(tmp_path)), damage)
    storage.put("short", [b"01", b"23"])
    storage.put("flipped", b"0123")
    storage.put("good", b"0123")
    assert [storage.get(key) for key in ("short", "flipped")] == [b"01", b"0133"]
    assert [storage.get("good") for _ in range(3)] == [b"01", b"0133", b"0123"]
    with pytest.raises(DamagedError):
        storage.get_ranges("short", [(0, 4)])
    ranges = [(0, 1), (0, 4)]
    assert storage.get_ranges("good", ranges) == [b"0", b"0133"]
    assert storage.get_ranges("good", ranges) == [b"0", b"01"]
    assert storage.get_ranges("good", ranges) == [b"0", b"0123"]


@pytest.mark.parametrize(
    ("operation", "kind"), [("read", "error"), ("*", "flip"), ("delete", "truncate")]
)
def test_tables_that_make_no_sense(operation: str, kind: str) -> None:
    with pytest.raises(ValueError, match="operation"):
        Fault(operation, 1, kind=kind)  # type: ignore[arg-type]
