"""How many workers a cluster is asked for, and which of them takes a shard."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import ray

from masksearch_ray.collection.recent import default_budget
from masksearch_ray.runtime.ray.terms import Terms

__all__ = ["budget_of", "choose_worker", "cluster_cpus", "describe_cluster", "sent_together"]

T = TypeVar("T")

_FAN = 16  # shards at most whose answers one worker combines before it sends them
_SHARE = 3  # of a node's memory a third for what is kept, the rest for work and for others


def choose_worker(load: Sequence[int], home: int | None, losses: int) -> int | None:
    """Choose who takes a shard.

    Parameters
    ----------
    load : sequence of int
        Stages of this round trip at each worker that lives.
    home : int or None
        The shard's own worker among them.
    losses : int
        Workers lost over this stage: after one, another is tried if there is any.

    Returns
    -------
    int or None
        None: there is nobody.
    """
    if home is not None and (not losses or len(load) == 1):
        return home
    others = [at for at in range(len(load)) if at != home]
    # Each loss counts on, so that not all go to the same one.
    ranked = sorted(others, key=lambda at: (load[at], at))
    return ranked[(losses - 1) % len(ranked)] if losses and ranked else next(iter(ranked), None)


def sent_together(bound: Mapping[T, Hashable]) -> list[list[T]]:
    """Which shards' stages a worker is sent, and answers, together.

    Parameters
    ----------
    bound : mapping
        By stage what is equal for those that may be sent together, such as their worker.

    Returns
    -------
    list of list
        As few as can be, and of one worker about even.
    """
    held: dict[Hashable, list[T]] = {}
    for stage, key in bound.items():
        held.setdefault(key, []).append(stage)
    parts: list[list[T]] = []
    for stages in held.values():
        number = -(-len(stages) // _FAN)
        parts += [stages[first::number] for first in range(number)]
    return parts


def budget_of(terms: Terms, workers: int, nodes: Sequence[Mapping[str, Any]] | None = None) -> int:
    """Bytes that each worker may keep of what it has read.

    Parameters
    ----------
    terms : Terms
    workers : int
        That may lie on one node, if it has the CPUs for them.
    nodes : sequence of mapping, optional
        As `ray.nodes` gives them.
    """
    if terms.budget is not None:
        return terms.budget
    if terms.memory is not None:
        return terms.memory // 2
    shares = []
    for resources in _resources(nodes):
        cpus = int(resources.get("CPU", 0))
        if cpus:
            beside = max(1, min(workers, cpus) if terms.hold else workers)
            shares.append(int(resources.get("memory", 0)) // _SHARE // beside)
    known = [share for share in shares if share]
    return min([default_budget(), *known])


def cluster_cpus(nodes: Sequence[Mapping[str, Any]] | None = None) -> int:
    """CPUs of the nodes that are there now."""
    return int(sum(resources.get("CPU", 0) for resources in _resources(nodes)))


def describe_cluster(terms: Terms) -> str:
    """Say what each worker asked for and what there is."""
    there = _resources(None)
    asked = "1 CPU" + (f" and {terms.memory / 2**30:.3g} GiB" if terms.memory else "")
    cpus = [int(resources.get("CPU", 0)) for resources in there]
    return f"each asked for {asked}; the cluster has {len(there)} nodes with {sum(cpus)} CPUs"


def _resources(nodes: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, float]]:
    known: Any = ray.nodes() if nodes is None else nodes  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in known if node["Alive"]]
