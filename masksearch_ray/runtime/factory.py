"""Choosing a runtime."""

from __future__ import annotations

from masksearch_ray.errors import InputError
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.types import Runtime

__all__ = ["open_runtime"]


def open_runtime(
    runtime: str | Runtime = "local",
    address: str | None = None,
    keep_alive: float | None = None,
    workers: int | None = None,
    memory: int | None = None,
) -> Runtime:
    """Choose a runtime by name.

    Parameters
    ----------
    runtime : {"local", "ray"} or Runtime
        A runtime that exists already is given back as it is.
    address : str, optional
        Of a Ray cluster; see `RayRuntime`.
    keep_alive : float, optional
        Seconds that a cluster's workers stay without use; see `RayRuntime`.
    workers : int, optional
        Ray workers at most; see `RayRuntime`.
    memory : int, optional
        Bytes of memory to ask Ray for, for each; see `RayRuntime`.

    Raises
    ------
    InputError
        If there is no runtime of that name, or it takes no such options.
    """
    if isinstance(runtime, str) and runtime == "ray":
        # Not above, so that whoever works without Ray does not load it.
        from masksearch_ray.runtime.ray import RayRuntime

        return RayRuntime(address, workers, keep_alive, memory)
    if address is not None:
        raise InputError("an address is for the Ray runtime only")
    for name, value in {"keep_alive": keep_alive, "workers": workers, "memory": memory}.items():
        if value is not None:
            raise InputError(f"{name} is for the Ray runtime only")
    if isinstance(runtime, str) and runtime == "local":
        return LocalRuntime()
    if isinstance(runtime, str) or not hasattr(runtime, "pool"):
        raise InputError(f"no runtime {runtime!r}; there are 'local' and 'ray'")
    return runtime
