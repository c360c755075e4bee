"""A collection that is begun where there is none, and taken back if nothing comes into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from masksearch_ray.cli.opening import opened
from masksearch_ray.cli.parse import named_values
from masksearch_ray.errors import InputError

if TYPE_CHECKING:
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
def opened_or_created(url: str, storage: Sequence[str], creation: Creation) -> Iterator[Collection]:
    """Open a collection, or begin it; an InputError leaves no collection that was not there.

    Raises
    ------
    InputError
        If it is there and was created otherwise than is asked for.
    """
    import masksearch_ray as ms
    from masksearch_ray.collection.versions import list_versions, open_manifest
    from masksearch_ray.storage import open_storage

    options = named_values(storage, "--storage-option")
    where = open_storage(url, options)
    if list_versions(where):
        _require_same(open_manifest(where), creation)
        with opened(url, storage) as collection:
            yield collection
        return
    with ms.create(url, **creation.arguments(), storage_options=options) as collection:
        try:
            yield collection
        except InputError:
            _take_back(where)
            raise


def _require_same(manifest: Any, creation: Creation) -> None:
    there = {
        "domain": (manifest.domain.lo, manifest.domain.hi),
        "nan": manifest.nan,
        "cell": manifest.spec.cell,
        "bins": len(manifest.spec.edges) - 1,
    }
    for name, asked in creation.arguments().items():
        if asked != there[name]:
            raise InputError(
                f"--{name} {asked}: the collection is there already and has {there[name]}, "
                "which was settled when it was created"
            )


def _take_back(storage: Storage) -> None:
    """Remove a collection that has only its first, empty version, and what an ingest began."""
    from masksearch_ray.collection import layout
    from masksearch_ray.collection.versions import list_versions

    if [found.version for found in list_versions(storage)] != [1]:
        return
    for prefix in (layout.MANIFESTS, layout.INGESTS, layout.SEGMENTS):
        for info in list(storage.list(prefix)):
            storage.delete(info.key)
