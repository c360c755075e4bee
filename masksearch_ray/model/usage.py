"""What a piece of work asks of storages, counted wherever in the package that happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Meter", "Usage", "metered", "note_usage"]


@dataclass(frozen=True)
class Usage:
    """What was asked of storages.

    Parameters
    ----------
    requests : int
        Requests, those that were tried again among them.
    retries : int
        Requests tried again after a failure that may pass.
    bytes_cached : int
        Bytes that a disk cache held, so that no storage was asked.
    """

    requests: int = 0
    retries: int = 0
    bytes_cached: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.retries + other.retries,
            self.bytes_cached + other.bytes_cached,
        )


class Meter:
    """Adds up usage; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """Sums as of now."""
        return self._usage

    def add(self, usage: Usage) -> None:
        """Add to the sums."""
        with self._lock:
            self._usage += usage


_meter: ContextVar[Meter | None] = ContextVar("masksearch_meter", default=None)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count on `meter` what is done in this context.

    Threads that work for it count there too if they run in a copy of it:
    ``pool.submit(contextvars.copy_context().run, call)``.
    """
    token = _meter.set(meter)
    try:
        yield
    finally:
        _meter.reset(token)


def note_usage(requests: int = 0, retries: int = 0, bytes_cached: int = 0) -> None:
    """Count what was asked of a storage, on the meter of whom it is done for, if there is one."""
    meter = _meter.get()
    if meter is not None:
        meter.add(Usage(requests, retries, bytes_cached))
