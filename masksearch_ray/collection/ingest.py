"""Ingesting masks from a source: resumable, committed at once at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.adding import Added, refuse_taken_ids
from masksearch_ray.collection.builder import DEFAULT_LIMITS, Limits, SegmentBuilder
from masksearch_ray.collection.ingest_run import IngestReport, IngestRun, ingest_name
from masksearch_ray.collection.metadata import RowMaker, RowOptions
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.rows import MASK_ID, merge_schemas, normalise
from masksearch_ray.collection.sources import Source, SourceBatch, open_source
from masksearch_ray.collection.values import as_mask
from masksearch_ray.errors import DataError, InputError
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.storage import Storage

__all__ = ["ingest"]

_FLOATS = ("float16", "float32")


def ingest(
    storage: Storage,
    source: object,
    *,
    column: str | None = None,
    key: str | None = None,
    shape: tuple[int, int] | None = None,
    dtype: str | None = None,
    rows: RowOptions | None = None,
    name: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    threads: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> IngestReport:
    """Add the masks of a source: all of them, or on any error none.

    What a run has finished is kept when it is interrupted; the same call continues there, and
    adds nothing twice however often it is made. Without a `name` this holds for sources that have
    a URL.

    Parameters
    ----------
    storage : Storage
        Of the collection.
    source : object
        See `masksearch_ray.collection.sources.open_source`, also for `column`, `key`, `shape`.
    column, key : str, optional
    shape : (int, int), optional
    dtype : {"float16", "float32"}, optional
        To which masks of other floats are rounded.
    rows : RowOptions, optional
        Metadata that are joined.
    name : str, optional
        Under which the ingest is continued, in place of source and options.
    storage_options : mapping, optional
        Of the storages that source and metadata lie on.
    progress : Progress
    threads : int, optional
        Encoders; by default as many as there are processors.
    limits : Limits
        When a segment is full.

    Raises
    ------
    DataError
        If masks or metadata cannot be taken; the text says which and why.
    CollectionError
        If there is no collection.
    ConflictError
        If another run of the same ingest was quicker.
    StorageError
        If the storage fails.
    """
    if dtype not in (None, *_FLOATS):
        raise InputError(f"dtype {dtype!r}: one of {', '.join(_FLOATS)} wanted")
    opened = open_source(
        source, column=column, key=key, shape=shape, storage_options=storage_options
    )
    rows = rows or RowOptions()
    maker = RowMaker(rows, opened.files, storage_options)
    run = IngestRun(storage, _name(opened, name, dtype, rows), maker.digest)
    _Feed(storage, run, maker, dtype, threads, limits).take(opened, progress)
    return run.commit()


class _Feed:
    """Carries masks and their metadata from a source into the segments of a run."""

    def __init__(
        self,
        storage: Storage,
        run: IngestRun,
        maker: RowMaker,
        dtype: str | None,
        threads: int | None,
        limits: Limits,
    ) -> None:
        self._run = run
        self._maker = maker
        self._dtype = dtype
        self._builder = SegmentBuilder(storage, run.manifest, threads, limits, self._written)
        self._reader = CollectionReader(storage, run.manifest)
        self._beyond: Counter[str] = Counter()

    def take(self, source: Source, progress: Progress) -> None:
        """Take all masks that are not known."""
        expected = source.expected()
        total = None if expected is None else max(0, expected - len(self._run.known))
        done = pixels = 0
        batches = source.batches(self._run.known)
        with self._builder:
            try:
                for batch in batches:
                    pixels += self._add(batch)
                    done += len(batch.keys)
                    progress(ProgressStep("ingest", done, total, pixels))
            finally:
                if isinstance(batches, Generator):
                    batches.close()  # now, for its threads read ahead
            self._builder.finish()

    def _add(self, batch: SourceBatch) -> int:
        """Add a batch; how many bytes its pixels are."""
        self._run.note(batch.keys)
        names = [f"mask {key}" for key in batch.keys]
        masks = [
            as_mask(_rounded(mask, self._dtype, name), name)
            for mask, name in zip(batch.masks, names, strict=True)
        ]
        sizes = [(mask.shape[0], mask.shape[1]) for mask in masks]
        rows = self._maker.rows(batch.keys, sizes, batch.rows)
        table = self._normal(rows) if rows.num_columns else None
        self._builder.add(masks, table, names.__getitem__)
        return sum(mask.nbytes for mask in masks)

    def _normal(self, rows: pa.Table) -> pa.Table:
        table = normalise(rows, self._run.manifest.schema)
        # What the commit would refuse is refused before much work is done.
        merge_schemas(self._run.manifest.schema, table.schema)
        if MASK_ID in table.column_names:
            refuse_taken_ids(self._reader, table.column(MASK_ID).to_numpy())
        return table

    def _written(self, added: Added) -> None:
        beyond = Counter(self._builder.boxes_beyond)
        self._run.finished(added, dict(beyond - self._beyond))
        self._beyond = beyond
        if self._run.resumable:
            # It has its record: the builder must not clear it away when this run fails.
            self._builder.added.remove(added)


def _rounded(mask: npt.NDArray[Any], dtype: str | None, name: str) -> npt.NDArray[Any]:
    if dtype is not None and mask.dtype.kind == "f":
        with np.errstate(over="ignore"):  # infinity is refused later, by name
            return mask.astype(dtype, copy=False)
    if mask.dtype == np.float64:
        raise DataError(f"{name} has dtype float64; to round it say dtype='float32' or 'float16'")
    return mask


def _name(source: Source, name: str | None, dtype: str | None, rows: RowOptions) -> str | None:
    """Name of the ingest; None where a second run could not tell what the first has done."""
    if name is not None:
        if not source.stable:
            raise InputError(
                f"ingest {name!r}: a data set has no fixed order; name a key column to continue it"
            )
        return ingest_name(["named", name])
    if source.identity is None:
        return None
    return ingest_name(["source", source.identity, dtype, *rows.identity])
