"""The simulator on few shards: it answers exactly, and its partials are like a worker's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import masksearch_ray as ms
from masksearch_ray.bench.simulate import QUESTIONS, Question, SimulateOptions, saturation, simulate
from masksearch_ray.bench.simulate_pool import Latency, Meter
from masksearch_ray.bench.simulate_shard import Layout, SimulatedShard
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.errors import FailedError, InputError
from masksearch_ray.execute.partials import (
    BoundGroups,
    Fetch,
    Filter,
    FindMembers,
    Finished,
    Offer,
    Partial,
    Stage,
    Top,
)
from masksearch_ray.model.query import Catalog, Field
from masksearch_ray.model.values import Domain
from masksearch_ray.runtime.control import QueryControl
from masksearch_ray.runtime.loads import segment_loads
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.types import CollectionSource, ShardTask
from masksearch_ray.sql import parse
from masksearch_ray.storage import open_storage

FEW = SimulateOptions(shards=(1, 2, 33), fans=(1, 4))


@pytest.mark.smoke
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_answers_are_exact_combined_or_not(question: Question) -> None:
    runs = simulate(replace(FEW, questions=(question,)))
    assert [(run.shards, run.fan) for run in runs] == [(1, 1), (2, 1), (33, 1), (33, 4)]
    plain, combined = runs[-2:]
    assert plain.rows == combined.rows > 0
    assert combined.replies < plain.replies
    assert combined.bytes_in < plain.bytes_in
    for run in runs:
        assert run.round_trips <= 3
        assert run.elapsed >= run.workers > 0
        assert run.busy > run.coordinator > 0
        assert run.a_shard == run.coordinator / run.shards


def test_messages_do_not_grow_with_the_square_of_shards() -> None:
    top = next(q for q in QUESTIONS if q.name.startswith("top"))
    for run in simulate(SimulateOptions(shards=(20, 200), fans=(1,), questions=(top,))):
        # Four a shard for the threshold, one to forget the query.
        assert run.messages <= 5 * run.shards


def test_a_wrong_answer_is_not_reported() -> None:
    wrong = replace(QUESTIONS[0], answer=lambda layout, found: [np.zeros(1), np.zeros(1)])
    with pytest.raises(FailedError, match="not NumPy's"):
        simulate(SimulateOptions(shards=(2,), questions=(wrong,)))


def test_numbers_of_shards_are_checked() -> None:
    for wrong in ({"shards": ()}, {"shards": (0,)}, {"fans": (0, 1)}):
        with pytest.raises(InputError):
            SimulateOptions(**wrong)


def test_the_coordinator_is_the_limit_where_it_is_busier_than_shards_are() -> None:
    instant = SimulateOptions((2, 40), (1,), Latency(median=1e-6), questions=QUESTIONS[:1])
    assert saturation(simulate(instant), QUESTIONS[0].name, 1) == 2
    slow = replace(instant, latency=Latency(median=1000.0))
    assert saturation(simulate(slow), QUESTIONS[0].name, 1) is None


def test_latencies_are_seeded_and_some_are_stragglers() -> None:
    latency = Latency(stragglers=0.5, slowdown=100.0, spread=0.01)
    drawn = latency.draw(1000, 3)
    assert np.array_equal(drawn, latency.draw(1000, 3))
    assert 300 < (drawn > 10 * latency.median).sum() < 700


def test_a_meter_adds_up_what_the_coordinator_does() -> None:
    meter = Meter()
    for kind in ("workers", "decode", "merge", "workers"):
        meter.switch(kind)
        sum(range(1000))
    meter.switch("merge")
    assert set(meter.seconds) == {"merge", "workers", "decode"}
    assert meter.coordinator == meter.seconds["merge"] + meter.seconds["decode"]


# -- like a worker's ----------------------------------------------------------------------------

COUNT = "CP(mask, full_image, (0.6, 1.0))"
TEXTS = {
    "rows": f"SELECT mask_id, {COUNT} AS pixels FROM masks WHERE {COUNT} >= 0",
    "top": f"SELECT mask_id, {COUNT} AS pixels FROM masks ORDER BY {COUNT} DESC LIMIT 3",
    # Bounds leave something in doubt: a worker that knows the first at once says so.
    "offer": "SELECT mask_id FROM masks ORDER BY CP(mask, full_image, (0.61, 1.0)) DESC LIMIT 3",
    "groups": f"SELECT COUNT(*) AS n, AVG({COUNT}) AS mean FROM masks GROUP BY label",
    "together": (
        "SELECT image_id, CP(intersect(mask > 0.6), full_image, (0.5, 1.0)) AS pixels"
        " FROM masks GROUP BY image_id"
    ),
}
STAGES: list[tuple[str, Stage]] = [
    ("rows", Filter()),
    ("offer", Offer(3)),
    ("top", Top(3, None)),
    ("top", Fetch(np.arange(3))),
    ("groups", BoundGroups(True)),
    ("together", FindMembers()),
]
KINDS: dict[str, Any] = {"mask_id": "int", "image_id": "int", "label": "string"}
ROWS = 8


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    url = "memory://simulated"
    with ms.create(url) as collection:
        columns = {
            "image_id": pa.array(range(ROWS)),
            "label": pa.array([f"label {at:03d}" for at in range(ROWS)]),
        }
        masks = np.arange(ROWS * 64, dtype=np.uint8).reshape(ROWS, 8, 8)
        collection.append(masks, columns)
    manifest = open_manifest(open_storage(url))
    source = CollectionSource(url, manifest.version, segment_loads(manifest))
    made = LocalRuntime(1).pool(source)
    yield made
    made.close()


def form(held: Any) -> Any:
    """Types and dtypes of all that a partial holds."""
    if isinstance(held, np.ndarray):
        return held.dtype, type(held[0]) if held.dtype == object else None
    if isinstance(held, pa.Table):
        return held.schema.remove_metadata()
    if isinstance(held, tuple):
        return tuple(map(form, held))
    if hasattr(held, "__dataclass_fields__"):
        return type(held), tuple(form(getattr(held, f.name)) for f in fields(held))
    return type(held)


@pytest.mark.parametrize(("text", "stage"), STAGES, ids=lambda held: type(held).__name__)
def test_simulated_partials_are_like_those_of_a_worker(text: str, stage: Stage, pool: Any) -> None:
    catalog = Catalog("simulated", {n: Field(n, kind) for n, kind in KINDS.items()}, Domain())
    task = ShardTask(uuid.uuid4().hex, parse(TEXTS[text], catalog), stage)
    real: list[Partial] = [p for _, p in pool.send({0: task}, QueryControl())]
    made = list(SimulatedShard(Layout(1, ROWS), 0, ROWS).answer(task, None))
    assert isinstance(real[-1], Finished)
    assert isinstance(made[-1], Finished)
    assert [form(part) for part in made[:-1]] == [form(part) for part in real[:-1]]
