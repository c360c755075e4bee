"""Closing of generators that nobody reads any more, by a thread that holds no lock."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import Any

__all__ = ["close_when_gone"]

_log = logging.getLogger("masksearch_ray.runtime")

# The one queue that may be put into while the same thread is putting into it: garbage collection
# happens anywhere.
_left: SimpleQueue[Generator[Any, Any, Any]] = SimpleQueue()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def close_when_gone(owner: object, steps: Generator[Any, Any, Any]) -> Callable[[], Any]:
    """Have a generator closed once its owner is garbage.

    Python would close it as well, but in the thread that collects garbage, within whatever that
    holds: a lock that closing needs, too, would never be free.

    Parameters
    ----------
    owner : object
        Must not be known to the generator, which would keep it for ever.
    steps : generator

    Returns
    -------
    callable
        Calls it off, for a generator that has ended.
    """
    _start()
    gone = weakref.finalize(owner, _left.put, steps)
    gone.atexit = False
    return gone.detach


def _start() -> None:
    """Have the thread run; not begun by those who leave, who may be within anything."""
    global _thread
    with _starting:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_close_all, name="leftovers", daemon=True)
            _thread.start()


def _close_all() -> None:
    while True:
        try:
            _left.get().close()
        except Exception:
            _log.exception("an answer that was left could not be closed")
