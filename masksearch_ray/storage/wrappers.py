"""Storages around a storage: latency, counts, retries and deterministic faults."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from masksearch_ray.errors import StorageError, TransientError
from masksearch_ray.storage.keys import buffers, join_url
from masksearch_ray.storage.types import Data, ObjectInfo, Pieces, Ranges, Storage

T = TypeVar("T")

OPERATIONS = (
    "get",
    "get_ranges",
    "info",
    "put",
    "put_if_absent",
    "list",
    "delete",
    "remove_leftovers",
)


class WrappedStorage:
    """Passes everything on to another storage; subclasses step in at `_around`.

    Parameters
    ----------
    inner : Storage
        Does the work.
    """

    def __init__(self, inner: Storage) -> None:
        self.inner = inner

    @property
    def url(self) -> str:
        """URL of the inner storage."""
        return self.inner.url

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        return self._around("get", key, lambda: self.inner.get(key))

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given."""
        return self._around("get_ranges", key, lambda: self.inner.get_ranges(key, ranges))

    def info(self, key: str) -> ObjectInfo:
        """Size, ETag and time of an object."""
        return self._around("info", key, lambda: self.inner.info(key))

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there."""
        self._around("put", key, lambda: self.inner.put(key, data))

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically."""
        self._around("put_if_absent", key, lambda: self.inner.put_if_absent(key, data))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`, sorted by key."""
        # Drained here, so that whatever goes wrong goes wrong inside `_around`.
        return iter(self._around("list", prefix, lambda: tuple(self.inner.list(prefix))))

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        self._around("delete", key, lambda: self.inner.delete(key))

    def remove_leftovers(self, older_than: float) -> int:
        """Remove what interrupted writes left behind."""
        return self._around("remove_leftovers", "", lambda: self.inner.remove_leftovers(older_than))

    def describe(self) -> tuple[str, dict[str, Any]]:
        """URL and options of the inner storage, which is reopened without the wrapper."""
        return self.inner.describe()

    def _around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        return call()


class LatencyStorage(WrappedStorage):
    """Makes every call wait, as a distant storage does.

    Parameters
    ----------
    inner : Storage
        Does the work.
    seconds : float
        Wait before each call.
    """

    def __init__(self, inner: Storage, seconds: float) -> None:
        super().__init__(inner)
        self.seconds = seconds

    def _around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        time.sleep(self.seconds)
        return call()


class CountingStorage(WrappedStorage):
    """Counts calls, and the bytes asked for and given; failed calls count without bytes."""

    def __init__(self, inner: Storage) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._read = 0
        self._written = 0

    @property
    def calls(self) -> Mapping[str, int]:
        """Number of calls by operation, as of now."""
        with self._lock:
            return Counter(self._calls)

    @property
    def bytes_read(self) -> int:
        """Bytes returned by `get` and `get_ranges`."""
        with self._lock:
            return self._read

    @property
    def bytes_written(self) -> int:
        """Bytes taken by `put` and `put_if_absent`."""
        with self._lock:
            return self._written

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        data = super().get(key)
        self._add(read=len(data))
        return data

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given."""
        pieces = super().get_ranges(key, ranges)
        self._add(read=_size(pieces))
        return pieces

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there."""
        super().put(key, data)
        self._add(written=_size(data))

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically."""
        super().put_if_absent(key, data)
        self._add(written=_size(data))

    def _around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        with self._lock:
            self._calls[operation] += 1
        return call()

    def _add(self, read: int = 0, written: int = 0) -> None:
        with self._lock:
            self._read += read
            self._written += written


class Killed(BaseException):
    """The process died here, as far as a test is concerned; nothing may handle it."""


FaultKind = Literal["transient", "error", "full", "kill", "truncate", "flip"]


@dataclass(frozen=True)
class Fault:
    """One row of a table of faults."""

    operation: str
    """Name of a storage operation, or ``"*"`` for whichever it is."""
    nth: int
    """The call, counted from 1, at which it first strikes: among calls of the operation, or
    among all calls where that is ``"*"``."""
    times: int = 1
    """How many calls in a row it strikes."""
    kind: FaultKind = "transient"
    """``transient``, ``error``, ``full``: the error raised; ``kill``: `Killed`, by this and
    every later call; ``truncate``, ``flip``: the second half of the bytes read or written is
    missing, or one bit in their middle is wrong."""
    when: Literal["before", "after"] = "before"
    """Whether the operation had taken effect when the error was raised."""

    def __post_init__(self) -> None:
        carries_data = self.operation in ("get", "get_ranges", "put", "put_if_absent")
        if self.operation not in (*OPERATIONS, "*"):
            raise ValueError(f"{self.operation!r} is no storage operation")
        if self.kind in ("truncate", "flip") and not carries_data:
            raise ValueError(f"{self.kind} needs an operation that carries data")


class FaultyStorage(WrappedStorage):
    """Fails as a table says: at the same calls in every run.

    Parameters
    ----------
    inner : Storage
        Does the work; after a kill it holds what the dead process left behind.
    table : sequence of Fault
        The first row that applies to a call is the one that strikes.
    """

    def __init__(self, inner: Storage, table: Sequence[Fault]) -> None:
        super().__init__(inner)
        self.table = tuple(table)
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._dead = False

    @property
    def calls(self) -> int:
        """Number of calls until now, of whatever operation."""
        with self._lock:
            return self._calls["*"]

    def get(self, key: str) -> bytes:
        """Read a whole object."""
        fault = self._next("get")
        data = self._strike(fault, key, lambda: self.inner.get(key))
        return _damage(fault, data)

    def get_ranges(self, key: str, ranges: Ranges) -> Pieces:
        """Read byte ranges, in the order given; damage is in the longest."""
        fault = self._next("get_ranges")
        pieces = self._strike(fault, key, lambda: self.inner.get_ranges(key, ranges))
        if not pieces:
            return pieces
        longest = max(range(len(pieces)), key=lambda position: len(pieces[position]))
        damaged = _damage(fault, bytes(pieces[longest]))
        return [*pieces[:longest], damaged, *pieces[longest + 1 :]]

    def put(self, key: str, data: Data) -> None:
        """Write an object, replacing what was there."""
        fault = self._next("put")
        self._strike(fault, key, lambda: self.inner.put(key, _damage_data(fault, data)))

    def put_if_absent(self, key: str, data: Data) -> None:
        """Create an object atomically."""
        fault = self._next("put_if_absent")
        self._strike(fault, key, lambda: self.inner.put_if_absent(key, _damage_data(fault, data)))

    def _around(self, operation: str, key: str, call: Callable[[], T]) -> T:
        return self._strike(self._next(operation), key, call)

    def _next(self, operation: str) -> Fault | None:
        """Count this call and say which fault it meets."""
        with self._lock:
            if self._dead:
                raise Killed(f"{operation} after the process died")
            self._calls[operation] += 1
            self._calls["*"] += 1
            for fault in self.table:
                late = self._calls[fault.operation] - fault.nth
                if fault.operation in (operation, "*") and 0 <= late < fault.times:
                    return fault
        return None

    def _strike(self, fault: Fault | None, key: str, call: Callable[[], T]) -> T:
        if fault is None or fault.kind in ("truncate", "flip"):
            return call()
        if fault.when == "after":
            call()
        if fault.kind == "kill":
            with self._lock:
                self._dead = True
            raise Killed(f"{fault.operation} number {fault.nth}")
        name = join_url(self.url, key)
        if fault.kind == "full":
            raise StorageError("no space left", name)
        kind = TransientError if fault.kind == "transient" else StorageError
        raise kind(f"injected {fault.kind}", name)


def _size(data: Data) -> int:
    return sum(memoryview(buffer).nbytes for buffer in buffers(data))


def _damage(fault: Fault | None, data: bytes) -> bytes:
    half = len(data) // 2
    if fault is not None and fault.kind == "truncate":
        return data[:half]
    if fault is not None and fault.kind == "flip" and data:
        return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
    return data


def _damage_data(fault: Fault | None, data: Data) -> Data:
    if fault is None or fault.kind not in ("truncate", "flip"):
        return data
    return _damage(fault, b"".join(buffers(data)))
