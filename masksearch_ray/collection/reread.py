"""Reading again what came damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from masksearch_ray.errors import DamagedError
from masksearch_ray.storage import past_caches

__all__ = ["reread"]

T = TypeVar("T")

_TIMES = 2


def reread(read: Callable[[], T]) -> T:
    """Read and verify, and do both again where that fails.

    Bytes may be damaged on their way, and whole where they lie, so a cache that kept them is passed
    by. What is damaged where it lies stays so, and costs two reads more before the error.

    Parameters
    ----------
    read : callable
        Reads anew at every call, and verifies what it read.

    Raises
    ------
    DamagedError
        If what was read is damaged every time.
    """
    try:
        return read()
    except DamagedError:
        pass
    with past_caches():
        for _ in range(_TIMES - 1):
            try:
                return read()
            except DamagedError:
                continue
        return read()
