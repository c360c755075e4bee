"""Counts as a string of bits: where they are zero, where they are full, and what the rest is.

Most counts of an index are zero, and many of the others are the whole cell. A bit string says, in
this order, each number lowest bit first:

1. *top*, the largest count: its width in 6 bits, then itself. Nothing follows where it is 0.
2. The set of positions that are not zero.
3. Among these, the set of those that are not *top*.
4. Of what is left *low*, the smallest, as *top* is given, and the list of distances from it.

A set of n positions is a bit, 1 if the positions told are those that are not in it; how many are
told, in as many bits as n has; and the list of how many are passed over before each.

A list that is not empty is 6 bits k, then a bit. If that is 1, its numbers follow in k bits each;
if it is 0, in a Rice code: x is x >> k zeros, a one, and the k lowest bits of x. With k = 0 a set
is a plain bitmap; with the best k it takes within some percent of its entropy, and time only for
the positions told.

References
----------
Rice and Plaunt, "Adaptive Variable-Length Coding for Efficient Compression of Spacecraft
Television Data", IEEE Transactions on Communication Technology, 1971.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba.cpython.unsafe.numbers import trailing_zeros

__all__ = ["pack", "unpack"]

# A count, and so a width, k or a distance, takes at most 32 bits; so many say how many.
_WIDTH = 6
_WIDEST = 32
# Words beyond the string that may be looked at.
_SLACK = 3
_LITTLE = np.dtype("<u8")
_zeros_below: Any = trailing_zeros


def pack(counts: npt.NDArray[np.unsignedinteger]) -> bytes:
    """Pack counts.

    Parameters
    ----------
    counts : numpy.ndarray
        uint8, uint16 or uint32, shape ``(n,)``.
    """
    # With the best k a set takes less than two bits a position, and a number less than its width.
    words = np.zeros(len(counts) + 16, np.uint64)
    bits = _pack(counts, words)
    return words.astype("<u8", copy=False).tobytes()[: (bits + 7) // 8]


def unpack(data: Any, counts: npt.NDArray[np.unsignedinteger]) -> None:
    """Undo `pack`.

    Parameters
    ----------
    data : bytes-like
    counts : numpy.ndarray
        uint8, uint16 or uint32, shape ``(n,)``, contiguous; written to.

    Raises
    ------
    ValueError
        The data is no string of so many counts.
    """
    padded = bytes(data) + bytes(8 * _SLACK + -len(data) % 8)
    words = np.frombuffer(padded, _LITTLE).astype(np.uint64, copy=False)
    end = _unpack(words, 8 * len(data), counts)
    if (end + 7) // 8 != len(data):
        raise ValueError("packed counts are not of the right length")


@numba.njit(cache=True, nogil=True)
def _pack(counts: Any, words: Any) -> Any:
    n = len(counts)
    top = int(counts.max()) if n else 0
    at = _write_known(words, 0, top)
    if top == 0:
        return at
    members = np.empty(n, np.int64)
    values = np.empty(n, np.int64)
    found = 0
    for i in range(n):
        if counts[i]:
            members[found], values[found] = i, counts[i]
            found += 1
    at = _write_set(words, at, members[:found], n)
    left = 0
    for i in range(found):
        if values[i] != top:
            members[left], values[left] = i, values[i]
            left += 1
    at = _write_set(words, at, members[:left], found)
    if left == 0:
        return at
    low = values[:left].min()
    return _write_list(words, _write_known(words, at, low), values[:left] - low)


@numba.njit(cache=True, nogil=True)
def _unpack(words: Any, bits: int, counts: Any) -> Any:
    """Position of the first bit that is not used; -8 where the string makes no sense."""
    n = len(counts)
    counts[:] = 0
    top, at = _read_known(words, 0)
    if top == 0:
        return at
    members = np.empty(n, np.int32)
    found, at = _read_set(words, at, bits, members)
    inner = np.empty(max(found, 0), np.int32)
    left, at = _read_set(words, at, bits, inner)
    if at < 0 or at > bits:
        return -8
    for i in range(found):
        counts[members[i]] = top
    if left == 0:
        return at
    low, at = _read_known(words, at)
    distances = np.empty(left, np.int64)
    at = _read_list(words, at, bits, distances)
    for i in range(left):
        counts[members[inner[i]]] = low + distances[i]
    return at


@numba.njit(cache=True, nogil=True)
def _write_set(words: Any, at: int, members: Any, n: int) -> Any:
    """Write which of n positions are members, ascending."""
    others = 2 * len(members) > n
    gaps = np.empty(n - len(members) if others else len(members), np.int64)
    told, last, j = 0, -1, 0
    for i in range(n):
        is_member = j < len(members) and members[j] == i
        j += is_member
        if is_member != others:
            gaps[told] = i - last - 1
            told, last = told + 1, i
    at = _write(words, at, 1 if others else 0, 1)
    at = _write(words, at, told, _width(n))
    return _write_list(words, at, gaps)


@numba.njit(cache=True, nogil=True)
def _read_set(words: Any, at: int, bits: int, members: Any) -> tuple[Any, Any]:
    """Find members among ``len(members)`` positions: how many, and the next bit, negative if not.

    May be called where an earlier read has failed.
    """
    n = len(members)
    if at < 0 or at > bits:
        return -1, -8
    others, at = _read(words, at, 1)
    told, at = _read(words, at, _width(n))
    if told > n:
        return -1, -8
    gaps = np.empty(told, np.int64)
    at = _read_list(words, at, bits, gaps)
    if at < 0:
        return -1, -8
    position = 0
    for i in range(told):
        if gaps[i] >= n - position:
            return -1, -8
        members[i] = position + gaps[i]
        position = members[i] + 1
    return (_complement(members, told) if others else told), at


@numba.njit(cache=True, nogil=True)
def _complement(members: Any, told: int) -> Any:
    """Replace members by the positions that are none: how many."""
    kept = np.ones(len(members), np.uint8)
    for i in range(told):
        kept[members[i]] = 0
    found = 0
    # Written without asking, and overwritten if wrong: no branch to be guessed.
    for i in range(len(members)):
        members[found] = i
        found += kept[i]
    return found


@numba.njit(cache=True, nogil=True)
def _write_list(words: Any, at: int, numbers: Any) -> Any:
    if len(numbers) == 0:
        return at
    k, bits = _best_k(numbers)
    width = _width(numbers.max())
    flat = width * len(numbers) <= bits
    at = _write(words, at, width if flat else k, _WIDTH)
    at = _write(words, at, 1 if flat else 0, 1)
    for number in numbers:
        if flat:
            at = _write(words, at, number, width)
        else:
            at = _write(words, at + (number >> k), 1, 1)
            at = _write(words, at, number & ((1 << k) - 1), k)
    return at


@numba.njit(cache=True, nogil=True)
def _read_list(words: Any, at: int, bits: int, numbers: Any) -> Any:
    """Read ``len(numbers)`` numbers: the next bit, negative where the string ends before."""
    if len(numbers) == 0:
        return at
    k, at = _read(words, at, _WIDTH)
    flat, at = _read(words, at, 1)
    if k > _WIDEST or (flat and at + k * len(numbers) > bits):
        return -8
    if flat:
        for i in range(len(numbers)):
            numbers[i], at = _read(words, at, k)
        return at
    lowest = (np.uint64(1) << np.uint64(k)) - np.uint64(1)
    # Bits ahead are kept as long as there are enough of them for a number: looking is slow.
    ahead, known = _ahead(words, at), 64
    for i in range(len(numbers)):
        zeros = np.int64(_zeros_below(ahead))
        length = zeros + 1 + k
        if length < known:
            numbers[i] = (zeros << k) | np.int64((ahead >> np.uint64(zeros + 1)) & lowest)
            at += length
            ahead >>= np.uint64(length)
            known -= length
        else:
            numbers[i], at = _read_rice(words, at, bits, k)
            if at < 0:
                return -8
            ahead, known = _ahead(words, at), 64
    return at if at <= bits else -8


@numba.njit(cache=True, nogil=True)
def _best_k(numbers: Any) -> tuple[Any, Any]:
    """Parameter of the shortest Rice code, and its length in bits."""
    total = np.int64(0)
    for number in numbers:
        total += number
    best, least = 0, total + len(numbers)
    for k in range(1, _WIDEST):
        total = np.int64(0)
        for number in numbers:
            total += number >> k
        length = total + len(numbers) * (k + 1)
        # Once it grows it hardly falls again.
        if length >= least:
            break
        best, least = k, length
    return best, least


@numba.njit(cache=True, nogil=True)
def _width(number: int) -> Any:
    width = 0
    while number >> width:
        width += 1
    return width


@numba.njit(cache=True, nogil=True)
def _write_known(words: Any, at: int, number: int) -> Any:
    """Write a number and its width."""
    width = _width(number)
    return _write(words, _write(words, at, width, _WIDTH), number, width)


@numba.njit(cache=True, nogil=True)
def _write(words: Any, at: int, number: int, width: int) -> Any:
    word, shift = at >> 6, np.uint64(at & 63)
    words[word] |= np.uint64(number) << shift
    if (at & 63) + width > 64:
        words[word + 1] |= np.uint64(number) >> (np.uint64(64) - shift)
    return at + width


@numba.njit(cache=True, nogil=True)
def _read_known(words: Any, at: int) -> tuple[Any, Any]:
    width, at = _read(words, at, _WIDTH)
    return _read(words, at, min(width, _WIDEST))


@numba.njit(cache=True, nogil=True)
def _read_rice(words: Any, at: int, bits: int, k: int) -> tuple[Any, Any]:
    """Read a number and find the next bit; that is negative where the string ends before."""
    start, ahead = at, _ahead(words, at)
    while ahead == 0:
        at += 64
        if at > bits:
            return 0, -8
        ahead = _ahead(words, at)
    at += int(_zeros_below(ahead))
    rest = np.int64(_ahead(words, at + 1) & ((np.uint64(1) << np.uint64(k)) - np.uint64(1)))
    end = at + 1 + k
    return ((at - start) << k) | rest, end if end <= bits else -8


@numba.njit(cache=True, nogil=True)
def _read(words: Any, at: int, width: int) -> tuple[Any, Any]:
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    return np.int64(_ahead(words, at) & mask), at + width


@numba.njit(cache=True, nogil=True)
def _ahead(words: Any, at: int) -> Any:
    """Next 64 bits."""
    place = np.uint64(at)
    word, shift = place >> np.uint64(6), place & np.uint64(63)
    # Shifted twice: a shift by 64 is not defined.
    return words[word] >> shift | (words[word + np.uint64(1)] << np.uint64(1)) << (
        np.uint64(63) - shift
    )
