"""Reading ahead by threads without losing the order or the bound on memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["read_ahead"]

T = TypeVar("T")
R = TypeVar("R")


def read_ahead(
    read: Callable[[T], R], items: Iterable[T], threads: int = 8, ahead: int = 16
) -> Iterator[R]:
    """Yield ``read(item)`` of all items in their order, at most `ahead` of them begun."""
    rest = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix="source") as pool:
        running: deque[Future[R]] = deque(pool.submit(read, item) for item in islice(rest, ahead))
        try:
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(read, item) for item in islice(rest, 1))
        finally:
            for future in running:
                future.cancel()
