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
from masksearch_ray.collection.sources.ahead import read_ahead
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.collection.writer import commit_added
from masksearch_ray.errors import ConflictError, DataError
from masksearch_ray.storage import Storage

__all__ = ["IngestReport", "IngestRun", "SegmentLog", "ingest_name"]


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
    nodes, workers : int
        Machines, and workers on them, that did it.
    """

    rows: int
    resumed: int
    skipped: int
    version: int
    sizes: SegmentSizes
    seconds: float
    boxes_beyond: dict[str, int]
    nodes: int = 1
    workers: int = 1

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


class SegmentLog:
    """Which masks are in which segment, as segments are finished.

    Parameters
    ----------
    journal : Journal or None
        Where this is kept.
    digest : str
        Of what segments are made for and from, see `Record`.
    first : int
        Number of the first segment.

    Attributes
    ----------
    records : list of Record
        Of the segments finished.
    """

    def __init__(self, journal: Journal | None, digest: str, first: int = 0) -> None:
        self.journal = journal
        self.digest = digest
        self.records: list[Record] = []
        self._next = first
        self._seen: set[str] = set()
        self._waiting: deque[str] = deque()

    def note(self, keys: Sequence[str]) -> None:
        """Note the keys of masks that come next.

        Raises
        ------
        DataError
            If a key has come before.
        """
        self._see(keys)
        self._waiting.extend(keys)
        if self.journal:
            self.journal.beat()

    def finished(self, added: Added, boxes_beyond: dict[str, int]) -> None:
        """Record a segment of the masks that came first, once its objects are written."""
        keys = tuple(self._waiting.popleft() for _ in range(added.entry.rows))
        record = Record(self._next, keys, self.digest, added, boxes_beyond)
        if self.journal:
            self.journal.write(record)
        self.records.append(record)
        self._next += 1

    @property
    def resumable(self) -> bool:
        """Whether a later run can take over what this one has finished."""
        return self.journal is not None

    def _see(self, keys: Sequence[str]) -> None:
        twice = [key for key in keys if key in self._seen]
        self._seen.update(keys)
        if twice or len(set(keys)) < len(keys):
            twice += [key for key, count in Counter(keys).items() if count > 1]
            raise DataError(f"more than one mask is called {listed(twice)}")


class IngestRun(SegmentLog):
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
    committed, known : frozenset of str
        Keys of masks that are part of the collection, and of all that need not be read again.
    nodes, workers : set of str
        Which did something, where others do it.
    """

    def __init__(self, storage: Storage, name: str | None, digest: str) -> None:
        self._started = time.perf_counter()
        self._storage = storage
        self.manifest = open_manifest(storage)
        # A segment made for other settings must be made again, like one with other metadata.
        digest = ingest_name([digest, repr(self.manifest.settings)])
        super().__init__(None if name is None else Journal(storage, name), digest)
        self.committed: frozenset[str] = frozenset()
        self.nodes: set[str] = set()
        self.workers: set[str] = set()
        if self.journal:
            self.journal.beat()
            done = self.journal.committed(self.manifest)
            self.committed = frozenset(done)
            self.records = self.journal.pending(self.manifest, digest, done)
        self._next = len(self.records)
        self._resumed = sum(len(record.keys) for record in self.records)
        self.known = self.committed.union(*(record.keys for record in self.records))

    def adopt(self, records: Sequence[Record], node: str, worker: str) -> None:
        """Take over segments that a worker has finished and noted in the journal.

        Raises
        ------
        DataError
            If a key has come before.
        """
        for record in records:
            self._see(record.keys)
        self.records += records
        self.nodes.add(node)
        self.workers.add(worker)
        if self.journal:
            self.journal.beat()

    def put_in_order(self) -> None:
        """Order segments as the source does, whoever was quicker."""
        self.records.sort(key=lambda record: record.number)

    def commit(self) -> IngestReport:
        """Make all finished segments part of the collection, at once.

        Raises
        ------
        DataError
            If a ``mask_id`` is taken, or a column has another type in the collection.
        ConflictError
            If another run of this ingest has committed since this one began.
        """
        added = [record.added for record in self.records]
        if not added:
            return self._report(self.manifest)
        if self.journal is None:
            return self._report(commit_added(self._storage, added, self.manifest))
        lost = sum(not intact for intact in read_ahead(self.journal.intact, self.records))
        if lost:
            raise ConflictError(f"{lost} finished segments were removed meanwhile; run again")
        name = self.journal.ingest
        known = self.manifest.ingests.get(name, ())
        addition = Addition(self._storage, added, self.manifest)
        return self._report(commit(self._storage, _Continued(addition, name, known)))

    def _report(self, manifest: Manifest) -> IngestReport:
        beyond: Counter[str] = Counter()
        for record in self.records:
            beyond.update(record.boxes_beyond)
        sizes = (record.added.entry.sizes for record in self.records)
        return IngestReport(
            rows=sum(len(record.keys) for record in self.records),
            resumed=self._resumed,
            skipped=len(self.committed),
            version=manifest.version,
            sizes=sum(sizes, SegmentSizes()),
            seconds=time.perf_counter() - self._started,
            boxes_beyond=dict(beyond),
            nodes=len(self.nodes) or 1,
            workers=len(self.workers) or 1,
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
