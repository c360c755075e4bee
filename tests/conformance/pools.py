"""Collections and pools for the tests of runtimes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.versions import create_collection, open_manifest
from masksearch_ray.collection.writer import append
from masksearch_ray.errors import CollectionError
from masksearch_ray.execute.partials import Filter, Partial, Stage
from masksearch_ray.model.query import Query
from masksearch_ray.plan.rules import make_plan
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.coordinator import Coordinator
from masksearch_ray.runtime.loads import segment_loads
from masksearch_ray.runtime.types import CollectionSource, Runtime, ShardTask
from masksearch_ray.session.catalog import catalog_of, schema_of
from masksearch_ray.sql import parse
from masksearch_ray.storage import open_storage

__all__ = ["Opened", "make_collection", "parse_text", "source_of"]


def make_collection(
    url: str, masks: npt.NDArray[Any], rows: Mapping[str, list[Any]], segments: int
) -> None:
    """Append masks in so many segments; the collection is begun where there is none."""
    storage = open_storage(url)
    try:
        open_manifest(storage)
    except CollectionError:
        create_collection(storage)
    for at in np.array_split(np.arange(len(masks)), segments) if segments else []:
        append(storage, masks[at], {name: [column[i] for i in at] for name, column in rows.items()})


def source_of(url: str, version: int | None = None) -> CollectionSource:
    """Tell a runtime what to open; the newest version by default."""
    manifest = open_manifest(open_storage(url))
    loads = segment_loads(manifest)
    return CollectionSource(url, manifest.version if version is None else version, loads)


def parse_text(url: str, text: str) -> Query:
    """Parse a query on the newest version of a collection."""
    return parse(text, catalog_of(open_manifest(open_storage(url)), url))


class Opened:
    """A pool over the newest version of a collection, and what is asked of it."""

    def __init__(self, runtime: Runtime, url: str) -> None:
        manifest = open_manifest(open_storage(url))
        self.pool = runtime.pool(source_of(url))
        self._catalog, self._schema = catalog_of(manifest, url), schema_of(manifest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.close()

    def coordinator(
        self, text: str, timeout: float | None = None, use_index: bool = True
    ) -> Coordinator:
        """One query."""
        plan = make_plan(parse(text, self._catalog), use_index, self.pool.images_apart)
        return Coordinator(plan, self.pool, QueryControl(timeout), self._schema)

    def ask(self, text: str, timeout: float | None = None, use_index: bool = True) -> pa.Table:
        """Ask a query and take its whole answer."""
        coordinator = self.coordinator(text, timeout, use_index)
        return coordinator.assemble(list(coordinator.run()))

    def task(self, text: str, stage: Stage) -> ShardTask:
        """One stage of a query; all stages of one text belong to one query."""
        name = uuid.uuid5(uuid.NAMESPACE_URL, text).hex
        return ShardTask(name, parse(text, self._catalog), stage)

    def send(self, text: str) -> Iterator[tuple[int, Partial]]:
        """Partials of all shards to a filter query of its own."""
        task = ShardTask(uuid.uuid4().hex, parse(text, self._catalog), Filter())
        return self.run(dict.fromkeys(range(self.pool.shards), task))

    def run(self, tasks: Mapping[int, ShardTask]) -> Iterator[tuple[int, Partial]]:
        """Partials of tasks."""
        return self.pool.send(tasks, QueryControl())
