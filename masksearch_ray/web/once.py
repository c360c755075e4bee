"""What is read once, whoever asks first."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Once"]

T = TypeVar("T")


class Once(Generic[T]):
    """Reads something when it is first asked for; all who ask meanwhile wait for the same.

    A failure is told to those who wait for it; who asks later lets it be tried again.

    Parameters
    ----------
    read : callable
        Gives what is wanted; it takes a while.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._found: Future[T] | None = None

    def get(self) -> T:
        """Give it, once it is there; the thread waits."""
        return self._begun().result()

    async def wait(self) -> T:
        """Give it, once it is there; no thread waits."""
        return await asyncio.wrap_future(self._begun())

    def _begun(self) -> Future[T]:
        with self._lock:
            found = self._found
            if found is None or (found.done() and found.exception() is not None):
                found = self._found = Future()
                # Of whoever gives up waiting, others wait on.
                found.set_running_or_notify_cancel()
                # No thread that the process would wait for at its end.
                threading.Thread(target=self._work, args=(found,), daemon=True).start()
            return found

    def _work(self, found: Future[T]) -> None:
        try:
            found.set_result(self._read())
        except BaseException as error:  # whatever it is, whoever waits is told
            found.set_exception(error)
