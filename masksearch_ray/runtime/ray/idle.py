"""Workers that are kept alive and that nobody uses."""

from __future__ import annotations

import contextlib
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from masksearch_ray.runtime.ray.names import is_worker
from masksearch_ray.runtime.types import WorkerReport

__all__ = ["end_idle"]


def end_idle(namespace: str, idle: float, timeout: float) -> set[str]:
    """End the workers of a namespace that were not used lately.

    Parameters
    ----------
    namespace : str
    idle : float
        Seconds without use.
    timeout : float
        Seconds that they have to say how long they were not used; who does not say stays.

    Returns
    -------
    set of str
        Names of those that were ended.
    """
    asked: dict[Any, tuple[str, Any]] = {}
    for named in list_named_actors(all_namespaces=True):
        if named["namespace"] == namespace and is_worker(named["name"]):
            # One that ends meanwhile is not there any more.
            with contextlib.suppress(ValueError):
                actor = ray.get_actor(named["name"], namespace)
                answer: Any = actor.report.options(max_task_retries=0).remote()
                asked[answer] = (named["name"], actor)
    if not asked:
        return set()
    ready: list[Any]
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=timeout)
    ended = set()
    for answer in ready:
        name, actor = asked[answer]
        with contextlib.suppress(RayError):
            report: WorkerReport = ray.get(answer)
            if not report.queries and report.idle >= idle:
                ray.kill(actor)
                ended.add(name)
    return ended
