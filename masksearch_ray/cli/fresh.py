"""A collection that is begun where there is none, or where one is still empty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from masksearch_ray.cli.opening import opened
from masksearch_ray.cli.options import RuntimeName
from masksearch_ray.cli.parse import named_values
from masksearch_ray.errors import CollectionError, InputError

if TYPE_CHECKING:
    from masksearch_ray.collection.manifest import Manifest
    from masksearch_ray.session import Collection
    from masksearch_ray.storage import Storage

__all__ = ["Creation", "opened_or_created"]


@dataclass(frozen=True)
class Creation:
    """What is settled when a collection is created; None where nothing was asked for.

    Parameters
    ----------
    domain : (float, float) or None
        Smallest and largest value of a pixel.
    nan : {"reject", "keep"} or None
    cell : int or None
        Side of the index's cells, pixels.
    bins : int or None
        Of the index.
    """

    domain: tuple[float, float] | None = None
    nan: str | None = None
    cell: int | None = None
    bins: int | None = None

    def arguments(self) -> dict[str, Any]:
        """Give what was asked for, as `masksearch_ray.create` takes it."""
        asked = {"domain": self.domain, "nan": self.nan, "cell": self.cell, "bins": self.bins}
        return {name: value for name, value in asked.items() if value is not None}


@contextmanager
def opened_or_created(
    url: str,
    storage: Sequence[str],
    creation: Creation,
    runtime: RuntimeName = RuntimeName.local,
    address: str | None = None,
) -> Iterator[Collection]:
    """Open a collection, or begin it.

    If nothing comes into it, it stays, empty: another process may be adding to it by now.

    Raises
    ------
    InputError
        If it holds something and was created otherwise than is asked for.
    """
    import masksearch_ray as ms
    from masksearch_ray.collection.versions import list_versions, open_manifest
    from masksearch_ray.storage import open_storage

    options = named_values(storage, "--storage-option")
    where = open_storage(url, options)
    if not list_versions(where) or _made_way(where, creation):
        try:
            ms.create(url, **creation.arguments(), storage_options=options).close()
        except CollectionError:
            # Another process was quicker: what it has begun does, unless it is something else.
            if not list_versions(where) or _others(open_manifest(where), creation):
                raise
    with opened(url, storage, runtime, address) as collection:
        yield collection


def _others(manifest: Manifest, creation: Creation) -> dict[str, Any]:
    """Settings of a collection that are not as asked for."""
    there = {
        "domain": (manifest.domain.lo, manifest.domain.hi),
        "nan": manifest.nan,
        "cell": manifest.spec.cell,
        "bins": len(manifest.spec.edges) - 1,
    }
    asked = creation.arguments()
    return {name: there[name] for name in asked if asked[name] != there[name]}


def _made_way(storage: Storage, creation: Creation) -> bool:
    """Whether a collection created otherwise was empty and is gone; an InputError if it was not.

    Whoever is adding to it is told so by an error when it commits.
    """
    from masksearch_ray.collection import layout
    from masksearch_ray.collection.versions import open_manifest

    manifest = open_manifest(storage)
    others = _others(manifest, creation)
    if not others:
        return False
    if manifest.version > 1 or any(True for _ in storage.list(layout.SEGMENTS)):
        name, there = next(iter(others.items()))
        raise InputError(
            f"--{name} {_said(creation.arguments()[name])}: the collection is there already and "
            f"has {_said(there)}, which was settled when it was created"
        )
    storage.delete(layout.manifest_key(1))
    return True


def _said(value: object) -> str:
    """As the option would have it."""
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)
