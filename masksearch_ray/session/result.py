"""The answer to a query, complete or still being found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from masksearch_ray.execute.partials import RowsFound
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.runtime.coordinator import Coordinator, total_of
from masksearch_ray.runtime.leftovers import close_when_gone
from masksearch_ray.session.export import ParquetTarget
from masksearch_ray.session.recorder import Recorder
from masksearch_ray.session.stats import Stats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Result"]


@dataclass
class _Fate:
    """What became of a query, known to the answer and to what runs it.

    The latter must not know the former: see `close_when_gone`.
    """

    error: BaseException | None = None


class Result:
    """The answer to a query.

    Nothing runs before the answer is asked for: by `table`, `to_pandas`, `stats`, ``len()``, or
    by iteration, which yields `pyarrow.Table` batches while a filter query runs. Several threads
    may ask.
    """

    def __init__(self, coordinator: Coordinator, recorder: Recorder) -> None:
        self._coordinator = coordinator
        self._recorder = recorder
        self._found: list[RowsFound] = []
        self._running: Generator[RowsFound, None, None] | None = None
        self._ended: Callable[[], object] = lambda: None
        self._fate = _Fate()
        self._lock = threading.RLock()
        self._table: pa.Table | None = None

    @classmethod
    def of_table(cls, table: pa.Table, coordinator: Coordinator, recorder: Recorder) -> Result:
        """An answer that is known already (EXPLAIN)."""
        result = cls(coordinator, recorder)
        result._table = table
        return result

    @property
    def table(self) -> pa.Table:
        """The whole answer, in the order asked for."""
        with self._lock, self._recorder.failures():
            while self._table is None and self._step():
                pass
            if self._table is None:
                self._table = self._coordinator.assemble(self._found)
                self._recorder.end()
            return self._table

    @property
    def stats(self) -> Stats:
        """What the query did; runs it to the end."""
        self.table  # noqa: B018
        coordinator = self._coordinator
        shards = {shard: total_of(parts) for shard, parts in coordinator.stats.items()}
        return Stats.of(self._recorder.end(), shards, len(coordinator.total().segments_cached))

    @property
    def record(self) -> QueryRecord | None:
        """What is written down of the query, whether it was answered or failed.

        None before it has ended.
        """
        return self._recorder.record

    def to_pandas(self) -> pd.DataFrame:
        """The whole answer as a DataFrame; needs pandas."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def to_pylist(self) -> list[dict[str, object]]:
        """The whole answer as one dict a row."""
        rows: list[dict[str, object]] = self.table.to_pylist()
        return rows

    def to_parquet(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        """Write the whole answer to a Parquet file.

        Parameters
        ----------
        url : str
            Path or URL (``s3://…``) that ends in ``.parquet``; what was there is replaced.
        storage_options : mapping, optional
            For object storage.

        Raises
        ------
        InputError
            The URL makes no sense; the query is not run.
        StorageError
            The file cannot be written.
        """
        target = ParquetTarget(url, storage_options)
        target.write(self.table)

    def cancel(self) -> None:
        """Stop the query; whoever waits for its answer gets a `QueryCancelledError`."""
        self._coordinator.control.cancel()

    def __iter__(self) -> Iterator[pa.Table]:
        query = self._coordinator.query
        whole_first = query.order_by or query.distinct or query.offset or query.limit is not None
        if self._table is not None or whole_first:
            yield self.table
            return
        at = 0
        while True:
            with self._lock, self._recorder.failures():
                if at == len(self._found) and not self._step():
                    self._recorder.end()
                    break
                part = self._found[at]
            at += 1
            yield part.table
        if not at:
            yield self.table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        state = "not complete" if self._table is None else f"{self._table.num_rows} rows"
        return f"<Result of {self._coordinator.query.text!r}: {state}>"

    def _step(self) -> bool:
        """Wait for the next part of the answer; whether there was one."""
        # What came before an error is no answer: whoever asks again gets the error again.
        if self._fate.error is not None:
            raise self._fate.error
        if self._running is None:
            self._running = _run(self._coordinator, self._recorder, self._fate)
            self._ended = close_when_gone(self, self._running)
        part = next(self._running, None)
        if part is None:
            self._ended()
            return False
        self._found.append(part)
        return True


def _run(
    coordinator: Coordinator, recorder: Recorder, fate: _Fate
) -> Generator[RowsFound, None, None]:
    recorder.start()
    try:
        yield from coordinator.run()
    except BaseException as error:
        fate.error = error
        recorder.end(error)  # also of one whose reader has left
        raise
