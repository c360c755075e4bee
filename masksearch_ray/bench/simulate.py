"""The coordinator against thousands of simulated shards: what a shard costs it, and its limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from masksearch_ray.bench.simulate_pool import Latency, SimulatedPool, TransportCosts
from masksearch_ray.bench.simulate_shard import LABELS, PIXELS, REPEATED, Layout
from masksearch_ray.errors import FailedError, InputError
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.model.query import Catalog, Field
from masksearch_ray.model.values import Domain
from masksearch_ray.plan.rules import make_plan
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.coordinator import Coordinator
from masksearch_ray.sql import parse

__all__ = [
    "QUESTIONS",
    "TOP",
    "Question",
    "SimulateOptions",
    "SimulatedRun",
    "saturation",
    "simulate",
]

Index = NDArray[np.int64]
_K = 25

TOP = f"top {_K}"
"""The question of which coordinator and shards talk the most."""

_COUNT = "CP(mask, full_image, (0.6, 1.0))"
_SCHEMA = pa.schema([("mask_id", pa.int64()), ("image_id", pa.int64()), ("label", pa.string())])
_FIELDS = {"mask_id": "int", "image_id": "int", "label": "string"}


@dataclass(frozen=True)
class Question:
    """A query for simulated shards, and its answer by NumPy alone.

    Parameters
    ----------
    name : str
    rows : int
        Of a shard; what the coordinator gets depends on it only by `found`.
    sql : callable
        Text of the query, given rows a shard and rows to find a shard.
    found : int
        Rows a shard that are found, or whose groups are looked for.
    answer : callable
        Columns of the answer, given the layout and `found`.
    """

    name: str
    rows: int
    sql: Callable[[int, int], str]
    found: int
    answer: Callable[[Layout, int], list[Index | NDArray[np.float64]]]


def _least(rows: int, found: int) -> int:
    """Count above which about so many of a shard's rows lie."""
    return PIXELS - round(PIXELS * found / rows)


def _filter_sql(rows: int, found: int) -> str:
    where = f"{_COUNT} > {_least(rows, found)}"
    return f"SELECT mask_id, {_COUNT} AS pixels FROM masks WHERE {where}"


def _every(layout: Layout) -> Iterator[tuple[Index, Index]]:
    for shard in range(layout.shards):
        ids = layout.ids(shard)
        yield ids, layout.counts(ids)


def _filtered(layout: Layout, found: int) -> list[Index | NDArray[np.float64]]:
    parts = []
    for ids, counts in _every(layout):
        passed = counts > _least(layout.rows, found)
        parts.append(np.stack([ids[passed], counts[passed]]))
    return list(np.concatenate(parts, axis=1))


def _first(layout: Layout, found: int) -> list[Index | NDArray[np.float64]]:
    best = np.zeros((2, 0), np.int64)
    for ids, counts in _every(layout):
        best = np.concatenate([best, np.stack([ids, counts])], axis=1)
        best = best[:, np.lexsort([best[0], -best[1]])[:_K]]
    return list(best)


def _averages(layout: Layout, found: int) -> list[Index | NDArray[np.float64]]:
    numbers, sums = np.zeros(LABELS, np.int64), np.zeros(LABELS, np.int64)
    for shard in range(min(layout.shards, REPEATED)):
        ids = layout.ids(shard)
        times = len(range(shard, layout.shards, REPEATED))
        np.add.at(numbers, layout.labels(ids), times)
        np.add.at(sums, layout.labels(ids), times * layout.counts(ids))
    there = np.flatnonzero(numbers)
    return [numbers[there], sums[there] / numbers[there]]


def _together(layout: Layout, found: int) -> list[Index | NDArray[np.float64]]:
    shards = np.arange(layout.shards)[:, None]
    ids = (shards * layout.rows + np.arange(found)).ravel()
    images, at = np.unique(layout.images(ids), return_inverse=True)
    least = np.full(len(images), PIXELS)
    np.minimum.at(least, at, layout.counts(ids))
    return [images, least]


QUESTIONS: tuple[Question, ...] = (
    Question("filter, 10 rows a shard", 1024, _filter_sql, 10, _filtered),
    Question("filter, 1 % of rows", 4096, _filter_sql, 41, _filtered),
    Question(
        TOP,
        512,
        lambda rows, found: (
            f"SELECT mask_id, {_COUNT} AS pixels FROM masks ORDER BY {_COUNT} DESC LIMIT {_K}"
        ),
        _K,
        _first,
    ),
    Question(
        f"{LABELS:,} groups",
        4096,
        lambda rows, found: (
            f"SELECT COUNT(*) AS n, AVG({_COUNT}) AS mean FROM masks GROUP BY label"
        ),
        LABELS,
        _averages,
    ),
    Question(
        "masks of an image on two shards",
        4096,
        lambda rows, found: (
            "SELECT image_id, CP(intersect(mask > 0.6), full_image, (0.5, 1.0)) AS pixels"
            " FROM masks GROUP BY image_id"
        ),
        41,
        _together,
    ),
)
"""What is simulated."""


