"""Regions of interest as the query language names them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Box", "BoxColumn", "BoxListColumn", "FullImage", "Outside", "Polygon", "Roi", "roi_key"]


@dataclass(frozen=True)
class FullImage:
    """All pixels of the mask."""


@dataclass(frozen=True)
class Box:
    """Pixels with ``x0 <= x < x1`` and ``y0 <= y < y1``, clipped to the mask on use."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True)
class Polygon:
    """Pixels whose centre lies inside by the even-odd rule.

    Parameters
    ----------
    points : tuple of (float, float)
        Corners ``(x, y)`` in pixels, at least three; the last joins the first.
    """

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class BoxColumn:
    """One box a row, from a metadata column; null means no region."""

    name: str


@dataclass(frozen=True)
class BoxListColumn:
    """The union of a list of boxes a row, from a metadata column; null means no region."""

    name: str


@dataclass(frozen=True)
class Outside:
    """The complement of a region inside the mask."""

    roi: Roi


Roi = FullImage | Box | Polygon | BoxColumn | BoxListColumn | Outside


def roi_key(roi: Roi) -> str:
    """Name of a region, the same in SQL, in index parts and in plans."""
    match roi:
        case FullImage():
            return "full_image"
        case Box(x0, y0, x1, y1):
            return f"box({x0}, {y0}, {x1}, {y1})"
        case Polygon(points):
            return f"polygon({', '.join(f'{x!r}, {y!r}' for x, y in points)})"
        case BoxColumn(name) | BoxListColumn(name):
            return '"' + name.replace('"', '""') + '"'
        case Outside(inner):
            return f"outside({roi_key(inner)})"
