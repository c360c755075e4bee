"""Where masks come from: files, Zarr, tables, data sets, arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from masksearch_ray.collection.sources.arrays import ArraySource
from masksearch_ray.collection.sources.files import SUFFIXES, FileSource
from masksearch_ray.collection.sources.location import Location, locate
from masksearch_ray.collection.sources.tables import (
    TABLE_SUFFIXES,
    DatasetSource,
    MaskColumn,
    TableFileSource,
    TableSource,
)
from masksearch_ray.collection.sources.types import (
    Listed,
    Piece,
    Source,
    SourceBatch,
    SourcePart,
)
from masksearch_ray.collection.sources.zarr_array import ZarrSource, is_zarr
from masksearch_ray.errors import DataError
from masksearch_ray.storage import open_storage

__all__ = [
    "ArraySource",
    "DatasetSource",
    "FileSource",
    "Listed",
    "Location",
    "MaskColumn",
    "Piece",
    "Source",
    "SourceBatch",
    "SourcePart",
    "TableFileSource",
    "TableSource",
    "ZarrSource",
    "locate",
    "open_source",
]


def open_source(
    source: object,
    *,
    column: str | None = None,
    key: str | None = None,
    shape: tuple[int, int] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Source:
    """Find out what `source` is.

    Parameters
    ----------
    source : str, path, numpy.ndarray, iterable, pyarrow.Table, data set or Source
        URL or path of a file, a folder or a prefix of .npy, .npz, .png or .tif files, of a Zarr
        array, or of Parquet or Arrow files; a table; anything with ``iter_batches``, as a Ray
        Dataset; an array ``(N, height, width)`` or an iterable of arrays ``(height, width)``.
    column : str, optional
        Column of a table, or array of a Zarr group, that holds the masks.
    key : str, optional
        Column of a table whose values name the masks.
    shape : (int, int), optional
        Height and width of masks in flat lists of a table.
    storage_options : mapping, optional
        For remote storage, options of its client.

    Raises
    ------
    DataError
        If there is nothing there, or `source` is none of these.
    """
    where = MaskColumn(column, key, shape)
    if isinstance(source, str | os.PathLike):
        return _stored(os.fspath(source), storage_options, where)
    if isinstance(source, pa.Table | pa.RecordBatchReader):
        return TableSource(source, where)
    if hasattr(source, "iter_batches"):
        return DatasetSource(source, where)
    if isinstance(source, np.ndarray):
        return ArraySource(source)
    if isinstance(source, Source):
        return source
    if isinstance(source, Iterable):
        return ArraySource(source)
    raise DataError(f"a {type(source).__name__} is no source of masks")


def _stored(url: str, options: Mapping[str, Any] | None, where: MaskColumn) -> Source:
    """Tell by their names what lies at a URL."""
    storage = open_storage(url, options)
    if is_zarr(storage):
        return ZarrSource(storage, where.column)
    location = locate(url, options)
    files, tables = location.of(SUFFIXES), location.of(TABLE_SUFFIXES)
    if files.infos:
        return FileSource(files)
    if tables.infos:
        return TableFileSource(tables, where)
    accepted = ", ".join((*SUFFIXES, *TABLE_SUFFIXES))
    raise DataError(f"{location.url}: no masks there; a Zarr array or files of {accepted} wanted")
