"""Reads of objects whose length and checksum are known, all of them counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.counter import ReadCounter
from masksearch_ray.collection.manifest import ObjectEntry
from masksearch_ray.collection.reread import reread
from masksearch_ray.collection.versions import object_url
from masksearch_ray.errors import DamagedError
from masksearch_ray.index.tilecodec import crc32c
from masksearch_ray.storage import Pieces, Storage, bytes_cached_here

__all__ = ["Fetcher"]

Places = npt.NDArray[np.int64]


class Fetcher:
    """Reads from a storage and counts what it reads.

    Parameters
    ----------
    storage : Storage
    counter : ReadCounter
    """

    def __init__(self, storage: Storage, counter: ReadCounter) -> None:
        self.storage = storage
        self.counter = counter

    def url(self, key: str) -> str:
        """URL of an object, for errors."""
        return object_url(self.storage, key)

    def whole(self, key: str, entry: ObjectEntry) -> bytes:
        """Read an object of known length and checksum; DamagedError where they differ."""
        return reread(lambda: self._checked(key, self._read_whole(key), entry))

    def head(self, key: str, entry: ObjectEntry) -> bytes:
        """Read the first bytes of an object, of known number and checksum."""
        span = 0, entry.size
        return reread(lambda: self._checked(key, bytes(self._read(key, [span])[0]), entry))

    def _read_whole(self, key: str) -> bytes:
        before = bytes_cached_here()
        data = self.storage.get(key)
        self._count(len(data), before)
        return data

    def _read(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces:
        before = bytes_cached_here()
        pieces = self.storage.get_ranges(key, ranges)
        self._count(sum(map(len, pieces)), before)
        return pieces

    def _count(self, given: int, cached_before: int) -> None:
        """Count as read what was given, but for what a cache on disk gave."""
        read = given - (bytes_cached_here() - cached_before)
        self.counter.add(bytes=read, requests=int(read > 0))

    def _checked(self, key: str, data: bytes, entry: ObjectEntry) -> bytes:
        if len(data) != entry.size or crc32c(data) != entry.crc32c:
            raise DamagedError("its length or checksum is wrong", self.url(key))
        return data

    def ranges(
        self, key: str, ranges: Sequence[tuple[int, int]] | npt.NDArray[np.int64]
    ) -> list[bytes]:
        """Read byte ranges in the order given; those that adjoin are read at once.

        Parameters
        ----------
        key : str
        ranges : sequence of (int, int), or numpy.ndarray
            First byte of each, and one past its last; int64, shape ``(n, 2)``.
        """
        if not len(ranges):
            return []
        spans = np.asarray(ranges, np.int64)
        order = np.argsort(spans[:, 0], kind="stable")
        starts, stops = spans[order].T
        begins = np.flatnonzero(np.append(True, starts[1:] != stops[:-1]))
        ends = stops[np.append(begins[1:], len(order)) - 1]
        merged = list(zip(starts[begins].tolist(), ends.tolist(), strict=True))
        pieces = self._read(key, merged)
        if list(map(len, pieces)) != (ends - starts[begins]).tolist():
            raise DamagedError("a range of it came short", self.url(key))
        if len(merged) < len(order):
            pieces = _cut(pieces, begins, starts, stops)
        found: list[bytes] = [b""] * len(order)
        for place, piece in zip(order.tolist(), pieces, strict=True):
            found[place] = bytes(piece)
        return found


def _cut(pieces: Pieces, begins: Places, starts: Places, stops: Places) -> Pieces:
    """Ranges, ascending, from pieces of which each holds those that adjoin.

    Parameters
    ----------
    pieces : list of bytes
    begins : numpy.ndarray
        Number of the first range in each piece.
    starts, stops : numpy.ndarray
        Of the ranges: first byte, and one past the last.
    """
    sizes = np.diff(begins, append=len(starts))
    bases = np.repeat(starts[begins], sizes)
    groups = np.repeat(np.arange(len(begins)), sizes).tolist()
    within = zip(groups, (starts - bases).tolist(), (stops - bases).tolist(), strict=True)
    return [pieces[group][start:stop] for group, start, stop in within]
