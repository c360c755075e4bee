"""Appending masks: streamed into segments, then committed at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.adding import Added, Addition, discard, refuse_taken_ids
from masksearch_ray.collection.builder import DEFAULT_LIMITS, Limits, SegmentBuilder
from masksearch_ray.collection.commit import commit
from masksearch_ray.collection.manifest import Manifest, SegmentSizes
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.rows import MASK_ID, merge_schemas, normalise
from masksearch_ray.collection.values import each_mask
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.errors import ConflictError, DataError, InputError, ReadOnlyError
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.storage import Storage

__all__ = ["AppendReport", "append", "commit_added"]


@dataclass(frozen=True)
class AppendReport:
    """What was appended.

    Parameters
    ----------
    rows : int
    version : int
        That holds them.
    sizes : SegmentSizes
        Bytes, by part.
    seconds : float
    boxes_beyond : dict of str to int
        Rows of which a box reaches beyond the mask, by column.
    """

    rows: int
    version: int
    sizes: SegmentSizes
    seconds: float
    boxes_beyond: dict[str, int]


def append(
    storage: Storage,
    masks: npt.NDArray[Any] | Iterable[Any],
    rows: Any = None,
    *,
    progress: Progress = silent,
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> AppendReport:
    """Append masks and their metadata: all of them, or on any error none.

    Parameters
    ----------
    storage : Storage
        Of the collection.
    masks : numpy.ndarray or iterable of numpy.ndarray
        ``(N, H, W)``, or arrays ``(H, W)``; uint8, uint16, float16, float32 or bool.
    rows : pyarrow.Table, pandas.DataFrame or dict of columns, optional
        One row a mask. Without a column ``mask_id`` the next free ids are given.
    progress : Progress
    threads : int, optional
        Encoders; by default as many as there are processors.
    limits : Limits
        When a segment is full.

    Raises
    ------
    DataError
        If masks or rows cannot be taken; the text says which and why.
    CollectionError
        If there is no collection.
    StorageError
        If the storage fails.
    """
    started = time.perf_counter()
    manifest = open_manifest(storage)
    table = _table(rows, manifest, storage)
    _check_number(masks, table)
    with SegmentBuilder(storage, manifest, threads, limits) as builder:
        builder.add(_told(masks, table, progress), table)
        added = builder.finish()
    version = commit_added(storage, added, manifest).version
    return AppendReport(
        rows=sum(one.entry.rows for one in added),
        version=version,
        sizes=sum((one.entry.sizes for one in added), SegmentSizes()),
        seconds=time.perf_counter() - started,
        boxes_beyond=dict(builder.boxes_beyond),
    )


def commit_added(storage: Storage, added: list[Added], made_for: Manifest) -> Manifest:
    """Make segments, made for the settings of a manifest, part of the collection in one commit.

    Where that is refused their objects are removed; where the outcome is not known they stay.

    Raises
    ------
    DataError
        If a ``mask_id`` is taken, or a column has another type.
    ConflictError, StorageError
    """
    try:
        return commit(storage, Addition(storage, added, made_for))
    except (ConflictError, InputError, ReadOnlyError):
        discard(storage, added)
        raise


def _table(rows: Any, manifest: Manifest, storage: Storage) -> pa.Table | None:
    """Metadata in one form; what the commit would refuse is refused before any work is done."""
    table = None if rows is None else normalise(rows, manifest.schema)
    if table is None or not table.num_columns:
        return None
    merge_schemas(manifest.schema, table.schema)
    if MASK_ID in table.column_names and table.num_rows:
        reader = CollectionReader(storage, manifest)
        refuse_taken_ids(reader, table.column(MASK_ID).to_numpy())
    return table


def _check_number(masks: Any, table: pa.Table | None) -> None:
    if table is not None and hasattr(masks, "__len__") and len(masks) != table.num_rows:
        raise DataError(f"{table.num_rows} rows of metadata, but {len(masks)} masks")


def _told(
    masks: npt.NDArray[Any] | Iterable[Any], table: pa.Table | None, progress: Progress
) -> Iterator[Any]:
    """Pass masks on and tell how many have passed."""
    total = table.num_rows if table is not None else None
    pixels = 0
    for done, mask in enumerate(each_mask(masks), 1):
        yield mask
        pixels += getattr(mask, "nbytes", 0)
        progress(ProgressStep("append", done, total, pixels))
