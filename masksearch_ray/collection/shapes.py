"""Heights and widths of masks, known without reading a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.reader import CollectionReader

__all__ = ["shapes_of"]


def shapes_of(
    reader: CollectionReader, mask_ids: Sequence[int] | npt.NDArray[np.int64]
) -> list[tuple[int, int]]:
    """``(height, width)`` of each mask.

    Parameters
    ----------
    reader : CollectionReader
    mask_ids : sequence of int

    Raises
    ------
    InputError
        If there is no such mask; the text names its id.
    """
    places = np.array(reader.locate(mask_ids), np.int64).reshape(-1, 2)
    found = np.zeros((len(places), 2), np.int64)
    for segment in np.unique(places[:, 0]).tolist():
        here = np.flatnonzero(places[:, 0] == segment)
        for view in reader.segment(segment).blocks:
            some = here[np.isin(places[here, 1], view.ordinals)]
            found[some] = view.shape.height, view.shape.width
    return [(int(height), int(width)) for height, width in found]
