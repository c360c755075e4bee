"""From a URL to the storage behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from masksearch_ray.errors import InputError
from masksearch_ray.storage.local import LocalStorage
from masksearch_ray.storage.memory import MemoryStorage
from masksearch_ray.storage.types import Storage

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def open_storage(url: str, options: Mapping[str, Any] | None = None) -> Storage:
    """Open the storage at `url`.

    Parameters
    ----------
    url : str
        Path of a folder, or a URL in ``file://`` or ``memory://``.
    options : mapping, optional
        For remote storage, options of its client.

    Raises
    ------
    InputError
        If the scheme is none of these.
    """
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else "file"
    if not url:
        raise InputError("the URL of a storage must not be empty")
    if scheme == "file":
        return LocalStorage(url)
    if scheme == "memory":
        return MemoryStorage(url)
    raise InputError(f"{url}: unknown scheme {scheme}://; accepted are a path, file://, memory://")
