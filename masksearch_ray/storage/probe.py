"""Whether a store really refuses to create one key twice."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable

from masksearch_ray.errors import ExistsError, ReadOnlyError, StorageError
from masksearch_ray.storage.types import Storage

__all__ = ["AtomicCreate", "probe_atomic_create"]

Create = Callable[[str, bytes], None]
Delete = Callable[[str], None]


class AtomicCreate:
    """A proof that is asked for once.

    Parameters
    ----------
    create, delete : callable
        Those of the store, by key.
    url : str
        Its URL, for errors.
    """

    def __init__(self, create: Create, delete: Delete, url: str) -> None:
        self._create = create
        self._delete = delete
        self._url = url
        self._lock = threading.Lock()
        self._proven = False

    def check(self) -> None:
        """Try it, unless that was done.

        Raises
        ------
        ReadOnlyError
            If a key was created twice.
        """
        with self._lock:
            if not self._proven and not _is_atomic(self._create, self._delete):
                raise ReadOnlyError("its storage has no atomic create", self._url)
            self._proven = True


def probe_atomic_create(storage: Storage) -> bool:
    """Tell whether `storage` refuses to create one key twice, by trying it.

    Writes a small object under ``probes/`` and removes it.

    Raises
    ------
    ReadOnlyError
        If the storage knows by itself that it has none, or permits no writing.
    """
    return _is_atomic(storage.put_if_absent, storage.delete)


def _is_atomic(create: Create, delete: Delete) -> bool:
    key = f"probes/{uuid.uuid4().hex}"
    try:
        # The key is ours alone: where it exists, an earlier try of this request got through.
        with contextlib.suppress(ExistsError):
            create(key, b"first")
        create(key, b"second")
    except ExistsError:
        return True
    finally:
        # What is left where nothing may be deleted is small, and says nothing of the proof.
        with contextlib.suppress(StorageError):
            delete(key)
    return False
