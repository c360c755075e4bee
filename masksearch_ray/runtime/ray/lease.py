"""Letting workers hear of a client whose reader pauses."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from ray.exceptions import RayError

__all__ = ["heard_of"]

_EVERY = 30.0  # seconds between signs of life; workers wait for a few of them


@contextlib.contextmanager
def heard_of(tell: Callable[[], None]) -> Iterator[None]:
    """Tell workers now and then that somebody waits, also while nobody reads.

    Workers that outlive clients give up what they do for one that is silent. A round trip hears
    and tells only while its answer is read; who reads may pause for as long as they like.

    Parameters
    ----------
    tell : callable
        One way, without waiting; called on a thread of its own.
    """
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(_EVERY):
            with contextlib.suppress(RayError):  # the round trip sees to workers that are lost
                tell()

    threading.Thread(target=go_on, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
