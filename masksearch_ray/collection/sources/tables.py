"""Masks in tables: Parquet and Arrow files, tables in memory, data sets read by the batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from masksearch_ray.collection.sources.location import Location, suffix_of
from masksearch_ray.collection.sources.ranged import open_ranged
from masksearch_ray.collection.sources.tensor import find_column, masks_of
from masksearch_ray.collection.sources.types import BATCH_BYTES, Mask, SourceBatch, native
from masksearch_ray.errors import DataError, MaskSearchError
from masksearch_ray.storage import ObjectInfo

__all__ = ["TABLE_SUFFIXES", "DatasetSource", "MaskColumn", "TableFileSource", "TableSource"]

TABLE_SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
_PARQUET = (".parquet", ".pq")
_BATCH_ROWS = 32


@dataclass(frozen=True)
class MaskColumn:
    """Where in a table the masks are.

    Parameters
    ----------
    column : str, optional
        Name; by default ``mask``, else the only column of tensors or nested lists.
    key : str, optional
        Column of unique keys; by default rows are counted.
    shape : (int, int), optional
        Height and width of masks in flat lists.
    """

    column: str | None = None
    key: str | None = None
    shape: tuple[int, int] | None = None

    def split(self, part: Any) -> tuple[list[Mask], pa.Table]:
        """Take the masks and the other columns of a table or a mapping of arrays apart.

        Raises
        ------
        DataError
            If there are no masks.
        """
        if isinstance(part, pa.RecordBatch):
            part = pa.Table.from_batches([part])
        if not isinstance(part, pa.Table):
            return self._split_arrays(part)
        twice = [name for name in part.schema.names if part.schema.names.count(name) > 1]
        if twice:
            raise DataError(f"a column {twice[0]!r} is there twice")
        column = find_column(part.schema, self.column)
        used = {column, f"{column}_shape"}
        rest = part.select([name for name in part.schema.names if name not in used])
        return masks_of(part, column, self.shape), rest

    def keys(self, rows: pa.Table, count: int, prefix: str, first: int) -> list[str]:
        """Keys of some rows, of which the first is row `first`: ``prefix + row`` by default."""
        if self.key is None:
            return [f"{prefix}{row}" for row in range(first, first + count)]
        if rows.schema.names.count(self.key) != 1:
            raise DataError(f"no one column {self.key!r}; there are {rows.schema.names}")
        keys = rows.column(self.key).to_pylist()
        if None in keys:
            raise DataError(f"column {self.key!r}: no key in row {first + keys.index(None)}")
        return [str(key) for key in keys]

    def _split_arrays(self, part: Any) -> tuple[list[Mask], pa.Table]:
        """Take a mapping or data frame apart."""
        if not hasattr(part, "keys"):
            raise DataError(f"a batch of type {type(part).__name__}; a table wanted")
        columns = {str(name): np.asarray(part[name]) for name in part.keys()}  # noqa: SIM118
        found = [name for name, values in columns.items() if _are_masks(values)]
        column = self.column or ("mask" if "mask" in columns else found[0] if found else None)
        if column not in columns or (self.column is None and column != "mask" and len(found) > 1):
            raise DataError(f"which column holds the masks? Name one of {list(columns)}")
        masks = [np.asarray(mask) for mask in columns.pop(column)]
        rest = {
            name: pa.array(list(values) if values.ndim > 1 else values)
            for name, values in columns.items()
        }
        return masks, pa.table(rest)


def _are_masks(values: np.ndarray[Any, Any]) -> bool:
    if values.dtype.hasobject:
        return len(values) > 0 and getattr(values[0], "ndim", 0) == 2
    return values.ndim == 3


class TableSource:
    """Masks in a table in memory, or in batches of one.

    Parameters
    ----------
    table : pyarrow.Table or pyarrow.RecordBatchReader
    where : MaskColumn
    """

    identity = None
    files = None
    stable = True

    def __init__(self, table: pa.Table | pa.RecordBatchReader, where: MaskColumn) -> None:
        self._table = table
        self._where = where

    def expected(self) -> int | None:
        """Rows of the table."""
        return len(self._table) if isinstance(self._table, pa.Table) else None

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Take the table apart by the batch."""
        if isinstance(self._table, pa.Table):
            parts: Iterable[Any] = self._table.to_batches(max_chunksize=_BATCH_ROWS)
        else:
            parts = self._table
        return _batches(parts, self._where, "", done)


