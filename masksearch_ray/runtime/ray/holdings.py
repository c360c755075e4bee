"""What a worker holds: shards of any collections and versions, within a budget of memory."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.runtime.ray.errand import Shard
from masksearch_ray.runtime.reading import open_reader
from masksearch_ray.runtime.types import CollectionSource
from masksearch_ray.runtime.worker import Place, Worker

__all__ = ["Holdings"]

_log = logging.getLogger("masksearch_ray.runtime")

_KEPT_SHARDS = 256


@dataclass(eq=False)
class _Version:
    """One version of a collection: its shards share a reader."""

    source: CollectionSource
    opening: threading.Lock = field(default_factory=threading.Lock)
    reader: CollectionReader | None = None


@dataclass(eq=False)
class _Held:
    shard: Shard
    worker: Worker
    clients: set[str] = field(default_factory=set)


class Holdings:
    """Shards, opened when first asked for; those unused for longest are let go first.

    Parameters
    ----------
    budget : int
        Bytes that may be kept of what was read.
    name, node : str
        Of the worker.
    """

    def __init__(self, budget: int, name: str, node: str) -> None:
        self.budget = budget
        self._name, self._node = name, node
        self._lock = threading.Lock()
        self._versions: OrderedDict[str, _Version] = OrderedDict()
        self._shards: OrderedDict[str, _Held] = OrderedDict()

    def worker(self, shard: Shard, client: str) -> Worker:
        """Give the worker of a shard, which is opened if need be.

        Raises
        ------
        StorageError
            It cannot be opened.
        """
        reader = self._reader(shard)
        with self._lock:
            held = self._shards.get(shard.key)
            if held is None or held.worker.reader is not reader:
                place = Place(self._name, self._node, shard.label)
                held = _Held(shard, Worker(reader, shard.segments, place))
                _log.info("opened %s", shard.label)
                self._shards[shard.key] = held
            held.clients.add(client)
            self._shards.move_to_end(shard.key)
            return held.worker

    def forget(self, query_id: str) -> None:
        """Drop the state of a query."""
        with self._lock:
            workers = [held.worker for held in self._shards.values()]
        for worker in workers:
            worker.forget(query_id)

    def release(self, client: str, busy: Iterable[str], *, keep: bool) -> None:
        """Drop shards that were held for one client only.

        Parameters
        ----------
        client : str
        busy : iterable of str
            Keys of shards that are at work, which stay.
        keep : bool
            Whether shards stay that nobody asks for now, as memory allows.
        """
        working = set(busy)
        with self._lock:
            for held in self._shards.values():
                held.clients.discard(client)
            if not keep:
                idle = [k for k, h in self._shards.items() if not h.clients and k not in working]
                for key in idle:
                    del self._shards[key]
                self._drop_readers()

    def trim(self, busy: Iterable[str], budget: int | None = None) -> None:
        """Drop what was not used for longest until the rest is within the budget.

        Without another budget the version used last stays: what its reader keeps is within bounds
        of its own, of which that for pixels comes on top.
        """
        most = self.budget if budget is None else budget
        working = set(busy)
        with self._lock:
            idle = [key for key in self._shards if key not in working]
            for key in idle[: max(0, len(self._shards) - _KEPT_SHARDS)]:
                del self._shards[key]
            used = {h.shard.source_key for k, h in self._shards.items() if k in working}
            versions = list(self._versions)[: -1 if budget is None else None]
            for key in [key for key in versions if key not in used]:
                if self._kept() <= most:
                    break
                for one in [k for k, h in self._shards.items() if h.shard.source_key == key]:
                    del self._shards[one]
                del self._versions[key]
            self._drop_readers()

    def held(self) -> list[tuple[Shard, Worker]]:
        """Shards that are held, the one used last at the end."""
        with self._lock:
            return [(one.shard, one.worker) for one in self._shards.values()]

    def _reader(self, shard: Shard) -> CollectionReader:
        with self._lock:
            version = self._versions.setdefault(shard.source_key, _Version(shard.source))
            self._versions.move_to_end(shard.source_key)
        with version.opening:
            if version.reader is None:
                version.reader = open_reader(shard.source, memory=self.budget)
            return version.reader

    def _kept(self) -> int:
        readers = [version.reader for version in self._versions.values()]
        return sum(reader.nbytes for reader in readers if reader is not None)

    def _drop_readers(self) -> None:
        used = {held.shard.source_key for held in self._shards.values()}
        for key in [key for key, v in self._versions.items() if key not in used and v.reader]:
            del self._versions[key]
