"""Collections as options name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from masksearch_ray.cli.options import RuntimeName
from masksearch_ray.cli.parse import named_values

if TYPE_CHECKING:
    from masksearch_ray.model.record import Sink
    from masksearch_ray.session import Collection

__all__ = ["opened", "opening"]


def opening(
    storage: Sequence[str] = (),
    runtime: RuntimeName = RuntimeName.local,
    address: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Arguments of `masksearch_ray.open`, as options give them."""
    options = named_values(storage, "--storage-option")
    return {"runtime": runtime.value, "address": address, "storage_options": options, **more}


@contextmanager
def opened(
    url: str,
    storage: Sequence[str] = (),
    runtime: RuntimeName = RuntimeName.local,
    address: str | None = None,
    version: int | None = None,
    cache: str | None = None,
    on_query: Sink | None = None,
    cache_bytes: int | None = None,
    keep_alive: float | None = None,
    workers: int | None = None,
    memory: int | None = None,
) -> Iterator[Collection]:
    """Open a collection; what its runtime started ends with the block, or later."""
    import masksearch_ray as ms

    how = opening(
        storage,
        runtime,
        address,
        version=version,
        cache=cache,
        cache_bytes=cache_bytes,
        on_query=on_query,
        keep_alive=keep_alive,
        workers=workers,
        memory=memory,
    )
    with ms.open(url, **how) as collection:
        yield collection
