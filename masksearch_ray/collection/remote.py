"""What is done outside this process."""

from __future__ import annotations

from masksearch_ray.errors import InputError
from masksearch_ray.storage import Storage

__all__ = ["refuse_memory"]


def refuse_memory(storage: Storage) -> None:
    """Refuse a collection that workers elsewhere cannot see.

    Raises
    ------
    InputError
        If it lies in this process's memory.
    """
    if storage.url.startswith("memory://"):
        raise InputError(
            f"{storage.url}: Ray's workers cannot read this process's memory; "
            "use the local runtime, or a collection in a folder or object store"
        )
