"""Choosing a runtime by name."""

from __future__ import annotations

from masksearch_ray.errors import InputError
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.types import Runtime

__all__ = ["open_runtime"]


def open_runtime(runtime: str | Runtime = "local", address: str | None = None) -> Runtime:
    """Runtime of a name, or the one given.

    Raises
    ------
    InputError
        Unknown name.
    """
    if not isinstance(runtime, str):
        return runtime
    if runtime == "local":
        return LocalRuntime()
    if runtime == "ray":
        from masksearch_ray.runtime.ray import RayRuntime  # Ray is loaded only where asked for

        return RayRuntime(address)
    raise InputError(f"runtime {runtime!r}: 'local' or 'ray' wanted")
