"""One run of an ingest: what was done before, what it adds, and the commit at its end.

Nothing is part of the collection before the commit, and then all is. Whatever stops a run before
it leaves finished segments behind, each with its record; the next run takes them over.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from masksearch_ray.collection.adding import Added, Addition
from masksearch_ray.collection.commit import commit
from masksearch_ray.collection.journal import Journal, Record
from masksearch_ray.collection.manifest import Manifest, SegmentSizes
from masksearch_ray.collection.metadata.names import listed
from masksearch_ray.collection.sealed import canonical
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.collection.writer import commit_added
from masksearch_ray.errors import ConflictError, DataError
from masksearch_ray.storage import Storage

__all__ = ["IngestReport", "IngestRun", "ingest_name"]


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Parameters
    ----------
    rows : int
        Added to the collection.
    resumed : int
        Of these, rows that an interrupted run had finished.
    skipped : int
        Masks that earlier runs had added.
    version : int
        That holds the rows.
    sizes : SegmentSizes
        Bytes of the rows added, by part.
    seconds : float
    boxes_beyond : dict of str to int
        Rows of which a box reaches beyond the mask, by column.
    """

    rows: int
    resumed: int
    skipped: int
    version: int
    sizes: SegmentSizes
    seconds: float
    boxes_beyond: dict[str, int]

    @property
    def raw_bytes(self) -> int:
        """Bytes of the masks as they were given."""
        return self.sizes.raw

    @property
    def stored_bytes(self) -> int:
        """Bytes of everything stored for them."""
        return self.sizes.stored

    @property
    def index_share(self) -> float:
        """Bytes of the index as a share of the compressed pixels."""
        return self.sizes.index_share


def ingest_name(identity: object) -> str:
    """Name of the ingest of a source with some options: the same in every run."""
    return hashlib.sha256(canonical(identity)).hexdigest()[:32]


class IngestRun:
    """Keeps the journal of a run and commits it.

    Parameters
    ----------
    storage : Storage
        Of the collection.
    name : str or None
        Of the ingest, see `ingest_name`; None where it cannot be continued.
    digest : str
        Of the metadata.

    Attributes
    ----------
    manifest : Manifest
        The version found at the start.
    known : frozenset of str
        Keys of masks that need not be read again.
    """

    def __init__(self, storage: Storage, name: str | None, digest: str) -> None:
        self._started = time.perf_counter()
        self._storage = storage
        self._journal = None if name is None else Journal(storage, name)
        self.manifest = open_manifest(storage)
        # A segment made for other settings must be made again, like one with other metadata.
        self._digest = ingest_name([digest, repr(self.manifest.settings)])
        self._records: list[Record] = []
        done: set[str] = set()
        if self._journal:
            self._journal.beat()
            done = self._journal.committed(self.manifest)
            self._records = self._journal.pending(self.manifest, self._digest, done)
        self._skipped = len(done)
        self._resumed = sum(len(record.keys) for record in self._records)
        self.known = frozenset(done.union(*(record.keys for record in self._records)))
        self._seen: set[str] = set()
        self._waiting: deque[str] = deque()

    def note(self, keys: Sequence[str]) -> None:
        """Note the keys of masks that come next.

        Raises
        ------
        DataError
            If a key has come before.
        """
        twice = [key for key in keys if key in self._seen]
        self._seen.update(keys)
        if twice or len(set(keys)) < len(keys):
            twice += [key for key, count in Counter(keys).items() if count > 1]
            raise DataError(f"more than one mask is called {listed(twice)}")
        self._waiting.extend(keys)
        if self._journal:
            self._journal.beat()

    def finished(self, added: Added, boxes_beyond: dict[str, int]) -> None:
        """Record a segment of the masks that came first, once its objects are written."""
        keys = tuple(self._waiting.popleft() for _ in range(added.entry.rows))
        number = len(self._records)
        record = Record(number, keys, self._digest, added, boxes_beyond)
        if self._journal:
            self._journal.write(record)
        self._records.append(record)

    @property
    def resumable(self) -> bool:
        """Whether a later run can take over what this one has finished."""
        return self._journal is not None

    def commit(self) -> IngestReport:
        """Make all finished segments part of the collection, at once.

        Raises
        ------
        DataError
            If a ``mask_id`` is taken, or a column has another type in the collection.
        ConflictError
            If another run of this ingest has committed since this one began.
        """
        added = [record.added for record in self._records]
        if not added:
            return self._report(self.manifest)
        if self._journal is None:
            return self._report(commit_added(self._storage, added, self.manifest))
        lost = [r.segment for r in self._records if not self._journal.intact(r)]
        if lost:
            raise ConflictError(f"{len(lost)} finished segments were removed meanwhile; run again")
        name = self._journal.ingest
        known = self.manifest.ingests.get(name, ())
        addition = Addition(self._storage, added, self.manifest)
        return self._report(commit(self._storage, _Continued(addition, name, known)))

    def _report(self, manifest: Manifest) -> IngestReport:
        beyond: Counter[str] = Counter()
        for record in self._records:
            beyond.update(record.boxes_beyond)
        sizes = (record.added.entry.sizes for record in self._records)
        return IngestReport(
            rows=sum(len(record.keys) for record in self._records),
            resumed=self._resumed,
            skipped=self._skipped,
            version=manifest.version,
            sizes=sum(sizes, SegmentSizes()),
            seconds=time.perf_counter() - self._started,
            boxes_beyond=dict(beyond),
        )


@dataclass(frozen=True, eq=False)
class _Continued:
    """Adds segments of an ingest and notes that they are committed."""

    addition: Addition
    name: str
    known: tuple[str, ...]

    def rebase(self, latest: Manifest) -> Manifest | None:
        """Add to `latest`."""
        if latest.ingests.get(self.name, ()) != self.known:
            raise ConflictError(
                f"{self.addition.storage.url}: another run of this ingest was quicker; "
                "run again to add what it has left out"
            )
        changed = self.addition.rebase(latest)
        if changed is None:
            return None
        segments = (*self.known, *(one.entry.id for one in self.addition.added))
        return replace(changed, ingests={**latest.ingests, self.name: segments})
