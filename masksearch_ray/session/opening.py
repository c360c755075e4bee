"""Creating and opening collections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any, Literal

from masksearch_ray.collection.versions import create_collection, open_manifest
from masksearch_ray.errors import InputError
from masksearch_ray.model.query import Catalog, Field
from masksearch_ray.model.record import Sink
from masksearch_ray.model.values import Domain
from masksearch_ray.runtime.factory import open_runtime
from masksearch_ray.runtime.types import Runtime
from masksearch_ray.session.arguments import (
    cache_limit,
    check_bytes,
    check_choice,
    check_function,
    check_mapping,
    check_path,
)
from masksearch_ray.session.changes import regions_of
from masksearch_ray.session.collection import Collection
from masksearch_ray.storage import open_storage

__all__ = ["create", "open"]


def create(
    url: str | PathLike[str],
    domain: tuple[float, float] = (0.0, 1.0),
    nan: Literal["reject", "keep"] = "reject",
    cell: int | None = None,
    bins: int | Sequence[float] = 20,
    rois: Literal["auto"] | Sequence[Any] = "auto",
    *,
    runtime: str | Runtime = "local",
    address: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Collection:
    """Begin an empty collection.

    Parameters
    ----------
    url : str or path
        A folder, ``s3://…`` or ``memory://name``.
    domain : (float, float)
        Smallest and largest value that a pixel may have.
    nan : {"reject", "keep"}
        Whether masks may hold NaN; a kept NaN is counted by no range.
    cell : int, optional
        Side of a cell of the index in pixels; by default by the size of the mask.
    bins : int or sequence of float
        Bins of the index: how many, or their edges. 256 make every count on uint8 masks exact
        wherever a region has a histogram.
    rois : "auto" or sequence
        Regions of which every row keeps a histogram: ``(x0, y0, x1, y1)``, the name of a box
        column, or SQL such as ``"full_image"``. "auto": the full image and every box column.
    runtime, address, storage_options
        As for `open`.

    Returns
    -------
    Collection

    Raises
    ------
    CollectionError
        There is a collection already.
    InputError
        An argument makes no sense.
    """
    url = _text_of(url)
    check_mapping(storage_options=storage_options)
    check_choice("reject", "keep", nan=nan)
    options = dict(storage_options or {})
    regions = regions_of(rois, _expected)
    storage = open_storage(url, options)
    # Chosen before anything is written: what is refused leaves no collection behind.
    chosen = open_runtime(runtime, address)
    manifest = create_collection(storage, _domain_of(domain), nan, cell, bins, regions)
    return Collection(storage, manifest, chosen, owns_runtime=isinstance(runtime, str))


def _text_of(url: object) -> str:
    if isinstance(url, str | PathLike) and isinstance(text := fspath(url), str):
        return text
    raise InputError(f"URL {url!r}: a text or a path wanted")


def _domain_of(domain: object) -> Domain:
    try:
        low, high = map(float, domain)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise InputError(f"domain = {domain!r}: two numbers (low, high) wanted") from error
    return Domain(low, high)


def _expected(roi: Any) -> Catalog:
    """There are no columns yet: a name means a box column to come."""
    names = [roi] if isinstance(roi, str) and roi.isidentifier() and roi != "full_image" else []
    return Catalog("masks", {name: Field(name, "box") for name in names}, Domain())


def open(
    url: str | PathLike[str],
    runtime: str | Runtime = "local",
    address: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    cache: str | PathLike[str] | None = None,
    cache_bytes: int | None = None,
    version: int | None = None,
    on_query: Sink | None = None,
    keep_alive: float | None = None,
    workers: int | None = None,
    memory: int | None = None,
    pixel_bytes: int | None = None,
) -> Collection:
    """Open a collection.

    Parameters
    ----------
    url : str or path
        A folder, ``s3://…`` or ``memory://name``.
    runtime : "local", "ray" or Runtime
        Threads of this process, or actors of a Ray cluster. A runtime that is given may serve
        several collections, and is closed by whoever made it.
    address : str, optional
        Of the Ray cluster; else RAY_ADDRESS, else a private instance on this machine.
    storage_options : mapping, optional
        For object storage; docs/storage.md lists those for S3. Other stores take what their
        fsspec file system takes.
    cache : str or path, optional
        Folder in which is kept what was read of a remote collection, and the index of one that
        is read-only; by default one in the user's cache directory.
    cache_bytes : int, optional
        How much of remote collections is kept there, on each machine that reads them; what was
        used longest ago goes first. 0 keeps nothing. By default the environment variable
        MASKSEARCH_CACHE_BYTES, else a fifth of what the disk has free, at most 10 GiB.
    version : int, optional
        An older version; such a collection cannot be written to.
    on_query : callable, optional
        Called with the `QueryRecord` of every query that has ended, also by an error.
    keep_alive : float, optional
        Seconds that the workers of a Ray cluster stay without use, with what they hold in
        memory, also when this process has ended: the next one that opens the collection with
        `keep_alive` finds them. By default they end when the collection is closed.
    workers : int, optional
        Ray workers to ask for, also of a cluster that has no nodes yet; never more than the
        collection has segments. By default one for each CPU that the cluster has now.
    memory : int, optional
        Bytes of memory to ask Ray for, for each worker. By default none are asked for.
    pixel_bytes : int, optional
        Bytes of decoded pixels that each process keeps in memory, 0 for none: queries that doubt
        the same pixels then don't read them again. By default a 32nd of the machine's memory, at
        most 512 MiB.

    Returns
    -------
    Collection

    Raises
    ------
    CollectionError
        No collection there, no such version, or one of a newer format.
    StorageError
        It cannot be read.
    """
    url = _text_of(url)
    check_mapping(storage_options=storage_options)
    check_path(cache="" if cache is None else cache)
    options = dict(storage_options or {})
    check_function(on_query=on_query)
    check_bytes(pixel_bytes=pixel_bytes)
    limit = cache_limit(cache_bytes)
    if version is not None and not isinstance(version, int):
        raise InputError(f"version = {version!r}: a whole number wanted")
    storage = open_storage(url, options)
    manifest = open_manifest(storage, version)
    return Collection(
        storage,
        manifest,
        open_runtime(runtime, address, keep_alive, workers, memory),
        owns_runtime=isinstance(runtime, str),
        pinned=version is not None,
        cache=None if cache is None else fspath(cache),
        cache_bytes=limit,
        pixel_bytes=pixel_bytes,
        on_query=on_query,
    )
