"""Queries on a cluster, and NumPy on the same masks in the same run, their answers compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.alternatives import NumpyMasks
from masksearch_ray.bench.timing import Spread, timed
from masksearch_ray.bench.workload import Workload, make_workload
from masksearch_ray.collection.writer import AppendReport
from masksearch_ray.errors import FailedError, InputError
from masksearch_ray.model.progress import Progress, silent
from masksearch_ray.session import Collection, create, open

__all__ = ["BenchOptions", "BenchReport", "QueryTiming", "run_bench"]

_LOW = 0.6
_SELECTED = 0.01
_K = 25


@dataclass(frozen=True)
class BenchOptions:
    """What is measured.

    Parameters
    ----------
    masks : int
        Masks in the workload.
    side : int
        Their height and width, pixels.
    repeats : int
        Times that each query is timed, at least 1.
    seed : int
        Of the workload.
    runtime : {"local", "ray"}
        What answers the queries.
    address : str, optional
        Of the Ray cluster.
    url : str, optional
        Where the collection is made, and stays; by default in a folder that goes with the run.
    storage_options : mapping
        For object storage.
    segments : int
        Parts in which the masks are added; each is of one worker.
    workers, memory : int, optional
        Ray workers, and bytes of memory for each; as `open` takes them.
    """

    masks: int = 500
    side: int = 448
    repeats: int = 5
    seed: int = 0
    runtime: str = "local"
    address: str | None = None
    url: str | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    segments: int = 1
    workers: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InputError(f"{self.repeats} repeats: at least 1 wanted")
        if not 1 <= self.segments <= max(1, self.masks):
            raise InputError(f"{self.segments} segments of {self.masks} masks: 1 to as many wanted")


@dataclass(frozen=True)
class QueryTiming:
    """One query, asked of both.

    Parameters
    ----------
    name : str
        What is asked, in words.
    sql : str
        The query.
    rows : int
        Rows of the answer, the same from both.
    first : float
        Seconds of the first query after opening, when nothing is in memory.
    engine, numpy : Spread
        Later queries, and NumPy with all masks in memory.
    verified : int
        Rows of which pixels were read.
    bytes_read : int
        By the first query.
    """

    name: str
    sql: str
    rows: int
    first: float
    engine: Spread
    numpy: Spread
    verified: int
    bytes_read: int

    @property
    def ratio(self) -> float:
        """How many times as long NumPy takes, by the medians."""
        return self.numpy.median / self.engine.median


@dataclass(frozen=True)
class BenchReport:
    """What was measured.

    Parameters
    ----------
    options : BenchOptions
    ingest_seconds : float
        For all masks.
    raw_bytes, pixel_bytes, index_bytes : int
        The masks as given, their tiles, the whole index.
    bounds_seconds : float
        Median for the bounds of all masks, from the index in memory.
    queries : tuple of QueryTiming
    """

    options: BenchOptions
    ingest_seconds: float
    raw_bytes: int
    pixel_bytes: int
    index_bytes: int
    bounds_seconds: float
    queries: tuple[QueryTiming, ...]


@dataclass(frozen=True)
class _Question:
    """A query, the same asked of NumPy, and how the answers compare."""

    name: str
    sql: str
    numpy: Callable[[], Sequence[int]]
    params: Mapping[str, Any] = field(default_factory=dict)


def run_bench(options: BenchOptions, progress: Progress = silent) -> BenchReport:
    """Ingest a workload, time each query on it, and NumPy beside it.

    Parameters
    ----------
    options : BenchOptions
    progress : Progress
        Told of the ingest.

    Raises
    ------
    FailedError
        An answer differs from NumPy's.
    """
    workload = make_workload(options.masks, options.side, options.seed)
    with tempfile.TemporaryDirectory(prefix="masksearch-bench-") as folder:
        options = replace(options, url=options.url or f"{folder}/bench")
        added = _add(workload, options, progress)
        questions = _questions(workload)
        bounds = _bounds_seconds(questions[0], options)
        timings = tuple(_timed(question, options) for question in questions)
    return BenchReport(
        options=options,
        ingest_seconds=sum(report.seconds for report in added),
        raw_bytes=sum(report.sizes.raw for report in added),
        pixel_bytes=sum(report.sizes.pixels for report in added),
        index_bytes=sum(report.sizes.index for report in added),
        bounds_seconds=bounds,
        queries=timings,
    )


def _add(workload: Workload, options: BenchOptions, progress: Progress) -> list[AppendReport]:
    """Make the collection; every append is a segment."""
    url, storage = options.url or "", options.storage_options
    with create(url, storage_options=storage) as collection:
        return [
            collection.append(
                workload.masks[part], {"object_box": list(workload.boxes[part])}, progress=progress
            )
            for part in np.array_split(np.arange(options.masks), options.segments)
        ]


def _questions(workload: Workload) -> list[_Question]:
    """Ask for a filter on a constant box, one on each mask's object, a top-k of shares."""
    numpy = NumpyMasks(workload.masks)
    side = workload.masks.shape[1]
    x0, y0, x1, y1 = (side * edge // 448 for edge in (50, 50, 200, 200))
    box = np.array([x0, y0, x1, y1], np.int32)
    return [
        _filter("filter, one box", f"box({x0}, {y0}, {x1}, {y1})", box, numpy),
        _filter("filter, own box", "object_box", workload.boxes, numpy),
        _Question(
            f"top {_K}, share",
            f"SELECT mask_id FROM masks ORDER BY CP(mask, object_box, ({_LOW}, 1.0))"
            f" / area(object_box) LIMIT {_K}",
            lambda: numpy.lowest(workload.boxes, _LOW, _K),
        ),
    ]


def _filter(name: str, roi: str, boxes: NDArray[np.int32], numpy: NumpyMasks) -> _Question:
    """Ask for the masks that are among the first hundredth by their count."""
    least = int(np.quantile(numpy.count(boxes, _LOW), 1 - _SELECTED))
    sql = f"SELECT mask_id FROM masks WHERE CP(mask, {roi}, ({_LOW}, 1.0)) > {least}"
    return _Question(name, sql, lambda: numpy.above(boxes, _LOW, least))


def _timed(question: _Question, options: BenchOptions) -> QueryTiming:
    with _opened(options) as collection:
        first = collection.sql(question.sql)
        answer = first.table.column("mask_id").to_pylist()
        expected = list(question.numpy())
        _compare(question, answer, expected)
        engine = timed(lambda: collection.sql(question.sql).table, options.repeats)
    return QueryTiming(
        name=question.name,
        sql=question.sql,
        rows=len(answer),
        first=first.stats.seconds,
        engine=engine,
        numpy=timed(question.numpy, options.repeats),
        verified=first.stats.rows_verified,
        bytes_read=first.stats.bytes_read,
    )


def _compare(question: _Question, answer: list[int], expected: list[int]) -> None:
    """Answers as positions: ids are given from 0 on, in the order of the masks."""
    if answer != expected:
        raise FailedError(
            f"{question.name}: the engine found {len(answer)} masks, NumPy {len(expected)}, "
            f"and they differ: {question.sql}"
        )


def _opened(options: BenchOptions) -> Collection:
    return open(
        options.url or "",
        options.runtime,
        options.address,
        storage_options=options.storage_options,
        workers=options.workers,
        memory=options.memory,
    )


def _here(options: BenchOptions) -> BenchOptions:
    return replace(options, runtime="local", address=None, workers=None, memory=None)


def _bounds_seconds(question: _Question, options: BenchOptions) -> float:
    with _opened(_here(options)) as collection:
        _warm(collection, question.sql)
        return timed(lambda: collection.count_bounds(question.sql), options.repeats).median


def _warm(collection: Collection, sql: str) -> None:
    """Bring the index columns of a query into memory."""
    collection.count_bounds(sql)
