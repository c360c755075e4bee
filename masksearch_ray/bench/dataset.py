"""The benchmark's masks: drawn once from a seed, kept in one file that all contenders map."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.drawing import draw_pairs, value_counts
from masksearch_ray.bench.workload import COARSE_SIDE, draw_boxes, draw_coarse, pixel_centres
from masksearch_ray.errors import FailedError, InputError
from masksearch_ray.model.progress import Progress, ProgressStep, silent
from masksearch_ray.model.text import size

__all__ = ["ROIS", "Dataset", "DatasetOptions", "constant_box", "make_dataset"]

ROIS = ("constant", "object", "full")
"""Regions: one box for all masks, each mask's own, the whole mask."""

_FORMAT = 1
_CHUNK = 256  # images drawn together by one process
_SMALLEST_SIDE = 16


@dataclass(frozen=True)
class DatasetOptions:
    """What the masks are drawn from.

    Parameters
    ----------
    images : int
        Each has two masks, one of each model.
    side : int
        Height and width of a mask, pixels, at least 16.
    seed : int
        The same seed draws the same masks.
    """

    images: int = 22_275
    side: int = 448
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images < 1 or self.side < _SMALLEST_SIDE:
            raise InputError(
                f"{self.images} images of {self.side} pixels: at least 1 of {_SMALLEST_SIDE} wanted"
            )


