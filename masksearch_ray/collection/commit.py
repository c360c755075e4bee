"""Committing a new version: create-if-absent, and again on top of what others committed."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Protocol

from masksearch_ray.collection.layout import manifest_key, new_name
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.manifest_json import encode_manifest
from masksearch_ray.collection.versions import newest_version, now, open_manifest, read_manifest
from masksearch_ray.errors import (
    ConflictError,
    ExistsError,
    NotFoundError,
    StorageError,
    TransientError,
)
from masksearch_ray.model.text import plain_url
from masksearch_ray.storage import Storage

__all__ = ["Change", "commit"]

_log = logging.getLogger("masksearch_ray.collection")

# Others' commits that a writer lets pass before it gives up.
_ATTEMPTS = 1000
# Tries of one and the same commit whose outcome stays unknown.
_TRIES = 3


class Change(Protocol):
    """What a commit does to whichever version is the newest."""

    def rebase(self, latest: Manifest) -> Manifest | None:
        """Segments, schema and ids after the change; None where there is nothing to change.

        Version, uuid and time are set by `commit`. May be called several times.

        Raises
        ------
        ConflictError, DataError
            If the change cannot be made to `latest`.
        """
        ...


def commit(storage: Storage, change: Change) -> Manifest:
    """Make a change to the newest version.

    Parameters
    ----------
    storage : Storage
    change : Change

    Returns
    -------
    Manifest
        The version that holds the change; the newest one where there was nothing to change.

    Raises
    ------
    ConflictError
        If it does not fit what others committed meanwhile, or they never let us through.
    StorageError
        If the storage fails. After a `TransientError` the change may have been made or not.
    """
    latest = open_manifest(storage)
    for _ in range(_ATTEMPTS):
        changed = change.rebase(latest)
        if changed is None:
            return latest
        proposed = replace(changed, version=latest.version + 1, uuid=new_name(), created=now())
        if _create(storage, proposed):
            _log.info("version %d of %s committed", proposed.version, plain_url(storage.url))
            return proposed
        _log.info("version %d is another's: re-based on top of it", proposed.version)
        latest = open_manifest(storage)
    raise ConflictError(f"{storage.url}: {_ATTEMPTS} other commits came first; try again")


def _create(storage: Storage, proposed: Manifest) -> bool:
    """Whether `proposed` became its version; else another has taken the number."""
    key, data = manifest_key(proposed.version), encode_manifest(proposed)
    for tried in range(1, _TRIES + 1):
        try:
            storage.put_if_absent(key, data)
            return True
        except ExistsError:
            return _ours(storage, proposed)
        except StorageError as error:
            # Whatever the storage says, only what lies under the key tells what happened.
            try:
                return _ours(storage, proposed)
            except NotFoundError:
                if tried == _TRIES or not isinstance(error, TransientError):
                    raise error from None
    raise AssertionError("unreachable")


def _ours(storage: Storage, proposed: Manifest) -> bool:
    try:
        return read_manifest(storage, proposed.version).uuid == proposed.uuid
    except NotFoundError:
        if newest_version(storage) > proposed.version:
            return False  # taken, and vacuumed since
        raise
