"""A hash table of keys and slots, and copying out of slots."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

__all__ = ["EMPTY", "copy_slots", "find_slots", "put_slots"]

EMPTY = -1
# 2**64 over the golden ratio: neighbouring keys are spread over the whole table.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@numba.njit(cache=True, nogil=True)
def find_slots(table: Any, keys: Any, slots: Any) -> None:
    """Look up keys.

    Parameters
    ----------
    table : numpy.ndarray
        int64, shape ``(2, capacity)``: keys, `EMPTY` where there is none, and the slot of each. The
        capacity is a power of two, and some of it is empty.
    keys : numpy.ndarray
        int64, shape ``(n,)``, none negative.
    slots : numpy.ndarray
        int64, shape ``(n,)``; written to: the slot of each key, `EMPTY` where it has none.
    """
    for i in range(len(keys)):
        at = _place(table, keys[i])
        slots[i] = EMPTY if table[0, at] == EMPTY else table[1, at]


@numba.njit(cache=True, nogil=True)
def put_slots(table: Any, keys: Any, first: int) -> Any:
    """Give keys the slots from `first` on, in place of those that they had.

    Parameters
    ----------
    table : numpy.ndarray
        As in `find_slots`; written to, and must have room.
    keys : numpy.ndarray
        int64, shape ``(n,)``, none negative.
    first : int

    Returns
    -------
    int
        How many keys were not in the table before.
    """
    added = 0
    for i in range(len(keys)):
        at = _place(table, keys[i])
        added += int(table[0, at] == EMPTY)
        table[0, at], table[1, at] = keys[i], first + i
    return added


@numba.njit(cache=True, nogil=True)
def copy_slots(held: Any, first: int, slots: Any, out: Any) -> None:
    """Copy what lies in slots, as far as these are among those held.

    Parameters
    ----------
    held : numpy.ndarray
        Shape ``(m, size)``: what lies in the slots from `first` on.
    first : int
    slots : numpy.ndarray
        int64, shape ``(n,)``.
    out : numpy.ndarray
        Shape ``(n, size)``; written to where a slot is held.
    """
    for i in range(len(slots)):
        at = slots[i] - first
        if 0 <= at < len(held):
            out[i] = held[at]


@numba.njit(cache=True, nogil=True, inline="always")
def _place(table: Any, key: int) -> Any:
    """Where a key is, or would be put."""
    last = table.shape[1] - 1
    at = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(32)) & last
    while table[0, at] != EMPTY and table[0, at] != key:
        at = (at + 1) & last
    return at
