"""Workers of a pool, as tests find and kill them."""

from __future__ import annotations

import os
import signal
from typing import Any

import ray

from masksearch_ray.runtime.ray.pool import RayPool
from tests.conformance.pools import Opened

__all__ = ["kill_worker", "living", "node_of", "pool_of"]


def pool_of(opened: Opened) -> RayPool:
    """The pool, as what it is."""
    assert isinstance(opened.pool, RayPool)
    return opened.pool


def living(opened: Opened) -> int:
    """Workers of a pool that answer."""
    pool = pool_of(opened)
    return len(pool._crew.look(pool._members))


def kill_worker(opened: Opened, worker: int) -> None:
    """Kill the process of a worker; Ray starts another where there is room."""
    os.kill(_ask(opened, worker, lambda actor: os.getpid()), signal.SIGKILL)


def node_of(opened: Opened, worker: int) -> str:
    """Id of the node of a worker."""
    node: str = _ask(opened, worker, lambda actor: ray.get_runtime_context().get_node_id())
    return node


def _ask(opened: Opened, worker: int, question: Any) -> Any:
    # It may be about to be started anew.
    ask = pool_of(opened)._actors[worker].__ray_call__.options(max_task_retries=-1)
    return ray.get(ask.remote(question), timeout=60)
