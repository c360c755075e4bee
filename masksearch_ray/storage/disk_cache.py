"""A cache on disk around a storage: what immutable objects hold is read from it once a machine.

A cache may only make things quicker. Whatever goes wrong in it counts as bytes that are not
there; they are read from storage, and the cache is mended or turned off.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import sqlite3
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from masksearch_ray.model.usage import note_usage
from masksearch_ray.storage.disk_cache_file import PIECE_BYTES, CacheFile, Piece
from masksearch_ray.storage.spans import Held, Span
from masksearch_ray.storage.sqlite import is_busy, is_full

__all__ = [
    "CacheCounters",
    "DiskCache",
    "bytes_cached_here",
    "cache_counters",
    "default_limit",
    "disk_cache",
]

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_MOST = 10 << 30  # bytes of a cache, where nobody says otherwise
_SHARE = 5  # the cache takes at most the fifth part of what the disk has free
_WAITING_BYTES = 64 << 20  # that wait to be written
_BATCH_BYTES = 8 << 20  # written together
_TOUCHED = 1024  # uses that are told even where nothing is to be written
_PATIENCE = 0.25  # seconds that a reader waits for a slow disk; then it drops what it read
_PARTING = 5.0  # seconds that a process gives its cache when it ends
_REPAIRS = 2  # files begun anew by a process, and
_STALLS = 3  # times that one waits for others in vain before it goes without a cache

_here = threading.local()
_every: weakref.WeakSet[DiskCache] = weakref.WeakSet()


def bytes_cached_here() -> int:
    """Bytes that the calling thread was given from caches."""
    total: int = getattr(_here, "bytes", 0)
    return total


@dataclass(frozen=True)
class CacheCounters:
    """What a cache did in this process, and how large it is.

    Parameters
    ----------
    folder : str
    hits, misses : int
        Ranges of bytes found whole, and not.
    hit_bytes, miss_bytes : int
        Bytes given from the cache, and read from storage.
    evictions : int
        Pieces that had to go to make room.
    dropped : int
        Pieces that were not kept, as the disk was too slow or full.
    size, limit : int
        Bytes taken on disk, by all processes; bytes that it may take.
    working : bool
        False once it was turned off.
    """

    folder: str
    hits: int = 0
    misses: int = 0
    hit_bytes: int = 0
    miss_bytes: int = 0
    evictions: int = 0
    dropped: int = 0
    size: int = 0
    limit: int = 0
    working: bool = True


class DiskCache:
    """Pieces of immutable objects in a folder; may be used by several threads and processes.

    No method raises an error, except for a senseless limit.

    Parameters
    ----------
    folder : Path
        Made when it is first needed.
    limit : int
        Bytes that it may take on disk.
    touch_after : float
        See `CacheFile`.
    """

    def __init__(self, folder: Path, limit: int, touch_after: float = 600.0) -> None:
        self.folder = folder
        self._file = CacheFile(folder, limit, touch_after)
        self._counters = CacheCounters(str(folder))
        self._repairs = self._stalls = 0
        self._writing = True
        self._begin()
        self._guarded(lambda file: file.size(), 0)
        _every.add(self)

    def _begin(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._waiting: deque[Piece] = deque()
        self._waiting_bytes = 0
        self._touched: set[int] = set()
        self._writer: threading.Thread | None = None
        self._busy = False

    @property
    def working(self) -> bool:
        """Whether it is in use: what fails too often is turned off."""
        return self._counters.working

    @property
    def limit(self) -> int:
        """Bytes that it may take on disk."""
        return self._file.limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._file.limit = limit

    @property
    def counters(self) -> CacheCounters:
        """What it did in this process until now."""
        size = self._guarded(lambda file: file.size(), 0)
        with self._changed:
            return replace(self._counters, size=size, limit=self.limit)

    def find(self, object: str, wanted: Sequence[Span]) -> list[Held]:
        """What is kept of ranges, ascending: disjoint ranges and their bytes, sound ones only."""
        none: list[tuple[Piece, int]] = []
        found = self._guarded(lambda file: file.find(object, wanted), none)
        with self._changed:
            self._touched.update(number for _, number in found if number)
            if len(self._touched) >= _TOUCHED:
                self._wake()
        return _disjoint([piece for piece, _ in found])

    def end(self, object: str) -> int | None:
        """Size of an object, where that is known."""
        return self._guarded(lambda file: file.end(object), None)

    def keep(self, object: str, held: Iterable[Held], *, whole: bool = False) -> None:
        """Keep bytes of an object: they are written by and by, by a thread of the cache's own.

        Parameters
        ----------
        object : str
            URL of the object.
        held : iterable of (int, int, bytes)
        whole : bool
            Whether it is the whole object.
        """
        if not self.working or not self._writing:
            return
        pieces = list(_cut(object, held, whole))
        size = sum(len(piece.data) for piece in pieces)
        with self._changed:
            free = self._changed.wait_for(lambda: self._waiting_bytes <= _WAITING_BYTES, _PATIENCE)
            if not free:
                self._count(dropped=len(pieces))
                return
            self._waiting += pieces
            self._waiting_bytes += size
            self._wake()

    def forget(self, object: str) -> bool:
        """Drop what is kept of an object; whether there was anything."""
        with self._changed:
            before = len(self._waiting)
            self._waiting = deque(piece for piece in self._waiting if piece.object != object)
            self._waiting_bytes = sum(len(piece.data) for piece in self._waiting)
            dropped = len(self._waiting) < before
            self._changed.wait_for(lambda: not self._busy, _PARTING)
            return self._guarded(lambda file: file.forget(object), 0) > 0 or dropped

    def flush(self, patience: float = _PARTING) -> bool:
        """Write what waits; whether that was done in so many seconds."""
        with self._changed:
            if self._touched or self._waiting:
                self._wake()
            return self._changed.wait_for(
                lambda: not (self._waiting or self._touched or self._busy), patience
            )

    def count(self, hits: int, misses: int, hit_bytes: int, miss_bytes: int) -> None:
        """Count ranges and bytes that were found, and that were not."""
        _here.bytes = bytes_cached_here() + hit_bytes
        note_usage(bytes_cached=hit_bytes)
        self._count(hits=hits, misses=misses, hit_bytes=hit_bytes, miss_bytes=miss_bytes)

    def after_fork(self) -> None:
        """Start afresh in a child process, where no thread but the caller's lives on."""
        self._begin()
        self._file.after_fork()

    # -- writing ------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Have the writer look for work; the caller holds the lock."""
        if self._writer is None:
            self._writer = threading.Thread(
                target=self._write_all, name="masksearch disk cache", daemon=True
            )
            self._writer.start()
        self._changed.notify_all()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                if not self._waiting and not self._touched:
                    self._writer = None
                    return
                batch = self._take_batch()
                touched, self._touched = self._touched, set()
                self._busy = True
            evicted = self._guarded(partial(_add, batch, touched), 0)
            self._count(evictions=evicted)

    def _take_batch(self) -> list[Piece]:
        batch, size = [], 0
        while self._waiting and size < _BATCH_BYTES:
            batch.append(self._waiting.popleft())
            size += len(batch[-1].data)
        self._waiting_bytes -= size
        return batch

    # -- faults -------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[CacheFile], T], otherwise: T) -> T:
        """Do something with the file, or, whatever goes wrong, something else."""
        if not self.working:
            return otherwise
        number = self._file.number
        try:
            return work(self._file)
        except sqlite3.Error as error:
            self._mend(error, number)
        except OSError as error:
            self._turn_off(error)
        return otherwise

    def _mend(self, error: sqlite3.Error, number: int) -> None:
        with self._changed:
            if number != self._file.number:
                return
            if is_busy(error):
                self._wait_no_more(error)
                return
            if is_full(error):
                self._stop_writing(error)
                return
            self._repairs += 1
            if self._repairs > _REPAIRS:
                self._turn_off(error)
                return
            _LOG.info("cache in %s begins anew: %s", self.folder, error)
            try:
                self._file.replace()
            except (OSError, sqlite3.Error) as worse:
                self._turn_off(worse)

    def _wait_no_more(self, error: Exception) -> None:
        """Turn the cache off where others keep it from being read; writing may fail at times."""
        if threading.current_thread() is not self._writer:
            self._stalls += 1
            if self._stalls > _STALLS:
                self._turn_off(error)

    def _stop_writing(self, error: Exception) -> None:
        if self._writing:
            _LOG.warning("cache in %s is full, nothing more is kept: %s", self.folder, error)
        self._writing = False
        self._waiting.clear()
        self._waiting_bytes = 0

    def _turn_off(self, error: Exception) -> None:
        with self._changed:
            if self._counters.working:
                _LOG.warning("cache in %s is not used any more: %s", self.folder, error)
            self._counters = replace(self._counters, working=False)
            self._waiting.clear()
            self._touched.clear()
            self._waiting_bytes = 0

    def _count(self, **more: int) -> None:
        with self._changed:
            sums = {name: getattr(self._counters, name) + n for name, n in more.items()}
            self._counters = replace(self._counters, **sums)


