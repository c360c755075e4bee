"""Adding segments to a collection: ids, schema, and what happens when others commit first."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.layout import segment_key
from masksearch_ray.collection.manifest import Manifest, SegmentEntry
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.rows import merge_schemas
from masksearch_ray.errors import ConflictError, DataError, StorageError
from masksearch_ray.storage import Storage

__all__ = ["Added", "Addition", "discard", "refuse_taken_ids"]

_LAST_ID = (1 << 63) - 1


@dataclass(frozen=True, eq=False)
class Added:
    """A segment that lies in the storage and is not yet part of the collection.

    Parameters
    ----------
    entry : SegmentEntry
        Where ids are to be given, they count from 0.
    schema : pyarrow.Schema
        Of its rows, without ``mask_id``.
    ids : numpy.ndarray or None
        int64, shape ``(rows,)``: the ``mask_id`` of every row; None: to be given.
    """

    entry: SegmentEntry
    schema: pa.Schema
    ids: npt.NDArray[np.int64] | None


@dataclass(frozen=True, eq=False)
class Addition:
    """A change that adds segments, made for the settings of a manifest."""

    storage: Storage
    added: Sequence[Added]
    made_for: Manifest

    def rebase(self, latest: Manifest) -> Manifest | None:
        """Add to `latest`, with the next free ids.

        Raises
        ------
        ConflictError
            If the collection was begun anew, with other settings.
        DataError
            If a ``mask_id`` is taken, or a column has another type there.
        """
        if not self.added:
            return None
        if latest.settings != self.made_for.settings:
            raise ConflictError(
                f"{self.storage.url}: the collection was begun anew meanwhile, with other settings"
            )
        schema = latest.schema
        for one in self.added:
            schema = merge_schemas(schema, one.schema)
        given = [one.ids for one in self.added if one.ids is not None]
        next_id = latest.next_id
        if given:
            ids = np.concatenate(given)
            refuse_taken_ids(CollectionReader(self.storage, latest), ids)
            next_id = max(next_id, int(ids.max()) + 1)
        entries = []
        for one in self.added:
            entries.append(one.entry.based(next_id))
            if one.ids is None:
                next_id += one.entry.rows
        if next_id > _LAST_ID + 1:
            raise DataError(f"mask_id: no {next_id - latest.next_id} free ids are left")
        segments = (*latest.segments, *entries)
        return replace(latest, schema=schema, segments=segments, next_id=next_id)


def refuse_taken_ids(reader: CollectionReader, ids: npt.NDArray[np.int64]) -> None:
    """Refuse a ``mask_id`` that is given twice, or that a row of the collection has.

    Raises
    ------
    DataError
        The text names the id.
    """
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) < len(ids):
        raise DataError(f"mask_id {unique[counts > 1][0]} is given twice")
    for index, entry in enumerate(reader.manifest.segments):
        near = unique[np.searchsorted(unique, entry.id_min) :]
        near = near[: np.searchsorted(near, entry.id_max, side="right")]
        if not len(near):
            continue
        segment = reader.segment(index)
        taken = np.intersect1d(near, segment.mask_ids()[segment.alive()])
        if len(taken):
            raise DataError(f"mask_id {taken[0]} is in the collection already")


def discard(storage: Storage, added: Sequence[Added]) -> None:
    """Remove segments that will not be committed, as far as the storage lets us."""
    for one in added:
        for name in one.entry.objects:
            with contextlib.suppress(StorageError):
                storage.delete(segment_key(one.entry.id, name))
