"""How much of a collection its index takes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import masksearch_ray as ms
from masksearch_ray.bench.workload import make_workload
from masksearch_ray.collection.manifest import SegmentSizes

MASKS = 600


def smooth(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Maps of 14 x 14 of which few values are not zero: they compress better than most."""
    random = np.random.default_rng(seed)
    at = np.clip((np.arange(448, dtype=np.float32) + 0.5) / 32 - 0.5, 0, 13)
    left = np.minimum(at.astype(np.intp), 12)
    right = at - left
    masks = np.empty((count, 448, 448), np.uint8)
    for mask in masks:
        coarse = np.maximum(random.standard_t(3, (14, 14)) - 1, 0)
        wide = coarse[:, left] * (1 - right) + coarse[:, left + 1] * right
        large = wide[left] * (1 - right)[:, None] + wide[left + 1] * right[:, None]
        mask[:] = (large - large.min()) * (255 / np.ptp(large)) + 0.5
    return masks


def sizes_of(masks: list[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]) -> SegmentSizes:
    boxes = make_workload(len(masks), 16).boxes * 28
    with ms.create(f"memory://index-share-{id(masks)}") as collection:
        return collection.append(masks, {"object_box": list(boxes)}).sizes


def test_the_index_takes_a_twentieth_of_the_pixels() -> None:
    sizes = sizes_of(smooth(MASKS))
    assert 0 < sizes.histograms < 70 * MASKS
    assert sizes.chi <= 900 * MASKS
    assert sizes.index_share <= 0.05


def test_masks_of_as_many_sizes_take_little_more_each() -> None:
    masks = [
        mask[: 448 - i % 10, : 448 - i // 10].copy() for i, mask in enumerate(smooth(40, seed=1))
    ]
    assert len({mask.shape for mask in masks}) == len(masks)
    sizes = sizes_of(masks)
    assert sizes.chi + sizes.histograms < len(masks) * 2000