@dataclass(frozen=True)
class SimulateOptions:
    """What is simulated.

    Parameters
    ----------
    shards : tuple of int
    fans : tuple of int
        Shards whose partials are combined before they are sent; 1: none.
    latency : Latency
    costs : TransportCosts
    seed : int
    questions : tuple of Question
    """

    shards: tuple[int, ...] = (1, 10, 100, 1000, 3000, 10_000)
    fans: tuple[int, ...] = (1, 16)
    latency: Latency = field(default_factory=Latency)
    costs: TransportCosts = field(default_factory=TransportCosts)
    seed: int = 0
    questions: tuple[Question, ...] = QUESTIONS

    def __post_init__(self) -> None:
        if not self.shards or not self.fans or min(*self.shards, *self.fans) < 1:
            raise InputError("numbers of shards: at least 1 wanted")


@dataclass(frozen=True)
class SimulatedRun:
    """One query on one number of shards.

    Parameters
    ----------
    question : str
    shards, fan : int
    rows : int
        Of the answer, which equals NumPy's.
    round_trips : int
    workers : float
        Seconds until the last shard was done, added up over round trips.
    elapsed : float
        Seconds from the question to the whole answer, in virtual time.
    work : mapping of str to float
        CPU seconds of the coordinator by kind: encode tasks, decode replies, merge.
    transport : float
        Seconds that its process would spend on Ray beside that.
    replies, messages, bytes_in, bytes_out : int
    """

    question: str
    shards: int
    fan: int
    rows: int
    round_trips: int
    workers: float
    elapsed: float
    work: dict[str, float]
    transport: float
    replies: int
    messages: int
    bytes_in: int
    bytes_out: int

    @property
    def coordinator(self) -> float:
        """Seconds of the coordinator's own work, measured."""
        return sum(self.work.values())

    @property
    def busy(self) -> float:
        """Seconds that the coordinator's process is busy, Ray included."""
        return self.coordinator + self.transport

    @property
    def a_shard(self) -> float:
        """Seconds of `coordinator` a shard."""
        return self.coordinator / self.shards

    @property
    def busy_a_shard(self) -> float:
        """Seconds of `busy` a shard."""
        return self.busy / self.shards

    @property
    def saturated(self) -> bool:
        """Whether the coordinator takes longer than the shards do."""
        return self.busy > self.workers


def simulate(options: SimulateOptions, progress: Progress = silent) -> list[SimulatedRun]:
    """Ask every question of every number of shards.

    Raises
    ------
    FailedError
        An answer differs from NumPy's.
    """
    asked = [
        (question, shards, fan)
        for question in options.questions
        for shards in options.shards
        for fan in options.fans
        if fan == 1 or fan < shards
    ]
    whole = sum(shards * question.rows for question, shards, _ in asked)
    runs: list[SimulatedRun] = []
    done = 0
    for question, shards, fan in asked:
        progress(ProgressStep("simulate", done, whole, 0))
        runs.append(_run(question, shards, fan, options))
        done += shards * question.rows
    progress(ProgressStep("simulate", done, whole, 0))
    return runs


def _run(question: Question, shards: int, fan: int, options: SimulateOptions) -> SimulatedRun:
    layout = Layout(shards, question.rows)
    fields = {name: Field(name, kind) for name, kind in _FIELDS.items()}  # type: ignore[arg-type]
    query = parse(
        question.sql(question.rows, question.found), Catalog("simulated", fields, Domain())
    )
    pool = SimulatedPool(layout, question.found, fan, options.latency, options.costs, options.seed)
    coordinator = Coordinator(make_plan(query), pool, QueryControl(), _SCHEMA)
    table = coordinator.assemble(list(coordinator.run()))
    coordinator.total()
    pool.finish()
    _compare(question, layout, table)
    work = {kind: s for kind, s in pool.meter.seconds.items() if kind != "workers"}
    return SimulatedRun(
        question=question.name,
        shards=shards,
        fan=fan,
        rows=table.num_rows,
        round_trips=coordinator.round_trips,
        workers=pool.workers,
        elapsed=pool.now,
        work=work,
        transport=pool.transport,
        replies=pool.replies,
        messages=pool.messages,
        bytes_in=pool.bytes_in,
        bytes_out=pool.bytes_out,
    )


def _compare(question: Question, layout: Layout, table: pa.Table) -> None:
    expected = question.answer(layout, question.found)
    held = [column.to_numpy() for column in table.columns]
    same = len(held) == len(expected) and all(map(np.array_equal, held, expected))
    if not same:
        raise FailedError(
            f"{question.name} on {layout.shards:,} shards: the coordinator's answer is not "
            f"NumPy's: {question.sql(layout.rows, question.found)}"
        )


def saturation(runs: Sequence[SimulatedRun], question: str, fan: int) -> int | None:
    """Smallest number of shards at which the coordinator is the limit; None: at none."""
    at = [r.shards for r in runs if (r.question, r.fan) == (question, fan) and r.saturated]
    return min(at, default=None)
