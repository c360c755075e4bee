"""What the machine can do at most: memory, disk, object store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.timing import Spread
from masksearch_ray.storage import open_storage

__all__ = ["Machine", "measure_disk", "measure_memory", "measure_store"]

_REPEATS = 7
_BLOCK = 1 << 22  # bytes of a plain read, and of a plain GET


@dataclass(frozen=True)
class Machine:
    """Limits measured in the same run.

    Parameters
    ----------
    cores : int
    copy_one, copy_all : float
        Bytes a second that a copy moves on one core and on all: those read and those written.
    read_one, read_all : float
        Bytes a second that a sum reads.
    disk : float
        Bytes a second of plain reads that the page cache does not hold.
    store : float, optional
        Bytes a second of plain GETs.
    store_get : float, optional
        Seconds of a small GET.
    """

    cores: int
    copy_one: float
    copy_all: float
    read_one: float
    read_all: float
    disk: float
    store: float | None = None
    store_get: float | None = None


@numba.njit(cache=True, nogil=True)
def _copy(source: Any, target: Any) -> None:
    for i in range(len(source)):
        target[i] = source[i]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _sum(source: Any) -> Any:
    total = np.uint64(0)
    for i in range(len(source)):
        total += source[i]
    return total


def measure_memory(size: int) -> tuple[float, float, float, float]:
    """Bandwidth of memory, the best of some runs: a limit is what can be reached.

    Parameters
    ----------
    size : int
        Bytes of what is copied, far beyond the caches for a true figure.

    Returns
    -------
    copy_one, copy_all, read_one, read_all : float
        Bytes a second.
    """
    source = np.ones(max(1, size // 8), np.uint64)
    target = np.zeros_like(source)
    cores = os.cpu_count() or 1
    copy_one, copy_all = (2 * source.nbytes / _best(_copy, n, source, target) for n in (1, cores))
    read_one, read_all = (source.nbytes / _best(_sum, n, source) for n in (1, cores))
    return copy_one, copy_all, read_one, read_all


def _best(work: Any, threads: int, *arrays: NDArray[np.uint64]) -> float:
    """Seconds of the quickest run, the arrays cut among threads."""
    parts = list(zip(*(np.array_split(array, threads) for array in arrays), strict=True))
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(1 + _REPEATS):  # the first one compiles
            began = time.perf_counter()
            list(pool.map(lambda part: work(*part), parts))
            seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def measure_disk(file: Path, size: int) -> float:
    """Bytes a second of reading a file in order, once the page cache has dropped it.

    Parameters
    ----------
    file : Path
    size : int
        Bytes to read at most.
    """
    with file.open("rb", buffering=0) as source:
        if hasattr(os, "posix_fadvise"):
            os.fsync(source.fileno())
            os.posix_fadvise(source.fileno(), 0, size, os.POSIX_FADV_DONTNEED)
        buffer = bytearray(min(_BLOCK, size))
        done, began = 0, time.perf_counter()
        while done < size and (got := source.readinto(buffer)):
            done += got
        return done / (time.perf_counter() - began)


def measure_store(url: str, options: Mapping[str, Any], objects: int = 16) -> tuple[float, float]:
    """Plain GETs of an object store, all cores' worth of threads at once.

    Parameters
    ----------
    url : str
        A prefix to write to; what is written is deleted again.
    options : mapping
        Of the storage.
    objects : int
        Of 4 MiB each.

    Returns
    -------
    bandwidth, get : float
        Bytes a second, and seconds of a GET of one byte.
    """
    storage = open_storage(url, dict(options))
    keys = [f"bench-{threading.get_native_id()}-{n}" for n in range(objects)]
    data = np.random.default_rng(0).bytes(_BLOCK)
    for key in keys:
        storage.put(key, data)
    try:
        with ThreadPoolExecutor(8) as pool:
            best = min(_elapsed(lambda: list(pool.map(storage.get, keys))) for _ in range(3))
        small = Spread(
            tuple(
                _elapsed(lambda: list(storage.get_ranges(keys[0], [(0, 1)])))
                for _ in range(2 * objects)
            )
        )
    finally:
        for key in keys:
            storage.delete(key)
    return objects * len(data) / best, small.median


def _elapsed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
