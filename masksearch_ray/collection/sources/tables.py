"""Masks in tables: Parquet and Arrow files, tables in memory, data sets read by the batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from masksearch_ray.collection.sources.ahead import read_ahead
from masksearch_ray.collection.sources.location import Location, suffix_of
from masksearch_ray.collection.sources.ranged import open_ranged
from masksearch_ray.collection.sources.tensor import find_column, masks_of
from masksearch_ray.collection.sources.types import BATCH_BYTES, Mask, Piece, SourceBatch, native
from masksearch_ray.errors import DataError, MaskSearchError
from masksearch_ray.storage import ObjectInfo, open_storage

__all__ = [
    "TABLE_SUFFIXES",
    "DatasetSource",
    "MaskColumn",
    "TableFileSource",
    "TablePart",
    "TableSource",
]

TABLE_SUFFIXES = (".parquet", ".pq", ".arrow", ".feather", ".ipc")
_PARQUET = (".parquet", ".pq")
_BATCH_ROWS = 32
_IMAGE_ID = "image_id"


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
    pieces : sequence of Piece, optional
        Row groups and files to read, if not all.
    """

    files = None
    stable = True

    def __init__(
        self, location: Location, where: MaskColumn, pieces: Sequence[Piece] | None = None
    ) -> None:
        self._location = location
        self._where = where
        self._pieces = pieces

    @property
    def identity(self) -> str:
        """URL of the files and the column."""
        return f"table:{self._location.url}:{self._where.column}:{self._where.key}"

    def expected(self) -> int | None:
        """Rows of Parquet files; None where there are others."""
        infos = self._location.infos
        if any(suffix_of(info.key) not in _PARQUET for info in infos):
            return None
        return sum(int(self._with_file(info, lambda f: f.metadata.num_rows)) for info in infos)

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Read the files by the batch."""
        pieces = self._pieces
        if pieces is None:
            pieces = [Piece(info.key, 0, info.size, info) for info in self._location.infos]
        for piece in pieces:
            prefix = "" if self._where.key else f"{piece.name}#"
            first = piece.rows.start if piece.rows else 0
            assert piece.file is not None
            with self._naming(piece.file):
                parts = self._parts(piece.file, piece.group)
                yield from _batches(parts, self._where, prefix, done, first)

    def pieces(self, size: int) -> list[Piece]:
        """Row groups of Parquet files; other files as they are."""
        found = read_ahead(self._file_pieces, self._location.infos)
        return [piece for pieces in found for piece in pieces]

    def part(self, pieces: Sequence[Piece]) -> TablePart:
        """Take some of the row groups and files."""
        url, options = self._location.storage.describe()
        return TablePart(url, options, self._where, tuple(pieces))

    def _file_pieces(self, info: ObjectInfo) -> list[Piece]:
        if suffix_of(info.key) not in _PARQUET:
            return [Piece(info.key, 1, info.size, info)]
        metadata = self._with_file(info, lambda file: file.metadata)
        pieces, first = [], 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            rows = range(first, first + group.num_rows)
            size = sum(group.column(i).total_compressed_size for i in range(group.num_columns))
            image, counted = _smallest_image(group), self._where.key is None
            pieces.append(Piece(info.key, len(rows), size, info, rows, number, image, counted))
            first = rows.stop
        return pieces

    def _parts(self, info: ObjectInfo, group: int | None) -> Iterator[pa.RecordBatch]:
        with open_ranged(self._location.storage, info.key, info.size) as stream:
            if suffix_of(info.key) in _PARQUET:
                with pq.ParquetFile(stream, pre_buffer=False) as file:
                    rows = _rows_at_a_time(file.metadata)
                    groups = None if group is None else [group]
                    yield from file.iter_batches(batch_size=rows, row_groups=groups)
            else:
                yield from _ipc_batches(stream)

    def _with_file(self, info: ObjectInfo, ask: Callable[[pq.ParquetFile], Any]) -> Any:
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


@dataclass(frozen=True)
class TablePart:
    """Some row groups of Parquet files, or Arrow files, to be read anywhere.

    Parameters
    ----------
    url, options : str, mapping
        Of their storage.
    where : MaskColumn
    chosen : tuple of Piece
    """

    url: str
    options: Mapping[str, Any] = field(repr=False)
    where: MaskColumn
    chosen: tuple[Piece, ...]

    def open(self) -> TableFileSource:
        """Read these rows, in their order."""
        storage = open_storage(self.url, dict(self.options))
        infos = {piece.name: piece.file for piece in self.chosen if piece.file is not None}
        return TableFileSource(
            Location(storage, "", tuple(infos.values())), self.where, self.chosen
        )


def _smallest_image(group: pq.RowGroupMetaData) -> int | str | None:
    """Smallest ``image_id`` of a row group, where its statistics tell."""
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == _IMAGE_ID and column.is_stats_set:
            statistics = column.statistics
            least = statistics.min if statistics is not None and statistics.has_min_max else None
            return least if isinstance(least, int | str) else None
    return None


def _batches(
    parts: Iterable[Any], where: MaskColumn, prefix: str, done: Container[str], first: int = 0
) -> Iterator[SourceBatch]:
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
