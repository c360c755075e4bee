"""Blocking calls that whoever waits for them may stop waiting for.

A call to a store may hang where no time-out reaches: in a name server, in a chain of credentials,
in a body that comes drop by drop. So it runs in a thread of its own, and the caller looks up every
moment whether the answer is still wanted.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextvars import Context, copy_context
from typing import Any, TypeVar

from masksearch_ray.errors import QueryCancelledError, QueryTimeoutError, TransientError
from masksearch_ray.model.interrupt import PATIENCE, check

__all__ = ["Calls"]

T = TypeVar("T")
Call = Callable[[threading.Event], T]
_Work = tuple[Future[Any], Call[Any], threading.Event, Context]

_IDLE = 10.0  # seconds after which a thread without work ends


class Calls:
    """Threads that make calls for whoever waits here.

    They are daemons: a call that hangs keeps no process alive.

    Parameters
    ----------
    threads : int
        Calls at once; more have to queue.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._reset()

    def all(self, calls: Sequence[Call[T]], name: str, limit: float | None = None) -> list[T]:
        """Make calls side by side and return their results in order.

        Parameters
        ----------
        calls : sequence of callable
            Each is given an event that is set when its result is not wanted any more.
        name : str
            URL of the object, for errors.
        limit : float, optional
            Seconds after which waiting ends.

        Raises
        ------
        TransientError
            If the limit passed.
        QueryTimeoutError, QueryCancelledError
            If the work of the calling thread is not wanted any more.
        """
        stop = threading.Event()
        futures = [self._submit(call, stop) for call in calls]
        try:
            self._await(futures, name, limit)
            return [future.result() for future in futures]
        finally:
            stop.set()
            for future in futures:
                future.cancel()

    def one(self, call: Callable[[], T], name: str, limit: float | None = None) -> T:
        """Make one call and return its result; see `all`."""
        return self.all([lambda stop: call()], name, limit)[0]

    def _await(self, futures: Sequence[Future[T]], name: str, limit: float | None) -> None:
        began = time.monotonic()
        pending: set[Future[T]] = set(futures)
        while pending:
            done, pending = wait(pending, PATIENCE, FIRST_EXCEPTION)
            for future in done:
                future.result()
            if not pending:
                return
            try:
                check()
            except (QueryTimeoutError, QueryCancelledError) as error:
                raise type(error)(f"{error} while it waited for {name}") from None
            if limit is not None and time.monotonic() - began > limit:
                raise TransientError(f"no answer within {limit:.0f} s", name)

    def _submit(self, call: Call[T], stop: threading.Event) -> Future[T]:
        if self._pid != os.getpid():
            self._reset()  # threads do not survive a fork
        future: Future[T] = Future()
        with self._ready:
            self._queue.append((future, call, stop, copy_context()))
            if self._idle >= len(self._queue):
                self._ready.notify()
            elif self._running < self._threads:
                self._running += 1
                threading.Thread(target=self._work, name="storage", daemon=True).start()
        return future

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._ready = threading.Condition()
        self._queue: deque[_Work] = deque()
        self._running = self._idle = 0

    def _work(self) -> None:
        while True:
            with self._ready:
                self._idle += 1
                found = self._ready.wait_for(lambda: bool(self._queue), _IDLE)
                self._idle -= 1
                if not found:
                    self._running -= 1
                    return
                work = self._queue.popleft()
            _do(*work)
            del work  # a result that nobody waits for any more may be large


def _do(future: Future[T], call: Call[T], stop: threading.Event, context: Context) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(context.run(call, stop))
    except BaseException as error:
        future.set_exception(error)
