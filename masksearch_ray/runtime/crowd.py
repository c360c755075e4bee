"""Threads that read side by side for one that waits."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from masksearch_ray.collection.counter import bytes_read_here, count_here

__all__ = ["Crowd"]

T = TypeVar("T")


class Crowd:
    """Threads that are begun when they are first needed; several callers may share them.

    Parameters
    ----------
    threads : int
        That work at once.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def all(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Results of calls, in order; of errors that of the first call that failed.

        Calls run in copies of the caller's context: what stops the caller stops them, and what
        they read is counted as the caller's.
        """
        pool = self._open()
        futures = [pool.submit(contextvars.copy_context().run, _counted, call) for call in calls]
        found: list[T] = []
        try:
            for future in futures:
                result, read = future.result()
                count_here(read)
                found.append(result)
        finally:
            _cancel(futures[len(found) :])
        return found

    def _open(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="answers")
            return self._pool


def _counted(call: Callable[[], T]) -> tuple[T, int]:
    before = bytes_read_here()
    result = call()
    return result, bytes_read_here() - before


def _cancel(futures: Sequence[Future[tuple[T, int]]]) -> None:
    for future in futures:
        future.cancel()
