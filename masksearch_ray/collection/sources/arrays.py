"""Masks in memory: one array, or anything that yields arrays."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sized
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.sources.types import Mask, SourceBatch, batched, native
from masksearch_ray.errors import DataError

__all__ = ["ArraySource"]


class ArraySource:
    """An array ``(N, height, width)``, or an iterable of arrays ``(height, width)``.

    The key of a mask is its number, counted from 0.

    Parameters
    ----------
    masks : numpy.ndarray or iterable of numpy.ndarray
    """

    identity = None
    files = None
    stable = True

    def __init__(self, masks: npt.NDArray[Any] | Iterable[Any]) -> None:
        if isinstance(masks, np.ndarray) and masks.ndim != 3:
            raise DataError(f"an array of shape {masks.shape}; (N, height, width) wanted")
        self._masks = masks

    def expected(self) -> int | None:
        """Length, where the masks have one."""
        return len(self._masks) if isinstance(self._masks, Sized) else None

    def batches(self, done: Container[str] = ()) -> Iterator[SourceBatch]:
        """Hand on all masks but those whose keys are in `done`."""
        return batched(self._named(done))

    def _named(self, done: Container[str]) -> Iterator[tuple[str, Mask]]:
        for number, mask in enumerate(self._masks):
            key = str(number)
            if key not in done:
                yield key, native(np.asarray(mask))