@dataclass(frozen=True)
class Dataset:
    """Masks in a file, with what is known of them.

    Rows 0 … N - 1 are the first model's masks of the images in order, N … 2 N - 1 the second's.

    Parameters
    ----------
    folder : Path
    options : DatasetOptions
    """

    folder: Path
    options: DatasetOptions

    def __reduce__(self) -> tuple[object, ...]:
        # Without what was read of it: another process maps the same files.
        return Dataset, (self.folder, self.options)

    @property
    def images(self) -> int:
        """Number of images, N."""
        return self.options.images

    def masks(self) -> NDArray[np.uint8]:
        """Map the masks: uint8, shape ``(2 N, side, side)``, read-only."""
        return np.asarray(np.load(self.folder / "masks.npy", mmap_mode="r", allow_pickle=False))

    @cached_property
    def boxes(self) -> NDArray[np.int32]:
        """One object an image: int32, shape ``(N, 4)``, ``(x0, y0, x1, y1)``, half-open."""
        return np.asarray(np.load(self.folder / "boxes.npy", allow_pickle=False))

    def regions(self, roi: str) -> NDArray[np.int32]:
        """Boxes of a region of `ROIS`, one an image: int32, shape ``(N, 4)``."""
        return _regions(self.options.side, self.boxes)[:, ROIS.index(roi)]

    def counts(self, roi: str, low: float, high: float, model: int = 1) -> NDArray[np.int64]:
        """Count the pixels whose value is in ``[low, high)``, or ``[low, 1]`` if high is 1.

        Parameters
        ----------
        roi : str
            One of `ROIS`.
        low, high : float
        model : int
            1 or 2.

        Returns
        -------
        numpy.ndarray
            int64, shape ``(N,)``.
        """
        rows = slice((model - 1) * self.images, model * self.images)
        return self._in_range(self._values[rows, ROIS.index(roi)], low, high)

    def pair_counts(self, low: float, high: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count, over whole masks, the lesser and the greater pixel of both models in a range."""
        both = self._in_range(self._pairs, low, high)
        return both[:, 0], both[:, 1]

    @cached_property
    def _values(self) -> NDArray[np.uint32]:
        return np.asarray(np.load(self.folder / "values.npy", mmap_mode="r", allow_pickle=False))

    @cached_property
    def _pairs(self) -> NDArray[np.uint32]:
        return np.asarray(np.load(self.folder / "pairs.npy", mmap_mode="r", allow_pickle=False))

    @staticmethod
    def _in_range(counts: NDArray[np.uint32], low: float, high: float) -> NDArray[np.int64]:
        # The definition, on values: float64 values against float64 ends.
        values = np.arange(256) / 255
        inside = (values >= low) & ((values < high) | (high >= 1.0))
        found: NDArray[np.int64] = counts[..., inside].sum(axis=-1, dtype=np.int64)
        return found


def constant_box(side: int) -> tuple[int, int, int, int]:
    """(50, 50)-(200, 200) of 448 x 448 and 224 x 224 masks, or their like in smaller ones."""
    low, high = (50, 200) if side >= 224 else (side * 50 // 448, side * 200 // 448)
    return low, low, high, high


def make_dataset(
    folder: Path, options: DatasetOptions, processes: int = 2, progress: Progress = silent
) -> Dataset:
    """Draw the masks into a folder, unless they are there.

    Parameters
    ----------
    folder : Path
        Datasets of other options lie beside this one in it.
    options : DatasetOptions
    processes : int
        That draw; the masks are the same for any number.
    progress : Progress

    Raises
    ------
    FailedError
        The disk has no room.
    """
    name = f"masks-{options.images}x{options.side}-seed{options.seed}"
    made = Dataset(folder / name, options)
    told = json.dumps({"format": _FORMAT, **asdict(options)})
    mark = made.folder / "dataset.json"
    if not (mark.is_file() and mark.read_text(encoding="utf-8") == told):
        made.folder.mkdir(parents=True, exist_ok=True)
        _check_room(made)
        _make_files(made)
        for done in _drawn(made, processes):
            progress(_step(done, options))
        mark.write_text(told, encoding="utf-8")
    return made


def _step(done: int, options: DatasetOptions) -> ProgressStep:
    pixels = 2 * done * options.side**2
    return ProgressStep("draw masks", 2 * done, 2 * options.images, pixels)


def _check_room(made: Dataset) -> None:
    wanted = 2 * made.images * (made.options.side**2 + 4 * 256 * 4)
    free = shutil.disk_usage(made.folder).free
    # What an earlier, unfinished run left is written over.
    there = sum(file.stat().st_blocks * 512 for file in made.folder.glob("*.npy"))
    if free + there < wanted:
        raise FailedError(
            f"{made.folder}: the masks take {size(wanted)}, {size(free)} are free; "
            "name another folder, or draw fewer"
        )


def _shapes(options: DatasetOptions) -> dict[str, tuple[Any, tuple[int, ...]]]:
    n, side = options.images, options.side
    return {
        "masks": (np.uint8, (2 * n, side, side)),
        "boxes": (np.int32, (n, 4)),
        "values": (np.uint32, (2 * n, len(ROIS), 256)),
        "pairs": (np.uint32, (n, 2, 256)),
    }


def _make_files(made: Dataset) -> None:
    for name, (dtype, shape) in _shapes(made.options).items():
        np.lib.format.open_memmap(made.folder / f"{name}.npy", "w+", dtype, shape)


def _drawn(made: Dataset, processes: int) -> Iterator[int]:
    """Draw in processes of their own; yields images done."""
    parts = [(start, min(start + _CHUNK, made.images)) for start in range(0, made.images, _CHUNK)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        left: set[Future[int]] = {pool.submit(_draw, made, *part) for part in parts}
        done = 0
        while left:
            ended, left = wait(left, return_when=FIRST_COMPLETED)
            done += sum(future.result() for future in ended)
            yield done


def _draw(made: Dataset, start: int, stop: int) -> int:
    """Draw some images, count their pixels by value, and write both."""
    n, side = stop - start, made.options.side
    rng = np.random.default_rng([made.options.seed, start])
    coarse = draw_coarse(rng, 2 * n).astype(np.float32)
    left, share = pixel_centres(COARSE_SIDE, side)
    masks = np.empty((2, n, side, side), np.uint8)
    draw_pairs(
        coarse.reshape(n, 2, COARSE_SIDE, COARSE_SIDE), left, share.astype(np.float32), masks
    )
    boxes = draw_boxes(rng, n, side)
    values = np.zeros((2, n, len(ROIS), 256), np.uint32)
    for model in (0, 1):
        value_counts(masks[model], _regions(side, boxes), values[model])
    pairs = np.zeros((n, 2, 256), np.uint32)
    whole = np.broadcast_to(np.array([0, 0, side, side], np.int32), (n, 1, 4))
    for at, join in enumerate((np.minimum, np.maximum)):
        value_counts(join(masks[0], masks[1]), whole, pairs[:, at : at + 1])
    for model in (0, 1):
        _write(made, "masks", model * made.images + start, masks[model])
        _write(made, "values", model * made.images + start, values[model])
    _write(made, "pairs", start, pairs)
    _write(made, "boxes", start, boxes)
    return n


def _regions(side: int, boxes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Every region of `ROIS`: int32, shape ``(N, 3, 4)``."""
    regions = np.empty((len(boxes), len(ROIS), 4), np.int32)
    regions[:, 0], regions[:, 1], regions[:, 2] = constant_box(side), boxes, (0, 0, side, side)
    return regions


def _write(made: Dataset, name: str, row: int, part: NDArray[Any]) -> None:
    """Write rows of a file, past the page tables: mapped pages would count as memory."""
    path = made.folder / f"{name}.npy"
    head = path.stat().st_size - _bytes_of(*_shapes(made.options)[name])
    with path.open("r+b", buffering=0) as file:
        file.seek(head + row * part[0].nbytes)
        data = np.ascontiguousarray(part).data.cast("B")
        while data:
            data = data[os.write(file.fileno(), data) :]


def _bytes_of(dtype: Any, shape: Sequence[int]) -> int:
    return math.prod(shape) * int(np.dtype(dtype).itemsize)