def _add(pieces: Iterable[Piece], used: Iterable[int], file: CacheFile) -> int:
    return file.add(pieces, used)


def _disjoint(pieces: Sequence[Piece]) -> list[Held]:
    """Pieces, ascending by start, without what an earlier one holds too."""
    found: list[Held] = []
    last = 0
    for piece in pieces:
        start = max(last, piece.start)
        if start < piece.stop:
            found.append((start, piece.stop, memoryview(piece.data)[start - piece.start :]))
            last = piece.stop
    return found


def _cut(object: str, held: Iterable[Held], whole: bool) -> Iterable[Piece]:
    for start, stop, data in held:
        view = memoryview(data)
        for at in range(start, stop, PIECE_BYTES):
            some = bytes(view[at - start : at - start + PIECE_BYTES])
            yield Piece(object, at, some, whole and at + len(some) == stop)
        if whole and start == stop:
            yield Piece(object, start, b"", True)


# -- the caches of this process -----------------------------------------------------------------

_caches: dict[Path, DiskCache] = {}
_caches_lock = threading.Lock()


def disk_cache(folder: Path, limit: int) -> DiskCache:
    """The cache in a folder; all who ask for it in this process share it, and the last limit."""
    with _caches_lock:
        cache = _caches.get(folder)
        if cache is None:
            cache = _caches[folder] = DiskCache(folder, limit)
        else:
            cache.limit = limit
        return cache


def default_limit(folder: Path) -> int:
    """Bytes that a cache may take where nobody says otherwise, by what the disk has free."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    with contextlib.suppress(OSError):
        kept = sum(path.stat().st_size for path in folder.glob("*.sqlite*"))
        return min(_MOST, (shutil.disk_usage(there).free + kept) // _SHARE)
    return _MOST


def cache_counters() -> tuple[CacheCounters, ...]:
    """Counters of all caches that this process uses."""
    with _caches_lock:
        caches = list(_caches.values())
    return tuple(cache.counters for cache in caches)


@atexit.register
def _part() -> None:
    for cache in list(_caches.values()):
        cache.flush()


def _after_fork() -> None:
    global _caches_lock
    _caches_lock = threading.Lock()
    for cache in _every:
        cache.after_fork()


os.register_at_fork(after_in_child=_after_fork)
