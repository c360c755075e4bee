"""The index takes few bytes beside the pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from masksearch_ray.index.build import build_chi, histogram_of_chi, join_counts
from masksearch_ray.index.container import PartData, write_index
from masksearch_ray.index.levels import block_levels
from masksearch_ray.index.tilecodec import encode_tile
from masksearch_ray.model.grid import grid_for
from masksearch_ray.model.values import Domain, bin_edges

MASKS, SIDE = 600, 448


def saliency_maps(rng: np.random.Generator, n: int) -> npt.NDArray[np.uint8]:
    """Maps as Grad-CAM makes them: 14 x 14 rectified, heavy-tailed numbers, as 448 x 448 pixels."""
    coarse = np.maximum(0, rng.standard_normal((n, 14, 14))) ** 3
    at = np.clip((np.arange(SIDE) + 0.5) * 14 / SIDE - 0.5, 0, 13)
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(14)))
    fine = weights @ coarse @ weights.T
    low, high = fine.min((1, 2), keepdims=True), fine.max((1, 2), keepdims=True)
    return np.asarray(np.round(255 * (fine - low) / (high - low)).astype(np.uint8))


def test_the_index_of_saliency_maps_is_at_most_5_percent_of_their_pixels() -> None:
    rng = np.random.default_rng(0)
    domain, grid = Domain(0, 1), grid_for(SIDE, SIDE)
    levels = block_levels(bin_edges(domain, 20), "uint8", domain)
    counts, tiles = [], 0
    for _ in range(0, MASKS, 50):
        masks = saliency_maps(rng, 50)
        counts.append(build_chi(masks, grid, levels))
        # The pixels of every 25th mask stand for all.
        for mask in masks[:2]:
            boxes = [grid.tile_box(tile) for tile in range(grid.tiles)]
            tiles += sum(len(encode_tile(mask[y0:y1, x0:x1])) for x0, y0, x1, y1 in boxes)
    chi = join_counts(counts)
    parts = [
        PartData(0, "chi", "", chi),
        PartData(0, "histogram", "full_image", histogram_of_chi(chi)),
    ]
    directory = MASKS * (8 + 2 * grid.tiles + 4)
    index = len(write_index(parts)[0]) + directory
    assert index <= 0.05 * 25 * tiles, f"{index / MASKS:.0f} bytes a mask"
