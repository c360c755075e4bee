"""A storage as a store of zarr's, for reading; imported only where zarr is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from masksearch_ray.errors import NotFoundError, ReadOnlyError
from masksearch_ray.storage import Storage

__all__ = ["ReadingStore"]


class ReadingStore(Store):
    """Reads a storage in threads, for storages block.

    Parameters
    ----------
    storage : Storage
        Its root is the root of the store.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, storage: Storage) -> None:
        super().__init__(read_only=True)
        self._storage = storage

    def __eq__(self, other: object) -> bool:
        return self is other

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read an object or a part of it; None where there is none."""
        try:
            data = await asyncio.to_thread(self._read, key, byte_range)
        except NotFoundError:
            return None
        return prototype.buffer.from_bytes(bytes(data))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read parts of several objects."""
        wanted = [self.get(key, prototype, part) for key, part in key_ranges]
        return list(await asyncio.gather(*wanted))

    async def exists(self, key: str) -> bool:
        """Tell whether there is an object."""
        try:
            await asyncio.to_thread(self._storage.info, key)
        except NotFoundError:
            return False
        return True

    async def list(self) -> AsyncIterator[str]:
        """Keys of all objects."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Keys that start with a prefix."""
        for info in await asyncio.to_thread(lambda: tuple(self._storage.list(prefix))):
            yield info.key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names of what lies directly below a folder."""
        folder = prefix.strip("/") + "/" if prefix.strip("/") else ""
        seen: set[str] = set()
        async for key in self.list_prefix(folder):
            name = key.removeprefix(folder).split("/")[0]
            if name not in seen:
                seen.add(name)
                yield name

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse to write."""
        raise ReadOnlyError("opened for reading", f"{self._storage.url}/{key}")

    async def delete(self, key: str) -> None:
        """Refuse to delete."""
        raise ReadOnlyError("opened for reading", f"{self._storage.url}/{key}")

    def _read(self, key: str, part: ByteRequest | None) -> bytes | memoryview:
        if part is None:
            return self._storage.get(key)
        match part:
            case RangeByteRequest(start, stop):
                pass
            case OffsetByteRequest(start):
                stop = self._storage.info(key).size
            case SuffixByteRequest(suffix):
                stop = self._storage.info(key).size
                start = max(0, stop - suffix)
        return self._storage.get_ranges(key, [(start, stop)])[0]
