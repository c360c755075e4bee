"""What an index holds: cells, bins and regions, as a record and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import pyarrow as pa

from masksearch_ray.errors import InputError
from masksearch_ray.model.grid import BlockShape, Grid, grid_for
from masksearch_ray.model.roi import (
    Box,
    BoxColumn,
    BoxListColumn,
    FullImage,
    Outside,
    Polygon,
    Roi,
)
from masksearch_ray.model.values import Domain, bin_edges

__all__ = [
    "BOX",
    "BOXES",
    "IndexSpec",
    "edges_of",
    "roi_from_json",
    "roi_to_json",
    "rois_for",
    "spec_from_json",
    "spec_to_json",
]

BOX = pa.list_(pa.int32(), 4)
"""Type of a box column: ``(x0, y0, x1, y1)``; null means no box."""

BOXES = pa.list_(BOX)
"""Type of a column of lists of boxes."""

_LARGEST_CELL = 65_535


@dataclass(frozen=True)
class IndexSpec:
    """What the index of every new segment holds.

    Parameters
    ----------
    cell : int or None
        Side of a cell in pixels; None: by the size of the mask.
    edges : tuple of float
        Edges of the bins, ascending, from the domain's lower to its upper end.
    rois : tuple of Roi or "auto"
        Regions with a histogram of their own; "auto": the full image and every column of boxes.
    """

    cell: int | None
    edges: tuple[float, ...]
    rois: tuple[Roi, ...] | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.cell is None:
            return
        if not isinstance(self.cell, int):
            raise InputError(f"cell = {self.cell!r}: a whole number of pixels wanted")
        if not 1 <= self.cell <= _LARGEST_CELL:
            raise InputError(f"cell = {self.cell}: 1 to {_LARGEST_CELL} pixels wanted")

    def grid(self, shape: BlockShape) -> Grid:
        """Grid of the masks of a block."""
        return grid_for(shape.height, shape.width, self.cell)


def edges_of(bins: int | Sequence[float] | str, domain: Domain) -> tuple[float, ...]:
    """Edges of bins given as a count or by hand.

    Raises
    ------
    InputError
        If they are no numbers, or the edges do not ascend from the lower to the upper end of the
        domain.
    """
    if isinstance(bins, int):
        if not 1 <= bins <= 65_536:
            raise InputError(f"bins = {bins}: 1 to 65536 wanted")
        return bin_edges(domain, bins)
    try:
        edges = tuple(float(edge) for edge in bins)
    except (TypeError, ValueError) as error:
        raise InputError(f"bins = {bins!r}: a number of bins or their edges wanted") from error
    if any(not math.isfinite(edge) for edge in edges):
        raise InputError("bins: bin edges must be finite")
    if any(a >= b for a, b in pairwise(edges)):
        raise InputError("bins: bin edges must ascend")
    if len(edges) < 2 or (edges[0], edges[-1]) != (domain.lo, domain.hi):
        raise InputError(f"bins: bin edges must begin at {domain.lo} and end at {domain.hi}")
    return edges


def rois_for(rois: tuple[Roi, ...] | Literal["auto"], schema: pa.Schema) -> tuple[Roi, ...]:
    """Regions to keep histograms of, given the columns that there are.

    Regions over a column that rows of this schema lack are left out.
    """
    found: list[Roi] = [FullImage()]
    for column in schema:
        if column.type == BOX:
            found.append(BoxColumn(column.name))
        elif column.type == BOXES:
            found.append(BoxListColumn(column.name))
    if rois == "auto":
        return tuple(found)
    return tuple(roi for roi in rois if _columns_exist(roi, found))


def _columns_exist(roi: Roi, columns: Sequence[Roi]) -> bool:
    while isinstance(roi, Outside):
        roi = roi.roi
    return roi in columns or not isinstance(roi, BoxColumn | BoxListColumn)


def roi_to_json(roi: Roi) -> dict[str, Any]:
    """Write a region."""
    match roi:
        case FullImage():
            return {"form": "full_image"}
        case Box(x0, y0, x1, y1):
            return {"form": "box", "box": [x0, y0, x1, y1]}
        case Polygon(points):
            return {"form": "polygon", "points": [[x, y] for x, y in points]}
        case BoxColumn(name):
            return {"form": "box_column", "column": name}
        case BoxListColumn(name):
            return {"form": "boxes_column", "column": name}
        case Outside(inner):
            return {"form": "outside", "roi": roi_to_json(inner)}


def roi_from_json(record: dict[str, Any]) -> Roi:
    """Read a region; ValueError, KeyError or TypeError where it is none."""
    match record["form"]:
        case "full_image":
            return FullImage()
        case "box":
            x0, y0, x1, y1 = (int(x) for x in record["box"])
            return Box(x0, y0, x1, y1)
        case "polygon":
            return Polygon(tuple((float(x), float(y)) for x, y in record["points"]))
        case "box_column":
            return BoxColumn(str(record["column"]))
        case "boxes_column":
            return BoxListColumn(str(record["column"]))
        case "outside":
            return Outside(roi_from_json(record["roi"]))
        case form:
            raise ValueError(f"{form!r} is no form of region")


def spec_to_json(spec: IndexSpec) -> dict[str, Any]:
    """Write a specification."""
    rois = spec.rois if spec.rois == "auto" else [roi_to_json(roi) for roi in spec.rois]
    return {"cell": spec.cell, "edges": list(spec.edges), "rois": rois}


def spec_from_json(record: dict[str, Any]) -> IndexSpec:
    """Read a specification; ValueError, KeyError or TypeError where it is none."""
    rois, cell = record["rois"], record["cell"]
    return IndexSpec(
        cell=None if cell is None else int(cell),
        edges=tuple(float(edge) for edge in record["edges"]),
        rois="auto" if rois == "auto" else tuple(roi_from_json(roi) for roi in rois),
    )
