"""How much was read."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from masksearch_ray.model.usage import note_usage

__all__ = ["ReadCounter", "ReadTotals", "bytes_read_here", "count_here"]

_here = threading.local()


def bytes_read_here() -> int:
    """Bytes that the calling thread has read from storages, by whatever counter."""
    total: int = getattr(_here, "bytes", 0)
    return total


def count_here(read: int) -> None:
    """Count as read by the calling thread what others have read for it."""
    _here.bytes = bytes_read_here() + read


@dataclass(frozen=True)
class ReadTotals:
    """What was read until now.

    Parameters
    ----------
    bytes : int
        From storage.
    requests : int
        Calls to the storage.
    tiles : int
        Tiles decoded.
    """

    bytes: int = 0
    requests: int = 0
    tiles: int = 0


class ReadCounter:
    """Adds up reads; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals = ReadTotals()

    @property
    def totals(self) -> ReadTotals:
        """Sums as of now."""
        return self._totals

    def add(self, bytes: int = 0, requests: int = 0, tiles: int = 0) -> None:
        """Add to the sums."""
        count_here(bytes)
        note_usage(requests=requests)
        with self._lock:
            old = self._totals
            self._totals = ReadTotals(old.bytes + bytes, old.requests + requests, old.tiles + tiles)
