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

__all__ = ["is_memory", "reason_of", "start_error", "worker_error"]

_LOW = "running low on memory"  # what Ray's memory monitor says of those that it ends


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
    else:
        found = WorkerError(f"{shard}: its worker {reason_of(error)} and could not be replaced")
    found.add_note(str(error))
    return found


def reason_of(error: RayError) -> str:
    """What befell a worker, to follow "its worker"."""
    if is_memory(error):
        return "was stopped because the machine ran out of memory"
    if isinstance(error, ActorDiedError | WorkerCrashedError):
        return "died"
    if isinstance(error, NodeDiedError | LocalRayletDiedError):
        return "died with its node"
    if isinstance(error, ActorUnavailableError):
        return "became unavailable"
    if isinstance(error, GetTimeoutError):
        return "did not hand over its answer in time"
    return f"gave an answer that was lost ({type(error).__name__})"


def start_error(error: RayError) -> str:
    """Why a worker could not be started, in a line: Ray puts the cause below all else."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def is_memory(error: RayError) -> bool:
    """Whether a worker failed for want of memory."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    return isinstance(cause, OutOfMemoryError | MemoryError) or _LOW in str(error)
