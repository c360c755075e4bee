"""Strips of bytes, 32 wide, counted and bounded in vector registers.

From loops, LLVM keeps sums of bytes in memory, or widens them; both cost more than the comparison.
So these few loops are written for LLVM directly, in vectors of its own that any processor has or
gets emulated. They read memory by address: who calls them keeps it alive and long enough.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["CUTS", "LONGEST", "WIDTH", "count_below", "strip_ends"]

WIDTH = 32
"""Bytes of a row of a strip."""
LONGEST = 255
"""Rows of the longest strip that can be counted: so many a byte holds."""
CUTS = 4
"""Cut-offs counted at once: each row is read once for all."""

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
    """Count the bytes of a strip that are below each of `CUTS` cut-offs.

    Parameters
    ----------
    address, stride, rows : int
        As of `strip_ends`; at most `LONGEST` rows.
    cuts : tuple of numpy.uint8

    Returns
    -------
    tuple of numpy.uint16
        Of the length of `cuts`.
    """
    given = _tuple(types.uint8, CUTS)
    result = _tuple(types.uint16, CUTS)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *strip, packed = arguments
        # Processors compare bytes as signed numbers; a flipped sign makes the order the same.
        flip = ir.Constant(_ROW, [128] * WIDTH)
        limits = [
            builder.xor(_splat(builder, cut), flip)
            for cut in _utils.unpack_tuple(builder, packed, CUTS)
        ]

        def step(row: Any, counts: list[Any]) -> list[Any]:
            flipped = builder.xor(row, flip)
            # A comparison that holds is -1.
            return [
                builder.sub(count, builder.sext(builder.icmp_signed("<", flipped, limit), _ROW))
                for count, limit in zip(counts, limits, strict=True)
            ]

        start = [ir.Constant(_ROW, [0] * WIDTH)] * CUTS
        counts = _fold(builder, strip, start, step)
        found = [_reduced(builder, "add", builder.zext(count, _WIDE_ROW)) for count in counts]
        return context.make_tuple(builder, signature.return_type, found)

    return result(types.int64, types.int64, types.int64, given), build


strip_ends: Any = intrinsic(_strip_ends)
count_below: Any = intrinsic(_count_below)
