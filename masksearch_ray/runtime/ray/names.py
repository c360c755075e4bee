"""Names by which people find our actors and tasks in Ray's dashboard, logs and lists."""

from __future__ import annotations

from masksearch_ray.model.text import plain_url, shortened

__all__ = ["is_worker", "shard_label", "stage_name", "task_name", "worker_name"]

_LONGEST = 200
_WORKER = "masksearch worker "


def worker_name(number: int, session: str) -> str:
    """Name of an actor; names are unique in a cluster, so sessions have one too."""
    return f"{_WORKER}{number} of session {session}"


def is_worker(name: str) -> bool:
    """Whether an actor of this name is one of ours."""
    return name.startswith(_WORKER)


def shard_label(number: int, count: int, url: str) -> str:
    """Name of a shard: which one, of how many, of which collection."""
    return f"shard {number} of {count} of {plain_url(url)}"


def stage_name(stage: object, url: str) -> str:
    """Name of the task that runs a stage.

    Ray exports a metric for every name, so it names neither the query nor the shard: the worker
    tells these, and so do log lines.
    """
    return f"masksearch {type(stage).__name__} on {plain_url(url)}"


def task_name(label: str) -> str:
    """Name of the task that does a job."""
    return f"masksearch {shortened(label, _LONGEST)}"
