"""Stopping long work between its steps, whoever it is done for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["PATIENCE", "check", "interruptible", "locked", "sleep"]

PATIENCE = 0.05
"""Seconds between two looks at whether to go on waiting."""

_stop: ContextVar[Callable[[], None] | None] = ContextVar("masksearch_stop", default=None)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """Let `stop` end, by an error, what is done in this context meanwhile.

    Threads that work for it are ended too if they run in a copy of the context.
    """
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def check() -> None:
    """Stop here, by an error, if the work of this context is not wanted any more."""
    stop = _stop.get()
    if stop is not None:
        stop()


def sleep(seconds: float) -> None:
    """Wait, unless the work of this context is not wanted any more."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, PATIENCE))


@contextmanager
def locked(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock, which others may hold for long; waiting for it can be stopped."""
    while not lock.acquire(timeout=PATIENCE):
        check()
    try:
        yield
    finally:
        lock.release()
