"""What an ingest has done, so that a second run continues it and adds nothing twice.

Each finished segment gets one record, ``ingests/<ingest>/<segment>.json``, with the keys of its
masks; it is written once and never changed. The manifest names the segments that an ingest has
committed: masks that their records name are never added again. Records that the manifest does not
name are pending: a later run of the same ingest commits their segments along with its own.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from masksearch_ray.collection.adding import Added
from masksearch_ray.collection.layout import INGESTS, is_name, segment_key
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.manifest_json import segment_from_json, segment_to_json
from masksearch_ray.collection.reread import reread
from masksearch_ray.collection.sealed import seal, unseal
from masksearch_ray.collection.sources.ahead import read_ahead
from masksearch_ray.collection.versions import object_url
from masksearch_ray.errors import DamagedError, InputError, NotFoundError
from masksearch_ray.storage import Storage

__all__ = ["Journal", "JournalInfo", "Record", "list_journals"]

_HEARTBEAT = "heartbeat"
_BEAT_SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class Record:
    """A finished segment of an ingest.

    Parameters
    ----------
    number : int
        Place among the segments of the ingest.
    keys : tuple of str
        Of its masks.
    digest : str
        Of the metadata that its rows were made from.
    added : Added
    boxes_beyond : dict of str to int
        Rows of which a box reaches beyond the mask, by column.
    """

    number: int
    keys: tuple[str, ...]
    digest: str
    added: Added
    boxes_beyond: dict[str, int]

    @property
    def segment(self) -> str:
        """Name of the segment."""
        return self.added.entry.id

    def encode(self) -> bytes:
        """Bytes of its object."""
        ids = self.added.ids
        return seal(
            {
                "number": self.number,
                "keys": list(self.keys),
                "digest": self.digest,
                "segment": segment_to_json(self.added.entry),
                "schema": base64.b64encode(self.added.schema.serialize().to_pybytes()).decode(),
                "ids": None if ids is None else ids.tolist(),
                "boxes_beyond": self.boxes_beyond,
            }
        )

    @classmethod
    def decode(cls, data: bytes, object: str) -> Record:
        """Read it again.

        Raises
        ------
        DamagedError
            If it is damaged.
        """
        record = unseal(data, object)
        try:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(record["schema"])))
            ids = record["ids"]
            added = Added(
                segment_from_json(record["segment"]),
                schema,
                None if ids is None else np.array(ids, np.int64),
            )
            beyond = {str(name): int(rows) for name, rows in record["boxes_beyond"].items()}
            keys = tuple(str(key) for key in record["keys"])
            found = cls(int(record["number"]), keys, str(record["digest"]), added, beyond)
        except (
            AttributeError, InputError, KeyError, OverflowError, TypeError, ValueError,
            pa.ArrowException, OSError,
        ) as error:  # fmt: skip
            raise DamagedError(f"is no record of an ingest: {error}", object) from error
        if len(found.keys) != added.entry.rows:
            raise DamagedError("names another number of masks than its segment holds", object)
        return found


class Journal:
    """The records of one ingest.

    Parameters
    ----------
    storage : Storage
        Of the collection.
    ingest : str
        Names the ingest, see `masksearch_ray.collection.layout.is_name`.
    clock : callable
        Tells the time in seconds.
    """

    def __init__(
        self, storage: Storage, ingest: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.ingest = ingest
        self._storage = storage
        self._folder = f"{INGESTS}{ingest}/"
        self._clock = clock
        self._beaten: float | None = None

    def beat(self) -> None:
        """Show that the ingest is alive; cheap where it has just been shown."""
        now = self._clock()
        if self._beaten is None or now - self._beaten >= _BEAT_SECONDS:
            self._storage.put(self._folder + _HEARTBEAT, b"")
            self._beaten = now

    def write(self, record: Record) -> None:
        """Note a finished segment whose objects lie in the storage."""
        self._storage.put(self._key(record.segment), record.encode())

    def committed(self, manifest: Manifest) -> set[str]:
        """Keys of all masks that this ingest has ever committed.

        Raises
        ------
        NotFoundError, DamagedError
            If a record is lost: then there is no telling what was added.
        """
        segments = manifest.ingests.get(self.ingest, ())
        return {key for record in self._read(segments) for key in record.keys}

    def pending(self, manifest: Manifest, digest: str, done: set[str]) -> list[Record]:
        """Finished segments that wait for their commit, in the order of the source.

        Parameters
        ----------
        manifest : Manifest
        digest : str
            Of the metadata: rows made from other metadata are made again.
        done : set of str
            Keys that are committed.
        """
        segments = set(self._segments()) - set(manifest.ingests.get(self.ingest, ()))
        records = sorted(self._read(sorted(segments)), key=lambda r: (r.number, r.segment))
        taken = set(done)
        kept = []
        for record in records:
            # Two runs at once may each have finished a segment of the same masks.
            if record.digest == digest and taken.isdisjoint(record.keys) and self.intact(record):
                taken.update(record.keys)
                kept.append(record)
        return kept

    def intact(self, record: Record) -> bool:
        """Whether the objects of a record's segment are there, and whole as far as sizes tell."""
        entry = record.added.entry
        try:
            for name, found in entry.objects.items():
                if self._storage.info(segment_key(entry.id, name)).size < found.size:
                    return False
        except NotFoundError:
            return False
        return True

    def _segments(self) -> Iterator[str]:
        for info in self._storage.list(self._folder):
            name = info.key.removeprefix(self._folder).removesuffix(".json")
            if is_name(name):
                yield name

    def _read(self, segments: Sequence[str]) -> Iterator[Record]:
        def read(segment: str) -> Record:
            key = self._key(segment)
            url = object_url(self._storage, key)
            return reread(lambda: Record.decode(self._storage.get(key), url))

        return read_ahead(read, segments)

    def _key(self, segment: str) -> str:
        return f"{self._folder}{segment}.json"


@dataclass(frozen=True)
class JournalInfo:
    """What lies in the journal of one ingest.

    Parameters
    ----------
    ingest : str
    segments : mapping of str to str
        Segments that it names, and the key of each one's record.
    keys : tuple of str
        Of all its objects.
    modified : float
        When it last showed signs of life, seconds since the epoch.
    """

    ingest: str
    segments: dict[str, str]
    keys: tuple[str, ...]
    modified: float


def list_journals(storage: Storage) -> list[JournalInfo]:
    """Find all journals: what `vacuum` must spare while they live.

    Records of segments that a manifest's `ingests` name must be kept for good; the others, and
    their segments, may go once the journal is older than the grace.
    """
    found: dict[str, list[Any]] = {}
    for info in storage.list(INGESTS):
        ingest = info.key.removeprefix(INGESTS).partition("/")[0]
        found.setdefault(ingest, []).append(info)
    journals = []
    for ingest, infos in found.items():
        names = {info.key.rpartition("/")[2].removesuffix(".json"): info.key for info in infos}
        journals.append(
            JournalInfo(
                ingest,
                {name: key for name, key in names.items() if is_name(name)},
                tuple(info.key for info in infos),
                max(info.modified for info in infos),
            )
        )
    return journals
