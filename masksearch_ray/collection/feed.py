"""From masks and what is known of them to segments: the same on every machine."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Container, Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.adding import Added, refuse_taken_ids
from masksearch_ray.collection.builder import Limits, SegmentBuilder
from masksearch_ray.collection.ingest_run import SegmentLog
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.metadata import RowMaker
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.rows import MASK_ID, merge_schemas, normalise
from masksearch_ray.collection.sources import Source, SourceBatch
from masksearch_ray.collection.values import as_mask
from masksearch_ray.errors import DataError
from masksearch_ray.storage import Storage

__all__ = ["Feed"]

_log = logging.getLogger("masksearch_ray.collection")


class Feed:
    """Carries masks and their metadata from a source into segments.

    Parameters
    ----------
    storage : Storage
        Of the collection.
    manifest : Manifest
        Settings and columns of the collection; no ``mask_id`` in its segments is taken again.
    log : SegmentLog
        Told of every segment.
    maker : RowMaker
    dtype : {"float16", "float32"} or None
        To which masks of other floats are rounded.
    threads : int or None
        Encoders.
    limits : Limits
    cluster : bool
        Whether the masks of a segment are ordered by ``image_id``.
    """

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        log: SegmentLog,
        maker: RowMaker,
        dtype: str | None,
        threads: int | None,
        limits: Limits,
        cluster: bool = False,
    ) -> None:
        self._manifest = manifest
        self._log = log
        self._maker = maker
        self._dtype = dtype
        self._builder = SegmentBuilder(storage, manifest, threads, limits, self._written, cluster)
        self._reader = CollectionReader(storage, manifest)
        self._beyond: Counter[str] = Counter()

    def take(self, source: Source, known: Container[str], told: Callable[[int, int], None]) -> None:
        """Take all masks but those whose keys are known.

        Parameters
        ----------
        source : Source
        known : container of str
        told : callable
            Told of every batch how many masks, and bytes of pixels, it had.
        """
        batches = source.batches(known)
        with self._builder:
            try:
                for batch in batches:
                    pixels = self._add(batch)
                    told(len(batch.keys), pixels)
            finally:
                if isinstance(batches, Generator):
                    batches.close()  # now, for its threads read ahead
            self._builder.finish()

    def _add(self, batch: SourceBatch) -> int:
        """Add a batch; how many bytes its pixels are."""
        self._log.note(batch.keys)
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
        table = normalise(rows, self._manifest.schema)
        # What the commit would refuse is refused before much work is done.
        merge_schemas(self._manifest.schema, table.schema)
        if MASK_ID in table.column_names:
            refuse_taken_ids(self._reader, table.column(MASK_ID).to_numpy())
        return table

    def _written(self, added: Added) -> None:
        beyond = Counter(self._builder.boxes_beyond)
        self._log.finished(added, dict(beyond - self._beyond))
        _log.info("segment %s of %d masks written", added.entry.id, added.entry.rows)
        self._beyond = beyond
        if self._log.resumable:
            # It has its record: the builder must not clear it away when this run fails.
            self._builder.added.remove(added)


def _rounded(mask: npt.NDArray[Any], dtype: str | None, name: str) -> npt.NDArray[Any]:
    if dtype is not None and mask.dtype.kind == "f":
        with np.errstate(over="ignore"):  # infinity is refused later, by name
            return mask.astype(dtype, copy=False)
    if mask.dtype == np.float64:
        raise DataError(f"{name} has dtype float64; to round it say dtype='float32' or 'float16'")
    return mask