class TableFileSource:
    """Masks in Parquet or Arrow files.

    Parameters
    ----------
    location : Location
        Files with one of `TABLE_SUFFIXES`, at least one.
    where : MaskColumn
    """

    files = None
    stable = True

    def __init__(self, location: Location, where: MaskColumn) -> None:
        self._location = location
        self._where = where

    @property
    def identity(self) -> str:
        """URL of the files and the column."""
        return f"table:{self._location.url}:{self._where.column}:{self._where.key}"

    def expected(self) -> int | None:
        """Rows of Parquet files; None where there are others."""
        infos = self._location.infos
        if any(suffix_of(info.key) not in _PARQUET for info in infos):
            return None
        return sum(self._with_file(info, lambda file: file.metadata.num_rows) for info in infos)

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Read the files by the batch."""
        for info in self._location.infos:
            prefix = "" if self._where.key else f"{info.key}#"
            with self._naming(info):
                yield from _batches(self._parts(info), self._where, prefix, done)

    def _parts(self, info: ObjectInfo) -> Iterator[pa.RecordBatch]:
        with open_ranged(self._location.storage, info.key, info.size) as stream:
            if suffix_of(info.key) in _PARQUET:
                with pq.ParquetFile(stream, pre_buffer=False) as file:
                    yield from file.iter_batches(batch_size=_rows_at_a_time(file.metadata))
            else:
                yield from _ipc_batches(stream)

    def _with_file(self, info: ObjectInfo, ask: Callable[[pq.ParquetFile], int]) -> int:
        with (
            self._naming(info),
            open_ranged(self._location.storage, info.key, info.size) as stream,
            pq.ParquetFile(stream, pre_buffer=False) as file,
        ):
            return ask(file)

    @contextmanager
    def _naming(self, info: ObjectInfo) -> Iterator[None]:
        name = self._location.url_of(info.key)
        try:
            yield
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        except MaskSearchError:
            raise
        except (pa.ArrowException, OSError, EOFError, ValueError) as error:
            raise DataError(f"{name}: unreadable or truncated: {error}") from error


class DatasetSource:
    """Masks of a Ray Dataset, or of whatever has ``iter_batches``.

    Parameters
    ----------
    dataset : object
        Its ``iter_batches`` yields Arrow tables, or mappings of names to arrays.
    where : MaskColumn
    """

    identity = None
    files = None

    def __init__(self, dataset: Any, where: MaskColumn) -> None:
        self._dataset = dataset
        self._where = where

    @property
    def stable(self) -> bool:
        """A data set need not have one order, so only a key column names its masks."""
        return self._where.key is not None

    def expected(self) -> None:
        """Say that it is not known: counting may mean running the data set."""
        return None

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Read the data set by the batch."""
        wanted = {"batch_size": _BATCH_ROWS, "batch_format": "pyarrow"}
        known = inspect.signature(self._dataset.iter_batches).parameters
        parts = self._dataset.iter_batches(**{n: v for n, v in wanted.items() if n in known})
        return _batches(parts, self._where, "", done)


def _batches(
    parts: Iterable[Any], where: MaskColumn, prefix: str, done: Container[str]
) -> Iterator[SourceBatch]:
    first = 0
    for part in parts:
        masks, rows = where.split(part)
        keys = where.keys(rows, len(masks), prefix, first)
        first += len(masks)
        wanted = [row for row, key in enumerate(keys) if key not in done]
        if wanted:
            yield SourceBatch(
                [keys[row] for row in wanted],
                [native(masks[row]) for row in wanted],
                rows.take(wanted) if rows.num_columns else None,
            )


def _rows_at_a_time(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    size = sum(group.total_byte_size for group in groups) // max(1, metadata.num_rows)
    return int(max(1, min(1024, BATCH_BYTES // max(1, size))))


def _ipc_batches(stream: Any) -> Iterator[pa.RecordBatch]:
    """Read an Arrow file in either format, a record batch at a time."""
    if stream.peek(6)[:6] == b"ARROW1":
        with pa.ipc.open_file(stream) as file:
            for i in range(file.num_record_batches):
                yield file.get_batch(i)
    else:
        with pa.ipc.open_stream(stream) as batches:
            yield from batches
