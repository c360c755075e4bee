"""Finding, reading and beginning the versions of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from masksearch_ray.collection.layout import MANIFESTS, manifest_key, manifest_version, new_name
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.manifest_json import decode_manifest, encode_manifest
from masksearch_ray.collection.reread import reread
from masksearch_ray.collection.specs import IndexSpec, edges_of
from masksearch_ray.errors import (
    CollectionError,
    DamagedError,
    ExistsError,
    InputError,
    NotFoundError,
    TransientError,
)
from masksearch_ray.model.roi import Roi
from masksearch_ray.model.values import Domain
from masksearch_ray.storage import Storage
from masksearch_ray.storage.keys import join_url

__all__ = [
    "VersionInfo",
    "create_collection",
    "list_versions",
    "newest_version",
    "now",
    "object_url",
    "open_manifest",
    "read_manifest",
]


@dataclass(frozen=True)
class VersionInfo:
    """One version that can be opened.

    Parameters
    ----------
    version : int
    modified : float
        When it was committed, seconds since the epoch.
    """

    version: int
    modified: float


def now() -> str:
    """Tell the time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def object_url(storage: Storage, key: str) -> str:
    """URL of an object, for errors."""
    return join_url(storage.url, key)


def list_versions(storage: Storage) -> Sequence[VersionInfo]:
    """Versions that are there, ascending."""
    found = []
    for info in storage.list(MANIFESTS):
        version = manifest_version(info.key)
        if version is not None:
            found.append(VersionInfo(version, info.modified))
    return found


def newest_version(storage: Storage) -> int:
    """Find the newest version.

    Raises
    ------
    CollectionError
        If there is no collection.
    """
    versions = list_versions(storage)
    if not versions:
        raise CollectionError(f"{storage.url}: no collection there")
    return versions[-1].version


def read_manifest(storage: Storage, version: int) -> Manifest:
    """Read one version's manifest.

    Raises
    ------
    NotFoundError
        If there is no such version.
    CollectionError
        If a newer version of this package wrote it.
    DamagedError
        If it is damaged.
    """
    key = manifest_key(version)
    url = object_url(storage, key)
    manifest = reread(lambda: decode_manifest(storage.get(key), url))
    if manifest.version != version:
        raise DamagedError(f"holds version {manifest.version}", url)
    return manifest


def open_manifest(storage: Storage, version: int | None = None) -> Manifest:
    """Read the newest manifest, or that of a version.

    Raises
    ------
    CollectionError
        If there is no collection, or no such version of it.
    DamagedError
        If the manifest is damaged.
    """
    if version is None:
        return read_manifest(storage, newest_version(storage))
    try:
        return read_manifest(storage, version)
    except (InputError, NotFoundError) as error:
        if isinstance(error, CollectionError):
            raise
        there = [found.version for found in list_versions(storage)]
        if not there:
            raise CollectionError(f"{storage.url}: no collection there") from error
        raise CollectionError(
            f"{storage.url}: no version {version}; there are {len(there)} versions, "
            f"{there[0]} to {there[-1]}"
        ) from error


def create_collection(
    storage: Storage,
    domain: Domain | tuple[float, float] = (0.0, 1.0),
    nan: Literal["reject", "keep"] = "reject",
    cell: int | None = None,
    bins: int | Sequence[float] = 20,
    rois: Sequence[Roi] | Literal["auto"] = "auto",
) -> Manifest:
    """Begin an empty collection.

    Parameters
    ----------
    storage : Storage
    domain : Domain or (float, float)
        Smallest and largest value that a pixel may have.
    nan : {"reject", "keep"}
        What `append` does with masks that hold NaN.
    cell : int, optional
        Side of a cell of the index in pixels; by default by the size of the mask.
    bins : int or sequence of float
        Bins of the index: a count, or their edges.
    rois : sequence of Roi or "auto"
        Regions of which every row keeps a histogram; "auto": full image and columns of boxes.

    Returns
    -------
    Manifest
        Version 1.

    Raises
    ------
    CollectionError
        If there is a collection already.
    InputError
        If an argument makes no sense.
    """
    domain = domain if isinstance(domain, Domain) else Domain(*(float(x) for x in domain))
    if nan not in ("reject", "keep"):
        raise InputError(f"nan = {nan!r}: 'reject' or 'keep' wanted")
    manifest = Manifest(
        version=1,
        uuid=new_name(),
        created=now(),
        kind="mask",
        domain=domain,
        nan=nan,
        spec=IndexSpec(cell, edges_of(bins, domain), rois if rois == "auto" else tuple(rois)),
        schema=pa.schema([]),
    )
    if list_versions(storage):
        raise CollectionError(f"{storage.url}: there is a collection already")
    _begin(storage, manifest)
    return manifest


def _begin(storage: Storage, manifest: Manifest) -> None:
    try:
        storage.put_if_absent(manifest_key(1), encode_manifest(manifest))
    except (ExistsError, TransientError) as error:
        # Our own attempt may have come through although its answer was lost.
        try:
            found = read_manifest(storage, 1)
        except NotFoundError:
            raise error from None
        if found.uuid != manifest.uuid:
            raise CollectionError(f"{storage.url}: there is a collection already") from error
