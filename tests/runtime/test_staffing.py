from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.collection.recent import default_budget
from masksearch_ray.runtime.ray.staffing import (
    budget_of,
    choose_worker,
    cluster_cpus,
    sent_together,
)
from masksearch_ray.runtime.ray.terms import Terms

GIB = 1 << 30


def node(cpus: int, memory: int = 0, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": float(cpus), "memory": float(memory)}}


def test_a_shard_goes_home_if_it_can() -> None:
    assert choose_worker([9, 0, 0], home=0, losses=0) == 0
    assert choose_worker([5, 2, 3], home=None, losses=0) == 1
    assert choose_worker([], home=None, losses=0) is None


def test_after_a_loss_another_is_tried() -> None:
    assert choose_worker([0, 4, 3], home=0, losses=1) == 2
    assert choose_worker([0, 4, 3], home=0, losses=2) == 1
    assert choose_worker([0], home=0, losses=3) == 0


@given(st.lists(st.integers(0, 9), max_size=6), st.none() | st.integers(0, 5), st.integers(0, 9))
def test_somebody_is_chosen_wherever_there_is_anybody(
    load: list[int], home: int | None, losses: int
) -> None:
    chosen = choose_worker(load, home if home is not None and home < len(load) else None, losses)
    assert (chosen is None) == (not load)
    assert chosen is None or 0 <= chosen < len(load)


@given(st.dictionaries(st.integers(0, 200), st.integers(0, 4), max_size=150))
def test_shards_of_one_worker_are_sent_together(homes: dict[int, int]) -> None:
    parts = sent_together(homes)
    assert sorted(shard for part in parts for shard in part) == sorted(homes)
    for home in set(homes.values()):
        sizes = [len(part) for part in parts if homes[part[0]] == home]
        assert len(sizes) == -(-sum(sizes) // 16)
        assert max(sizes) - min(sizes) <= 1
    assert all(len({homes[shard] for shard in part}) == 1 for part in parts)


def test_cpus_of_nodes_that_live() -> None:
    assert cluster_cpus([node(0), node(4), node(8, alive=False), node(2)]) == 6


def test_workers_of_a_node_share_its_memory() -> None:
    nodes = [node(4, 12 * GIB), node(1, 100 * GIB)]
    assert budget_of(Terms(hold=True), 8, nodes) == min(GIB, default_budget())
    assert budget_of(Terms(hold=True), 2, nodes) == min(2 * GIB, default_budget())
    assert budget_of(Terms(memory=2 * GIB), 8, nodes) == GIB
    assert budget_of(Terms(), 8, [node(0)]) == default_budget()
