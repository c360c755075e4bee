"""Stopping long work between its steps, whoever it is done for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["check", "interruptible", "locked"]

_PATIENCE = 0.05  # seconds between two looks at whether to go on waiting

_here = threading.local()


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let `stop` end, by an error, what the calling thread does meanwhile."""
    before = getattr(_here, "stop", None)
    _here.stop = stop
    try:
        yield
    finally:
        _here.stop = before


def check() -> None:
    """Stop here, by an error, if the work of the calling thread is not wanted any more."""
    stop = getattr(_here, "stop", None)
    if stop is not None:
        stop()


@contextmanager
def locked(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock, which others may hold for long; waiting for it can be stopped."""
    while not lock.acquire(timeout=_PATIENCE):
        check()
    try:
        yield
    finally:
        lock.release()
