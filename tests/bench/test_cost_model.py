"""The cost model is arithmetic that can be done by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from masksearch_ray.bench.cost_model import Constants, Prices, Setting, costs, first_limits

KNOWN = Constants(
    masks=1,
    side=448,
    pixels=30_000.0,
    index=1_000.0,
    metadata=50.0,
    memory=4_000.0,
    ingest=0.0036,
    bound=1e-6,
    cold_bytes=100.0,
    cold_requests=3.0,
    verified=0.01,
    verify_requests=0.5,
    verify_bytes=2_000.0,
    entry=500.0,
    entry_open=1e-4,
    shard=0.002,
)
PRICES = Prices(storage=0.02, gets=0.4, puts=5.0, node=2.0)
SETTING = Setting(segment_rows=1000, shard_rows=100_000, cores=10, memory=1e9, bandwidth=1e8)


def test_a_million_masks_by_hand() -> None:
    cost = costs(1_000_000, KNOWN, PRICES, SETTING)
    assert (cost.segments, cost.shards, cost.nodes) == (1000, 10, 4)
    assert cost.manifest == 500_000
    assert cost.stored == 31_050_000_000 + 500_000
    assert cost.index == 1e9
    assert cost.open_seconds == pytest.approx(0.1)
    assert cost.ingest_core_hours == pytest.approx(1.0)
    assert cost.warm_gets == pytest.approx(5000)
    assert cost.cold_gets == pytest.approx(3000 + 5000 + 1)
    assert cost.cold_bytes == pytest.approx(1e8 + 2e7 + 500_000)
    assert cost.cold_seconds == pytest.approx(1.205e8 / 4e8)
    assert cost.warm_seconds == pytest.approx(1.0 / 40)
    assert cost.coordinator_seconds == pytest.approx(0.02)
    assert cost.storage_month == pytest.approx(31.0505 * 0.02)
    assert cost.ingest_money == pytest.approx(3000 * 0.005 + 0.1 * 2)
    assert cost.cold_money == pytest.approx(8001 * 0.0004)
    assert cost.nodes_month == 4 * 2 * 730


def test_bytes_grow_with_masks_and_one_mask_costs_something() -> None:
    small, large = costs(1, KNOWN), costs(10**10, KNOWN)
    assert (small.segments, small.shards, small.nodes) == (1, 1, 1)
    assert large.stored / 1e10 == pytest.approx(31_050, rel=1e-3)
    assert large.segments == 2_441_407


def test_what_takes_long_is_named_the_slowest_first() -> None:
    cost = costs(1, KNOWN)
    assert list(first_limits(cost)) == []
    late = replace(cost, open_seconds=2.0, coordinator_seconds=3.0)
    assert list(first_limits(late)) == ["the coordinator", "opening the manifest"]
    assert list(first_limits(late, 2.5)) == ["the coordinator"]
