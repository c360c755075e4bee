"""Ray's exceptions as errors of ours."""

from __future__ import annotations

from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    GetTimeoutError,
    LocalRayletDiedError,
    NodeDiedError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from masksearch_ray.errors import WorkerError

__all__ = ["worker_error"]


def worker_error(error: RayError, shard: str) -> WorkerError:
    """Say what befell a shard's worker.

    Parameters
    ----------
    error : ray.exceptions.RayError
    shard : str
        Its name, for the message.
    """
    if isinstance(error, RayTaskError):
        cause = error.cause
        found = WorkerError(f"{shard}: its worker failed: {type(cause).__name__}: {cause}")
        found.add_note(str(error))
        return found
    if isinstance(error, OutOfMemoryError):
        what = "its worker was stopped because the machine ran out of memory"
    elif isinstance(error, ActorDiedError | WorkerCrashedError):
        what = "its worker died"
    elif isinstance(error, NodeDiedError | LocalRayletDiedError):
        what = "its node died"
    elif isinstance(error, ActorUnavailableError):
        what = "its worker became unavailable"
    elif isinstance(error, GetTimeoutError):
        what = "its worker was not ready in time"
    else:
        what = f"its worker's answer was lost ({type(error).__name__})"
    found = WorkerError(f"{shard}: {what} and could not be replaced")
    found.add_note(str(error))
    return found
