"""Cutting what is sorted by image into the shares of segments; pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["cut", "image_order"]


def image_order(images: Sequence[object]) -> list[int]:
    """Order by image, those of none last; what has the same image keeps its order.

    Parameters
    ----------
    images : sequence of int, str or None
    """

    def key(position: int) -> tuple[bool, bool, object]:
        image = images[position]
        return image is None, isinstance(image, str), 0 if image is None else image

    return sorted(range(len(images)), key=key)


def cut(
    images: Sequence[object],
    rows: Sequence[int],
    sizes: Sequence[int],
    most_rows: int,
    most_size: int,
) -> list[range]:
    """Cut consecutive units into shares that fit a segment.

    A unit that does not fit is a share of its own. The cut falls between two images where that
    leaves the share at least half as full.

    Parameters
    ----------
    images : sequence of int, str or None
        Of each unit, in order.
    rows, sizes : sequence of int
        Masks and bytes of each unit.
    most_rows, most_size : int
        Of a share.

    Returns
    -------
    list of range
        Positions of each share's units; together all, in order.
    """
    row_ends = list(accumulate(rows))
    size_ends = list(accumulate(sizes))
    shares: list[range] = []
    start = 0
    while start < len(images):
        row_base = row_ends[start - 1] if start else 0
        size_base = size_ends[start - 1] if start else 0
        stop = min(
            bisect_right(row_ends, row_base + most_rows, start),
            bisect_right(size_ends, size_base + most_size, start),
        )
        stop = max(stop, start + 1)
        if stop < len(images):
            stop = _between_images(images, row_ends, row_base, start, stop)
        shares.append(range(start, stop))
        start = stop
    return shares


def _between_images(
    images: Sequence[object], row_ends: Sequence[int], base: int, start: int, stop: int
) -> int:
    """Nearest place before `stop` at which an image begins; `stop` itself if that is too far."""
    least = (row_ends[stop - 1] - base) / 2
    place = stop
    while place > start + 1 and row_ends[place - 2] - base >= least:
        if images[place - 1] != images[place]:
            return place
        place -= 1
    return place if images[place - 1] != images[place] else stop
