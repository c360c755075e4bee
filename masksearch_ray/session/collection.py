"""A collection as users hold it: querying, reading and changing it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from masksearch_ray.collection.cache import user_cache, with_cache
from masksearch_ray.collection.manifest import Manifest, SegmentSizes
from masksearch_ray.collection.reader import CollectionReader
from masksearch_ray.collection.shapes import shapes_of
from masksearch_ray.errors import InputError
from masksearch_ray.model.interrupt import interruptible
from masksearch_ray.model.query import Catalog, Query
from masksearch_ray.model.record import Sink
from masksearch_ray.model.values import pixel_values
from masksearch_ray.plan.explain import explain_plan
from masksearch_ray.plan.rules import make_plan
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.coordinator import Coordinator
from masksearch_ray.runtime.loads import segment_loads
from masksearch_ray.runtime.types import CollectionSource, Pool, Runtime
from masksearch_ray.session.arguments import check_flag
from masksearch_ray.session.catalog import catalog_of, schema_of
from masksearch_ray.session.changes import Changes, values_of
from masksearch_ray.session.prepared import Prepared
from masksearch_ray.session.recorder import Origin, Recorder
from masksearch_ray.session.result import Result
from masksearch_ray.session.stats import explain_stats
from masksearch_ray.sql import render_expr
from masksearch_ray.storage import Storage, open_storage

__all__ = ["Collection"]


class Collection(Changes):
    """All masks under one URL, at one version; made by `create` and `open`."""

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        runtime: Runtime,
        *,
        pinned: bool = False,
        cache: str | None = None,
        cache_bytes: int | None = None,
        pixel_bytes: int | None = None,
        owns_runtime: bool = True,
        on_query: Sink | None = None,
    ) -> None:
        self._storage = storage
        self._manifest = manifest
        self._runtime = runtime
        self._pinned = pinned
        self._cache = cache
        self._cache_bytes = cache_bytes
        self._pixel_bytes = pixel_bytes
        self._owns_runtime = owns_runtime
        self._on_query = on_query
        self._prepared = Prepared()
        self._opening = threading.RLock()
        self._pool: Pool | None = None
        self._reader: CollectionReader | None = None

    # -- what is there ------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the collection lies."""
        return self._storage.url

    @property
    def version(self) -> int:
        """The version that queries see."""
        return self._manifest.version

    @property
    def schema(self) -> pa.Schema:
        """Metadata columns, ``mask_id`` first."""
        return schema_of(self._manifest)

    @property
    def catalog(self) -> Catalog:
        """What a query may name: columns with their kinds, and the value domain."""
        return catalog_of(self._manifest, self.url)

    @property
    def domain(self) -> tuple[float, float]:
        """Smallest and largest value that a pixel may have."""
        return self._manifest.domain.lo, self._manifest.domain.hi

    @property
    def sizes(self) -> SegmentSizes:
        """Bytes by part, deleted rows included."""
        return sum((s.sizes for s in self._manifest.segments), SegmentSizes())

    def __len__(self) -> int:
        deleted = sum(s.deletes.count for s in self._manifest.segments if s.deletes)
        return sum(s.rows for s in self._manifest.segments) - deleted

    def __repr__(self) -> str:
        return f"<Collection {self.url}: version {self.version}, {len(self)} masks>"

    # -- queries ------------------------------------------------------------------------------

    def sql(
        self,
        text: str,
        params: Mapping[str, Any] | None = None,
        *,
        roi: Any = None,
        timeout: float | None = None,
        use_index: bool = True,
        **more: Any,
    ) -> Result:
        """Ask a query.

        Parameters
        ----------
        text : str
            SQL, see docs/guide.md.
        params : mapping, optional
            Values of ``:name`` parameters; further keywords are parameters, too.
        roi : optional
            What `roi` in the text means: ``(x0, y0, x1, y1)``, the name of a box column, or SQL.
        timeout : float, optional
            Seconds after which the query ends with a `QueryTimeoutError`.
        use_index : bool
            False reads every pixel asked for; the answer is the same.

        Returns
        -------
        Result

        Raises
        ------
        QueryError
            The query cannot be answered; nothing was read.
        """
        values = values_of(params, more)
        coordinator, recorder = self._asked(text, values, roi, timeout, use_index)
        if coordinator.query.explain is None:
            return Result(coordinator, recorder)
        return self._explained(coordinator, recorder)

    def parse(
        self, text: str, params: Mapping[str, Any] | None = None, *, roi: Any = None, **more: Any
    ) -> Query:
        """What a query means: bound to the columns and typed, not answered; nothing is read.

        Parameters
        ----------
        text, params, roi
            As of `sql`; further keywords are parameters, too.

        Returns
        -------
        Query
            Frozen; equal but for its `text` for every spelling of names, aliases and parameters.

        Raises
        ------
        QueryError
            `sql` would refuse it; with `.line`, `.column` and `.hint`.
        """
        values = values_of(params, more)
        return self._prepared.query(self._manifest, self.url, text, values, roi)

    def explain(
        self,
        text: str,
        params: Mapping[str, Any] | None = None,
        *,
        roi: Any = None,
        timeout: float | None = None,
        use_index: bool = True,
        **more: Any,
    ) -> str:
        """How a query would be answered (EXPLAIN), or was (EXPLAIN ANALYZE in the text)."""
        asked = self._asked(text, values_of(params, more), roi, timeout, use_index)
        return "\n".join(self._explained(*asked).table.column(0).to_pylist())

    def count_bounds(
        self,
        text: str,
        params: Mapping[str, Any] | None = None,
        *,
        roi: Any = None,
        timeout: float | None = None,
        **more: Any,
    ) -> tuple[int, int]:
        """How many rows surely, and possibly, satisfy WHERE; reads no pixels.

        Registered masks that no query has touched are indexed first, for which they are read.
        Arguments are those of `sql`.
        """
        values = values_of(params, more)
        coordinator, recorder = self._asked(text, values, roi, timeout, True, bounds=True)
        with recorder.failures():
            counted = coordinator.count_bounds()
            recorder.end()
        return counted

    def histogram(
        self, *, timeout: float | None = None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Pixels of all masks by value.

        Parameters
        ----------
        timeout : float, optional
            Seconds after which it ends with a `QueryTimeoutError`.

        Returns
        -------
        edges, counts : numpy.ndarray
            float64 ``(bins + 1,)`` and int64 ``(bins,)``; the last bin holds its upper edge.
        """
        edges = self._manifest.spec.edges
        names = {f"e{i}": edge for i, edge in enumerate(edges)}
        sums = [
            f"SUM(CP(mask, full_image, (:e{i}, :e{i + 1}))) AS n{i}" for i in range(len(edges) - 1)
        ]
        row = self.sql(f"SELECT {', '.join(sums)} FROM masks", names, timeout=timeout).table
        counts = [column[0].as_py() or 0 for column in row.columns]
        return np.array(edges), np.array(counts, np.int64)

    def masks(self, ids: Iterable[int], *, scaled: bool = False) -> list[npt.NDArray[Any]]:
        """Masks as stored, ``(H, W)`` each, in the order asked for.

        Parameters
        ----------
        ids : iterable of int
        scaled : bool
            Values as float64 in place of what is stored.

        Raises
        ------
        InputError
            There is no mask of an id.
        """
        check_flag(scaled=scaled)
        masks = self._open_reader().masks(_whole(ids))
        return [pixel_values(m, self._manifest.domain) for m in masks] if scaled else masks

    def shapes(self, ids: Iterable[int]) -> list[tuple[int, int]]:
        """``(height, width)`` of masks, in the order asked for; no pixels are read.

        Raises
        ------
        InputError
            There is no mask of an id.
        """
        return shapes_of(self._open_reader(), _whole(ids))

    def close(self) -> None:
        """End the workers that serve this collection, and the runtime if it was opened for it."""
        self._drop()
        if self._owns_runtime:
            self._runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- inside -------------------------------------------------------------------------------

    def _asked(
        self,
        text: str,
        params: Mapping[str, Any],
        roi: Any,
        timeout: float | None,
        use_index: bool,
        *,
        bounds: bool = False,
    ) -> tuple[Coordinator, Recorder]:
        check_flag(use_index=use_index)
        origin = Origin(self.url, self.version, self._runtime, self._on_query)
        recorder = Recorder(text, params, origin, bounds=bounds)
        with recorder.failures():
            query = self._prepared.query(self._manifest, self.url, text, params, roi)
            pool, control = self._open_pool(timeout), QueryControl(timeout)
            plan = make_plan(query, use_index, pool.images_apart)
        coordinator = Coordinator(plan, pool, control, self.schema, recorder.query_id)
        recorder.follow(coordinator)
        return coordinator, recorder

    def _explained(self, coordinator: Coordinator, recorder: Recorder) -> Result:
        lines = explain_plan(coordinator.plan, coordinator.foresee(), render_expr)
        if coordinator.query.explain == "analyze":
            lines += explain_stats(Result(coordinator, recorder).stats)
        table = pa.table({"plan": pa.array(lines, pa.string())})
        return Result.of_table(table, coordinator, recorder)

    def _open_pool(self, timeout: float | None = None) -> Pool:
        control = QueryControl(timeout)
        control.start()
        with self._opening, interruptible(control.check):
            if self._pool is None:
                url, options = self._storage.describe()
                loads = segment_loads(self._manifest)
                kept = self._cache, self._cache_bytes, self._pixel_bytes
                source = CollectionSource(url, self.version, loads, options, *kept)
                self._pool = self._runtime.pool(source)
            return self._pool

    def _open_reader(self) -> CollectionReader:
        with self._opening:
            if self._reader is None:
                shared = getattr(self._open_pool(), "reader", None)
                cache = user_cache() if self._cache is None else open_storage(self._cache)
                storage = with_cache(self._storage, cache, self._cache_bytes)
                self._reader = shared or CollectionReader(storage, self._manifest, cache)
            return self._reader

    def _drop(self) -> None:
        with self._opening:
            pool, self._pool, self._reader = self._pool, None, None
        if pool is not None:
            pool.close()


def _whole(ids: Iterable[Any]) -> list[int]:
    wanted = []
    try:
        for mask_id in ids:
            # NumPy's numbers and Arrow's are no int, but equal theirs; 1.5 must not become 1.
            wanted.append(int(mask_id))
            if isinstance(mask_id, str) or wanted[-1] != mask_id or abs(wanted[-1]) >> 63:
                raise InputError(f"no mask with mask_id {mask_id!r}")
    except (OverflowError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"mask_ids {ids!r:.60}: whole numbers wanted") from error
    return wanted
