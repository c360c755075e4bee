"""Queries as the page runs them: in threads, within limits, watched while they run."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pyarrow as pa

from masksearch_ray.collection.recent import Recent
from masksearch_ray.errors import FailedError, MaskSearchError, QueryCancelledError
from masksearch_ray.session import Collection, Result, Stats

__all__ = ["Run", "Runs", "State"]

_log = logging.getLogger("masksearch_ray.web")

State = Literal["waiting", "running", "done", "failed", "cancelled"]

_KEPT_BYTES = 256 << 20
_RUN_BYTES = 4096  # that a run takes besides its answer
_KNOWN = 4096  # texts that are known to have been asked before
_TICK = 0.02  # seconds between looks at a run


def _told(error: Exception) -> MaskSearchError:
    """Give an error that may be shown: what nobody foresaw may hold paths, and is the log's."""
    if isinstance(error, MaskSearchError):
        return error
    _log.error("a query of the page failed", exc_info=error)
    return FailedError(f"the query failed: {type(error).__name__}")


class Run:
    """A query that runs, or has run.

    Parameters
    ----------
    sql : str
    use_index : bool
        False: a full scan.

    Attributes
    ----------
    key : str
        By which exports know it.
    marked : frozenset of str
        Masks or images of the answer that exports are to hold; all where there are none.
    first : bool
        Whether it was the first of its text, so that it read what others find in memory.
    """

    def __init__(self, sql: str, use_index: bool, first: bool) -> None:
        self.sql = sql
        self.use_index = use_index
        self.first = first
        self.key = uuid.uuid4().hex
        self.state: State = "waiting"
        self.marked: frozenset[str] = frozenset()
        self.rows = 0
        self.cut = False
        self.table: pa.Table | None = None
        self.stats: Stats | None = None
        self.error: MaskSearchError | None = None
        self._began = time.perf_counter()
        self._ended: float | None = None
        self._found: list[pa.Table] = []
        self._result: Result | None = None
        self._cancelled = threading.Event()

    @property
    def seconds(self) -> float:
        """How long it takes, or took, waiting included."""
        return (self._ended or time.perf_counter()) - self._began

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._ended is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the answer, as far as it is there."""
        return sum(int(table.nbytes) for table in (self.table, *self._found) if table is not None)

    def so_far(self) -> pa.Table | None:
        """The answer, or the part of it that is decided already."""
        if self.table is not None:
            return self.table
        found = list(self._found)
        return pa.concat_tables(found) if found else None

    def cancel(self) -> None:
        """Stop it."""
        self._cancelled.set()
        if self._result is not None:
            self._result.cancel()

    async def wait(self, seconds: float | None = None) -> Run:
        """Wait until it is over, or for so long."""
        end = None if seconds is None else time.perf_counter() + seconds
        while not self.over and (end is None or time.perf_counter() < end):
            await asyncio.sleep(_TICK)
        return self

    def work(self, ask: Callable[[str, bool], Result], most: int) -> None:
        """Run it; what goes wrong is kept as the error."""
        try:
            if self._cancelled.is_set():
                raise QueryCancelledError("cancelled")
            self.state = "running"
            self._result = ask(self.sql, self.use_index)
            if self._cancelled.is_set():
                self._result.cancel()
            self._read(self._result, most)
            self.state = "done"
        except QueryCancelledError:
            self.state = "cancelled"
        except Exception as error:  # told on the page, whatever it is
            self.error = _told(error)
            self.state = "failed"
        finally:
            self._ended = time.perf_counter()
            self._result = None

    def _read(self, result: Result, most: int) -> None:
        for part in result:
            self._found.append(part)
            self.rows += part.num_rows
            if self.rows > most:
                self.cut = True
                break
        if self.cut:
            # What is shown is a part of the answer and says so; the rest is not waited for.
            result.cancel()
            self.table = pa.concat_tables(self._found).slice(0, most)
        else:
            self.table = result.table
            self.stats = result.stats
        self.rows = self.table.num_rows
        self._found = []


class Runs:
    """All queries of all who look at the page.

    Parameters
    ----------
    collection : Collection
    seconds : float
        After which a query is given up.
    most : int
        Rows of an answer that are kept.
    at_once : int
        Queries that run at the same time.
    """

    def __init__(self, collection: Collection, seconds: float, most: int, at_once: int) -> None:
        self.collection = collection
        self._seconds = seconds
        self._most = most
        self._threads = ThreadPoolExecutor(at_once, "query")
        self._kept = Recent[Run](_KEPT_BYTES)
        self._asked = Recent[bool](_KNOWN)
        self._begun: set[Run] = set()

    def start(self, sql: str, *, use_index: bool = True, most: int | None = None) -> Run:
        """Start a query; it waits while too many run.

        Parameters
        ----------
        sql : str
        use_index : bool
            False: a full scan.
        most : int, optional
            Rows of the answer that are kept, where they are not as many as of others.
        """
        first = self._asked.get((sql, use_index)) is None
        self._asked.put((sql, use_index), True, 1)
        run = Run(sql, use_index, first)
        self._begun.add(run)
        self._threads.submit(self._work, run, self._most if most is None else most)
        return run

    def get(self, key: str) -> Run | None:
        """A run that is over, by its key; None if it is known no more."""
        return self._kept.get(key)

    def close(self) -> None:
        """Start no more, and cancel what runs."""
        for run in list(self._begun):
            run.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _work(self, run: Run, most: int) -> None:
        run.work(self._ask, most)
        self._begun.discard(run)
        self._kept.put(run.key, run, _RUN_BYTES + run.nbytes)

    def _ask(self, sql: str, use_index: bool) -> Result:
        return self.collection.sql(sql, timeout=self._seconds, use_index=use_index)
