"""What lies at a URL."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from masksearch_ray.errors import DataError
from masksearch_ray.storage import ObjectInfo, Storage, open_storage

__all__ = ["Location", "locate", "suffix_of"]


@dataclass(frozen=True, eq=False)
class Location:
    """Some files of a storage.

    Parameters
    ----------
    storage : Storage
        A folder; of a single file, or of a prefix in an object store, the folder above.
    prefix : str
        What the keys start with.
    infos : tuple of ObjectInfo
        The files, sorted by key.
    """

    storage: Storage
    prefix: str
    infos: tuple[ObjectInfo, ...]

    @property
    def url(self) -> str:
        """Full URL."""
        return self.url_of(self.prefix)

    def url_of(self, key: str) -> str:
        """Full URL of a file."""
        return posixpath.join(self.storage.url, key).rstrip("/")

    def of(self, suffixes: Sequence[str]) -> Location:
        """Only the files with one of some suffixes, and of those none that is hidden."""
        found = [
            info for info in self.infos if suffix_of(info.key) in suffixes and not _hidden(info.key)
        ]
        return replace(self, infos=tuple(sorted(found, key=lambda info: info.key)))


def locate(url: str, options: Mapping[str, Any] | None = None) -> Location:
    """List what lies at the URL of a folder, a file or, in an object store, a prefix.

    Raises
    ------
    DataError
        If nothing lies there.
    """
    storage = open_storage(url, options)
    infos = tuple(storage.list())
    if infos:
        return Location(storage, "", infos)
    above, _, name = storage.url.rpartition("/")
    if name and above and not above.endswith("/"):
        folder = open_storage(above, options)
        infos = tuple(folder.list(name))
        exact = tuple(info for info in infos if info.key == name)
        # In folders, unlike object stores, a name cut short is a slip of the hand.
        if exact or (infos and "://" in above):
            return Location(folder, name, exact or infos)
    raise DataError(f"{storage.url}: nothing there")


def suffix_of(key: str) -> str:
    """Suffix of a file, in lower case."""
    return posixpath.splitext(key)[1].lower()


def _hidden(key: str) -> bool:
    return any(part.startswith(".") for part in key.split("/"))
