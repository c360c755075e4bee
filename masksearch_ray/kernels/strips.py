"""Strips of bytes, 32 wide, counted and bounded in vector registers.

From loops, LLVM keeps sums of bytes in memory, or widens them; both cost more than the comparison.
So these few loops are written for LLVM directly, in vectors of its own that any processor has or
gets emulated. They read memory by address: who calls them keeps it alive and long enough.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["WIDTH", "add_part", "ascending"]

WIDTH = 32
"""Bytes of a row of a strip."""
# Rows of the longest strip that can be counted: so many a byte holds.
_LONGEST = 255
# Cut-offs counted at once: each row is read once for all.
_CUTS = 4

# numba's own parts carry no types.
_utils: Any = cgutils
_tuple: Any = types.UniTuple
_BYTE, _WORD, _LONG = ir.IntType(8), ir.IntType(16), ir.IntType(64)
_ROW = ir.VectorType(_BYTE, WIDTH)
_WIDE_ROW = ir.VectorType(_WORD, WIDTH)


def _splat(builder: Any, byte: Any) -> Any:
    one = builder.insert_element(ir.Constant(_ROW, ir.Undefined), byte, ir.IntType(32)(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_ROW, ir.Undefined), order)


def _prefetch(builder: Any, place: Any) -> None:
    """Ask for bytes that are wanted soon; no address is wrong."""
    flag, pointer = ir.IntType(32), _BYTE.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
    function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
    reading, keep, data = flag(0), flag(3), flag(1)
    builder.call(function, [builder.inttoptr(place, pointer), reading, keep, data])


def _fold(
    builder: Any, strip: list[Any], start: list[Any], step: Any, ahead: Any | None = None
) -> Any:
    """Carry vectors from row to row; what they are in the end."""
    address, stride, rows = strip
    carried = [_utils.alloca_once_value(builder, value) for value in start]
    with _utils.for_range(builder, rows, intp=_LONG) as loop:
        place = builder.add(address, builder.mul(loop.index, stride))
        row = builder.load(builder.inttoptr(place, _ROW.as_pointer()), align=1)
        if ahead is not None:
            _prefetch(builder, builder.add(place, ahead))
        for slot, value in zip(
            carried, step(row, [builder.load(slot) for slot in carried]), strict=True
        ):
            builder.store(value, slot)
    return [builder.load(slot) for slot in carried]


def _reduced(builder: Any, name: str, vector: Any) -> Any:
    """One number of a vector's, by one of LLVM's reductions."""
    lanes = vector.type
    kind = ir.FunctionType(lanes.element, [lanes])
    full = f"llvm.vector.reduce.{name}.v{WIDTH}i{lanes.element.width}"
    return builder.call(_utils.get_or_insert_function(builder.module, kind, full), [vector])


def _strip_ends(typing: Any, address: Any, stride: Any, rows: Any, ahead: Any) -> Any:
    """Smallest and largest byte of a strip.

    Parameters
    ----------
    address : int
        Of the first byte.
    stride : int
        Bytes from a row to the next.
    rows : int
        At least 1.
    ahead : int
        What lies so many bytes further on is wanted next: memory is slow to find it, as strips
        are not read in its order.

    Returns
    -------
    tuple of two numpy.uint8
    """
    result = _tuple(types.uint8, 2)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def step(row: Any, ends: list[Any]) -> list[Any]:
            low, high = ends
            return [
                builder.select(builder.icmp_unsigned("<", row, low), row, low),
                builder.select(builder.icmp_unsigned(">", row, high), row, high),
            ]

        start = [ir.Constant(_ROW, [255] * WIDTH), ir.Constant(_ROW, [0] * WIDTH)]
        *strip, ahead = arguments
        low, high = _fold(builder, strip, start, step, ahead)
        found = [_reduced(builder, "umin", low), _reduced(builder, "umax", high)]
        return context.make_tuple(builder, signature.return_type, found)

    return result(types.int64, types.int64, types.int64, types.int64), build


def _count_below(typing: Any, address: Any, stride: Any, rows: Any, cuts: Any) -> Any:
    """Count the bytes of a strip that are below each of `_CUTS` cut-offs.

    Parameters
    ----------
    address, stride, rows : int
        As of `_strip_ends`; at most `_LONGEST` rows.
    cuts : tuple of numpy.uint8

    Returns
    -------
    tuple of numpy.uint16
        Of the length of `cuts`.
    """
    given = _tuple(types.uint8, _CUTS)
    result = _tuple(types.uint16, _CUTS)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *strip, packed = arguments
        # Processors compare bytes as signed numbers; a flipped sign makes the order the same.
        flip = ir.Constant(_ROW, [128] * WIDTH)
        limits = [
            builder.xor(_splat(builder, cut), flip)
            for cut in _utils.unpack_tuple(builder, packed, _CUTS)
        ]

        def step(row: Any, counts: list[Any]) -> list[Any]:
            flipped = builder.xor(row, flip)
            # A comparison that holds is -1.
            return [
                builder.sub(count, builder.sext(builder.icmp_signed("<", flipped, limit), _ROW))
                for count, limit in zip(counts, limits, strict=True)
            ]

        start = [ir.Constant(_ROW, [0] * WIDTH)] * _CUTS
        counts = _fold(builder, strip, start, step)
        found = [_reduced(builder, "add", builder.zext(count, _WIDE_ROW)) for count in counts]
        return context.make_tuple(builder, signature.return_type, found)

    return result(types.int64, types.int64, types.int64, given), build


_ends: Any = intrinsic(_strip_ends)
_below: Any = intrinsic(_count_below)


def ascending(cuts: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """Cut-offs as `add_part` takes them.

    Parameters
    ----------
    cuts : numpy.ndarray
        uint8, shape ``(L,)``, in any order.

    Returns
    -------
    tuple of two numpy.ndarray
        The cuts in order, and some more that do not count; int64, shape ``(L,)``: the place of
        each before.
    """
    order = np.argsort(cuts, kind="stable")
    return np.concatenate([cuts[order], np.zeros(_CUTS, np.uint8)]), order


@numba.njit(cache=True, nogil=True)
def add_part(masks: Any, part: Any, levels: Any, spare: Any, counts: Any, place: Any) -> None:
    """Add how many pixels of a part of a mask are at or above cut-offs.

    Pixels are counted at those cuts only that lie between the smallest and the largest.

    Parameters
    ----------
    masks : numpy.ndarray
        uint8, shape ``(N, H, W)``, C-contiguous.
    part : tuple of five int
        Number of the mask, y, x, height and width, both at least 1.
    levels : tuple of two numpy.ndarray
        From `ascending`.
    spare : numpy.ndarray
        uint8: room for the pixels of the part and `WIDTH` more.
    counts : numpy.ndarray
        Shape ``(n, m, L)``; added to.
    place : tuple of two int
        Where in `counts`.
    """
    k, y, x, down, across = part
    (cuts, order), (i, c), area = levels, place, down * across
    if across % WIDTH:
        # Of another width: put into one strip, which is filled up with pixels that are there.
        _gather(masks, part, spare)
        extra, last = -area % WIDTH, spare[area]
        stride, rows, strips, first = WIDTH, (area + WIDTH - 1) // WIDTH, 1, spare.ctypes.data
    else:
        extra, last, stride, rows, strips = 0, np.uint8(0), masks.shape[2], down, across // WIDTH
        first = masks.ctypes.data + (k * masks.shape[1] + y) * stride + x
    low, high = _ends(first, stride, rows, stride * rows)
    for strip in range(1, strips):
        least, most = _ends(first + strip * WIDTH, stride, rows, stride * rows)
        low, high = min(low, least), max(high, most)
    level = 0
    while level < len(order) and cuts[level] <= low:
        counts[i, c, order[level]] += area
        level += 1
    while level < len(order) and cuts[level] <= high:
        some = cuts[level], cuts[level + 1], cuts[level + 2], cuts[level + 3]
        below = _below_all(first, stride, rows, strips, some)
        for j in range(min(_CUTS, len(order) - level)):
            counted = below[j] - (extra if last < some[j] else 0)
            counts[i, c, order[level + j]] += area - counted
        level += _CUTS


@numba.njit(cache=True, nogil=True)
def _below_all(first: int, stride: int, rows: int, strips: int, cuts: Any) -> tuple[Any, ...]:
    p, q, r, s = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for strip in range(strips):
        for top in range(0, rows, _LONGEST):
            start = first + strip * WIDTH + top * stride
            a, b, c, d = _below(start, stride, min(_LONGEST, rows - top), cuts)
            p, q, r, s = p + a, q + b, r + c, s + d
    return p, q, r, s


@numba.njit(cache=True, nogil=True)
def _gather(masks: Any, part: Any, spare: Any) -> None:
    """Put the rows of a part one after the other, and its last pixel some times after them."""
    k, y, x, down, across = part
    at = 0
    for row in range(y, y + down):
        for col in range(x, x + across):
            spare[at] = masks[k, row, col]
            at += 1
    spare[at : at + WIDTH] = masks[k, y + down - 1, x + across - 1]
