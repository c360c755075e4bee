"""From a URL to the storage behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from masksearch_ray.errors import InputError
from masksearch_ray.storage.local import LocalStorage
from masksearch_ray.storage.memory import MemoryStorage
from masksearch_ray.storage.remote import PACKAGES, FsspecStorage
from masksearch_ray.storage.retry import RetryingStorage
from masksearch_ray.storage.s3 import S3Storage
from masksearch_ray.storage.types import Storage

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
REMOTE = ("s3", *PACKAGES)
"""Schemes of storages that are asked over a network."""

_ACCEPTED = ", ".join(["a path", "file://", "memory://", *(f"{name}://" for name in REMOTE)])


def open_storage(url: str, options: Mapping[str, Any] | None = None) -> Storage:
    """Open the storage at `url`; a remote one retries what may pass.

    Parameters
    ----------
    url : str
        Path of a folder, or a URL: ``file://``, ``memory://``, ``s3://``, ``gs://``, ``az://``.
    options : mapping, optional
        For remote storage, options of its client.

    Raises
    ------
    InputError
        If the scheme is none of these, or takes no such options.
    """
    if not url:
        raise InputError(f"the URL of a storage must not be empty; accepted: {_ACCEPTED}")
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else "file"
    rest = url[match.end() :] if match else url
    if scheme == "s3":
        return RetryingStorage(S3Storage(f"s3://{rest}", options))
    if scheme in PACKAGES:
        return RetryingStorage(FsspecStorage(f"{scheme}://{rest}", options))
    if scheme not in ("file", "memory"):
        raise InputError(f"{url}: unknown scheme {scheme}://; accepted: {_ACCEPTED}")
    if options:
        raise InputError(f"{url}: storage options are for remote storage only")
    if scheme == "memory":
        return MemoryStorage(f"memory://{rest}")
    return LocalStorage(f"file://{rest}" if match else url)


def is_remote(url: str) -> bool:
    """Whether the storage at a URL is asked over a network."""
    match = _SCHEME.match(url)
    return match is not None and match[1].lower() in REMOTE
