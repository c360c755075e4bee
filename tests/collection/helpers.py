"""What the tests of collections share."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection import CollectionReader, create_collection, open_manifest
from masksearch_ray.model.values import DTYPES, k_max
from masksearch_ray.storage import MemoryStorage, Storage

Mask = npt.NDArray[Any]


def memory() -> MemoryStorage:
    return MemoryStorage(f"memory://{uuid.uuid4().hex}")


def empty(**settings: Any) -> MemoryStorage:
    storage = memory()
    create_collection(storage, **settings)
    return storage


def copy_of(storage: Storage) -> MemoryStorage:
    """Another storage of the same objects."""
    copy = memory()
    for one in storage.list():
        copy.put(one.key, storage.get(one.key))
    return copy


def reader(storage: Storage, version: int | None = None) -> CollectionReader:
    return CollectionReader(storage, open_manifest(storage, version))


def random_masks(
    n: int, height: int = 20, width: int = 30, dtype: str = "uint8", seed: int = 0
) -> Mask:
    """Masks of values between 0 and 1, smooth enough to compress."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    top, left = random.random((2, n, 1, 1))
    distance = (y - top * height) ** 2 + (x - left * width) ** 2
    values: Mask = np.exp(-distance / 60.0) * random.random((n, 1, 1))
    if dtype == "bool":
        return np.greater(values, 0.3)
    return (values * (k_max(dtype) or 1)).astype(dtype)


def mixed_masks(n: int, seed: int = 0) -> list[Mask]:
    """Masks of several sizes and all dtypes."""
    random = np.random.default_rng(seed)
    sizes = [(20, 30), (7, 5), (1, 1), (33, 64)]
    return [
        random_masks(1, *sizes[random.integers(4)], DTYPES[random.integers(5)], seed + i)[0]
        for i in range(n)
    ]


def same(a: Sequence[Mask], b: Sequence[Mask]) -> bool:
    """Whether masks are equal to the last bit, in dtype and shape, too."""
    return len(a) == len(b) and all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        for x, y in zip(a, b, strict=True)
    )


def content(storage: Storage, version: int | None = None) -> dict[int, tuple[Any, ...]]:
    """Everything that a version holds: mask_id to metadata and pixels, read in every way."""
    opened = reader(storage, version)
    names = ["mask_id", *opened.manifest.schema.names]
    found: dict[int, tuple[Any, ...]] = {}
    for segment in opened.segments():
        alive = segment.alive()
        masks = segment.masks(np.arange(segment.entry.rows))
        for row, keep, mask in zip(segment.metadata(names).to_pylist(), alive, masks, strict=True):
            if keep:
                assert row["mask_id"] not in found
                told = {name: value for name, value in row.items() if value is not None}
                found[row["mask_id"]] = (told, mask.shape, mask.dtype.name, mask.tobytes())
    assert len(found) == len(opened)
    return found


def check_index(storage: Storage) -> None:
    """Hold all counts and histograms of the newest version against the pixels."""
    for segment in reader(storage).segments():
        for view in segment.blocks:
            masks = np.stack(segment.masks(view.ordinals))
            every = np.arange(view.grid.cells, dtype=np.int32)
            levels = range(0 if view.nan else 1, len(view.levels) + 1)
            counts = segment.counts(view.block, {level: every for level in levels})
            for level in levels:
                cut = -np.inf if level == 0 else view.levels[level - 1]
                reached = masks.astype(np.float64) >= cut
                assert np.array_equal(counts[level], by_cell(reached, view.grid.cell))
                full = segment.histogram(view.block, "full_image", [level])[level]
                assert np.array_equal(full, reached.sum(axis=(1, 2)))


def by_cell(flags: npt.NDArray[np.bool_], cell: int) -> npt.NDArray[np.int64]:
    """True pixels of each cell: ``(cells, N)``."""
    _, height, width = flags.shape
    return np.array(
        [
            flags[:, y : y + cell, x : x + cell].sum(axis=(1, 2))
            for y in range(0, height, cell)
            for x in range(0, width, cell)
        ]
    )
