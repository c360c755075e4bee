"""What a runtime is: something that runs stages on shards and hands back partials."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from masksearch_ray.execute.ordering import Threshold
from masksearch_ray.execute.partials import MemberRefs, Partial, Stage
from masksearch_ray.model.query import Query
from masksearch_ray.model.record import QueryRecord
from masksearch_ray.model.tasks import Tasks
from masksearch_ray.runtime.control import QueryControl

__all__ = [
    "CollectionSource",
    "Pool",
    "RunningQuery",
    "Runtime",
    "SegmentLoad",
    "ShardHeld",
    "ShardTask",
    "WorkerReport",
]


@dataclass(frozen=True)
class SegmentLoad:
    """What a segment asks of the worker that owns it.

    Parameters
    ----------
    rows : int
        Deleted ones included.
    bytes : int
        Of its whole index and metadata in memory: a prediction, on the safe side.
    image_min, image_max : int, str or None
        Range of ``image_id``; None where it is not known.
    """

    rows: int
    bytes: int = 0
    image_min: int | str | None = None
    image_max: int | str | None = None


@dataclass(frozen=True)
class CollectionSource:
    """One version of a collection, to be opened anywhere.

    Parameters
    ----------
    url : str
    options : mapping
        Storage options.
    version : int
    segments : tuple of SegmentLoad
        By which shards are cut.
    cache : str, optional
        Folder of caches; by default in the user's cache directory.
    cache_bytes : int, optional
        Bytes of remote collections that are kept there, 0 for none; by default by what the disk
        has free.
    pixel_bytes : int, optional
        Bytes of decoded pixels that each process keeps in memory, 0 for none; by default an
        eighth of what it keeps of the index.
    """

    url: str
    version: int
    segments: tuple[SegmentLoad, ...]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)  # they hold secrets
    cache: str | None = None
    cache_bytes: int | None = None
    pixel_bytes: int | None = None


@dataclass(frozen=True, eq=False)
class ShardTask:
    """One stage of a query for one shard.

    Parameters
    ----------
    query_id : str
        Stages of one query share it; so a shard finds its state again.
    query : Query
        Given with every stage: a worker that lost its state starts anew from it.
    stage : Stage
    members : MemberRefs, optional
        Rows of the groups given to this shard; None: its own rows.
    use_index : bool
        False: bounds are not used, every pixel asked for is read.
    """

    query_id: str
    query: Query
    stage: Stage
    members: MemberRefs | None = None
    use_index: bool = True


@dataclass(frozen=True)
class ShardHeld:
    """A shard that a worker holds.

    Parameters
    ----------
    label : str
        Its name, for people.
    url : str
        Of the collection.
    version : int
    segments, rows : int
        How many; deleted rows included.
    """

    label: str
    url: str
    version: int
    segments: int
    rows: int


@dataclass(frozen=True)
class RunningQuery:
    """A query that a worker is at work on.

    Parameters
    ----------
    id : str
    text : str
        The SQL as given.
    seconds : float
        Since its present stage arrived at the worker.
    """

    id: str
    text: str
    seconds: float


@dataclass(frozen=True)
class WorkerReport:
    """What a worker says of itself.

    Parameters
    ----------
    name : str
        Its name in Ray.
    node : str
        Id of its node.
    host : str
        Name of its machine.
    pid : int
    shards : tuple of ShardHeld
    queries : tuple of RunningQuery
    memory_kept, memory_budget : int
        Bytes of what was read and is kept, and how many it may keep.
    bytes_read, requests : int
        From storage, for the shards that it holds.
    idle : float
        Seconds since it was last used; 0 while queries run.
    uptime : float
        Seconds since its process began.
    expires : float or None
        Seconds until it ends itself if nobody uses it; None: whoever started it does.
    cache_bytes, cache_hits, cache_misses : int
        Of the disk cache: what it holds, and how often it held what was asked for, or did not.
    """

    name: str
    node: str
    host: str
    pid: int
    shards: tuple[ShardHeld, ...]
    queries: tuple[RunningQuery, ...]
    memory_kept: int
    memory_budget: int
    bytes_read: int
    requests: int
    idle: float
    uptime: float = 0.0
    expires: float | None = None
    cache_bytes: int = 0
    cache_hits: int = 0
    cache_misses: int = 0


class Pool(Protocol):
    """Workers that own the shards of one version of a collection."""

    @property
    def shards(self) -> int:
        """Number of shards, numbered from 0."""

    @property
    def images_apart(self) -> bool:
        """Whether no image has masks on two shards, by ranges of ``image_id``."""

    def send(
        self, tasks: Mapping[int, ShardTask], control: QueryControl
    ) -> Iterator[tuple[int, Partial]]:
        """Run a stage on shards; yield partials with their shard as they come.

        One round trip. Each shard ends with a `Finished`. Partials of several may come combined,
        with any of these shards, before the first of them ends.

        Raises
        ------
        QueryTimeoutError, QueryCancelledError
            As `control` says.
        WorkerError
            A worker died and could not be replaced.
        """

    def raise_threshold(self, query_id: str, threshold: Threshold, shards: Collection[int]) -> None:
        """Tell shards a better threshold, one way, without waiting."""

    def forget(self, query_id: str) -> None:
        """Let shards drop the state of a query, one way."""

    def close(self) -> None:
        """End the workers that this pool started."""


class Runtime(Protocol):
    """Where pools come from."""

    @property
    def name(self) -> str:
        """Name as users type it."""

    def pool(self, source: CollectionSource) -> Pool:
        """Workers for one version of a collection."""

    def record(self, record: QueryRecord) -> None:
        """Take note of a query that has ended; returns at once."""

    def tasks(self) -> Tasks:
        """Do pieces of work that are no queries."""

    def close(self) -> None:
        """End what this runtime started."""
