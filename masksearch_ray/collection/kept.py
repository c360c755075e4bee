"""Decoded tiles that stay in memory."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.recent import Recent
from masksearch_ray.kernels.table import EMPTY, copy_slots, find_slots, put_slots

__all__ = ["KeptTiles"]

Index = npt.NDArray[np.int64]

_DRAWER_BYTES = 2 << 20
_FRACTION = 8  # of the budget that a drawer takes at most, so that little is forgotten at a time
# The table is made for so many times the tiles, rounded up to a power of two, and is half full at
# most: then it is not made anew too often.
_SPARSE = 3
_BESIDES = 8 + 2 * _SPARSE * 16  # bytes a tile: its key, in its drawer and in the table
_TILES_OF_A_BLOCK = 1 << 40  # bounds the number of tiles of a block


class KeptTiles:
    """Tiles by segment, block, mask and tile, within a budget; threads may share it.

    Tiles that were put in together lie together, in drawers, and a drawer is forgotten as a whole:
    that which was not used for longest. What was put into a drawer never changes.

    Parameters
    ----------
    recent : Recent
        Keeps the drawers, besides whatever else.
    """

    def __init__(self, recent: Recent[Any]) -> None:
        self._recent = recent
        self._lock = threading.Lock()
        self._shelves: dict[tuple[str, int], _Shelf] = {}
        self._bases: dict[tuple[str, int], int] = {}

    def base(self, segment: str, block: int) -> int:
        """Key of the first tile of a block; those of its other tiles follow."""
        with self._lock:
            number = self._bases.setdefault((segment, block), len(self._bases))
            return number * _TILES_OF_A_BLOCK

    def get(self, keys: Index, dtype: str, side: int) -> tuple[npt.NDArray[Any], Index]:
        """Tiles of one dtype and side.

        Parameters
        ----------
        keys : numpy.ndarray
            int64, shape ``(n,)``.
        dtype : str
        side : int
            T, pixels.

        Returns
        -------
        pixels : numpy.ndarray
            Shape ``(n, T, T)``, the caller's own; without meaning where a tile is not kept.
        missing : numpy.ndarray
            int64: positions of the tiles that are not kept.
        """
        pixels = np.empty((len(keys), side, side), dtype)
        if not self._recent.budget or not len(keys):
            return pixels, np.arange(len(keys))
        slots = self._shelf(dtype, side).copy(keys, _as_bytes(pixels))
        return pixels, np.flatnonzero(slots == EMPTY)

    def put(self, keys: Index, pixels: npt.NDArray[Any]) -> None:
        """Keep tiles ``(n, T, T)``, of which a copy is made."""
        if self._recent.budget and len(keys):
            shelf = self._shelf(pixels.dtype.name, pixels.shape[1])
            shelf.add(keys, _as_bytes(np.ascontiguousarray(pixels)))

    def _shelf(self, dtype: str, side: int) -> _Shelf:
        with self._lock:
            shelf = self._shelves.get((dtype, side))
            if shelf is None:
                size = side * side * np.dtype(dtype).itemsize
                shelf = self._shelves[dtype, side] = _Shelf(self._recent, (dtype, side), size)
            return shelf


@dataclass(eq=False)
class _Drawer:
    """Room for tiles: int64 keys ``(m,)`` and bytes ``(m, size)``, of which `used` are in use."""

    keys: Index
    tiles: npt.NDArray[np.uint8]
    used: int = 0


class _Shelf:
    """Tiles of one size.

    Parameters
    ----------
    recent : Recent
    name : hashable
        Tells its drawers from those of other shelves.
    size : int
        Bytes of a tile.
    """

    def __init__(self, recent: Recent[Any], name: Hashable, size: int) -> None:
        self._recent = recent
        self._name = name
        self._size = size
        most = min(_DRAWER_BYTES, recent.budget // _FRACTION)
        self._each = max(1, most // (size + _BESIDES))  # tiles of a drawer
        self._nbytes = self._each * (size + _BESIDES)  # of a drawer
        self._lock = threading.Lock()
        self._table = _empty_table(64)
        self._entries = 0
        # Keys in every drawer that may still be there, to make the table anew.
        self._keys: dict[int, Index] = {}
        self._last = -1

    def copy(self, keys: Index, out: npt.NDArray[np.uint8]) -> Index:
        """Copy tiles that are here; gives the slot of each, `EMPTY` where one is not."""
        slots = np.empty(len(keys), np.int64)
        with self._lock:
            find_slots(self._table, keys, slots)
        wanted = self._numbers(slots)
        drawers = self._recent.get_all([(self._name, number) for number in wanted])
        for number, drawer in zip(wanted, drawers, strict=True):
            if drawer is None:
                slots[slots // self._each == number] = EMPTY
            else:
                copy_slots(drawer.tiles, number * self._each, slots, out)
        return slots

    def _numbers(self, slots: Index) -> list[int]:
        """Drawers of slots, each once."""
        lowest, highest = int(slots.min()) // self._each, int(slots.max()) // self._each
        if lowest == highest or highest < 0:
            return [highest] if highest >= 0 else []
        found: list[int] = np.unique(slots[slots >= 0] // self._each).tolist()
        return found

    def add(self, keys: Index, tiles: npt.NDArray[np.uint8]) -> None:
        """Put tiles ``(n, size)`` in."""
        done = 0
        if self._nbytes > self._recent.budget:
            return
        while done < len(keys):
            with self._lock:
                drawer = self._open_drawer()
                some = slice(drawer.used, drawer.used + len(keys) - done)
                room = drawer.tiles[some]
                given = slice(done, done + len(room))
                room[:], drawer.keys[some] = tiles[given], keys[given]
                self._make_room(len(room))
                first = self._last * self._each + drawer.used
                self._entries += put_slots(self._table, keys[given], first)
                drawer.used += len(room)
                done += len(room)

    def _open_drawer(self) -> _Drawer:
        """The last drawer, or a new one where that is full or forgotten."""
        drawer: _Drawer | None = self._recent.get((self._name, self._last))
        if drawer is None or drawer.used == self._each:
            keys = np.full(self._each, EMPTY, np.int64)
            drawer = _Drawer(keys, np.empty((self._each, self._size), np.uint8))
            self._last += 1
            self._keys[self._last] = keys
            self._recent.put((self._name, self._last), drawer, self._nbytes)
        return drawer

    def _make_room(self, more: int) -> None:
        """Make the table anew, without what was forgotten, where more would fill half of it."""
        if 2 * (self._entries + more) <= self._table.shape[1]:
            return
        numbers = list(self._keys)
        held = self._recent.holds([(self._name, number) for number in numbers])
        self._keys = {
            n: self._keys[n]
            for n, here in zip(numbers, held, strict=True)
            if here or n == self._last
        }
        entries = len(self._keys) * self._each
        self._table = _empty_table(_SPARSE * (entries + more))
        self._entries = 0
        for number, keys in self._keys.items():
            used = keys[keys != EMPTY]
            self._entries += put_slots(self._table, used, number * self._each)


def _empty_table(least: int) -> Index:
    return np.full((2, 1 << (least - 1).bit_length()), EMPTY, np.int64)


def _as_bytes(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Tiles ``(n, T, T)`` as bytes ``(n, size)``, the same memory."""
    return pixels.view(np.uint8).reshape(len(pixels), -1)
