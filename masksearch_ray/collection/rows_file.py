"""The metadata of a segment at rest, read column by column."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from masksearch_ray.collection.fetch import Fetcher
from masksearch_ray.collection.layout import ROWS, segment_key
from masksearch_ray.collection.manifest import SegmentEntry
from masksearch_ray.collection.recent import Recent
from masksearch_ray.errors import DamagedError

__all__ = ["RowsFile"]


class RowsFile:
    """Columns of a segment's own rows; may be used by several threads.

    Parameters
    ----------
    fetcher : Fetcher
    entry : SegmentEntry
    recent : Recent
        Keeps the file and its columns in memory.
    """

    def __init__(self, fetcher: Fetcher, entry: SegmentEntry, recent: Recent[Any]) -> None:
        self._fetcher = fetcher
        self._entry = entry
        self._recent = recent
        self._key = segment_key(entry.id, ROWS)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """URL of the file, for errors."""
        return self._fetcher.url(self._key)

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Columns by name, as far as the segment has them.

        Raises
        ------
        StorageError
            If the file is missing or damaged.
        """
        with self._lock:
            held = {name: self._recent.get((self._key, name)) for name in names}
            missing = [name for name, column in held.items() if column is None]
            held.update(self._read(missing) if missing else {})
            return pa.table({name: column for name, column in held.items() if column is not None})

    def _read(self, names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        file = self._recent.get(self._key) or self._open()
        self._recent.put(self._key, file, self._entry.objects[ROWS].size)
        there = [name for name in names if name in file.schema_arrow.names]
        read = file.read_row_groups(range(file.num_row_groups), columns=there)
        # Dots in a name are a path to Parquet, which then gives parts of others, too.
        found = {name: read.column(name) for name in there}
        for name, column in found.items():
            self._recent.put((self._key, name), column, column.nbytes)
        return found

    def _open(self) -> pq.ParquetFile:
        data = self._fetcher.whole(self._key, self._entry.objects[ROWS])
        file = pq.ParquetFile(pa.BufferReader(data))
        if file.metadata.num_rows != self._entry.rows:
            raise DamagedError("has another number of rows", self.url)
        return file
