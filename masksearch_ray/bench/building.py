"""How fast masks become a collection, and the memory that takes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from masksearch_ray.bench.apart import MemoryWatch
from masksearch_ray.bench.dataset import Dataset
from masksearch_ray.bench.questions import Question
from masksearch_ray.bench.timing import Spread, timed
from masksearch_ray.collection.tiles import TileCodec
from masksearch_ray.errors import FailedError
from masksearch_ray.index.build import build_chi
from masksearch_ray.index.levels import block_levels
from masksearch_ray.model.grid import grid_for
from masksearch_ray.model.values import Domain
from masksearch_ray.session import create

__all__ = ["Building", "Ingest", "Traded", "time_building", "time_ingest", "trade"]

Cut = tuple[int, int]

_KERNEL_MASKS, _CODEC_MASKS = 256, 32
_BINS = 20


@dataclass(frozen=True)
class Building:
    """What one core takes for the parts of an ingest.

    Parameters
    ----------
    masks : int
        Whose index was built.
    bytes : int
        Of a mask.
    index : Spread
        Seconds for the index of all of them.
    encoding : float
        Seconds to compress the tiles of a mask.
    """

    masks: int
    bytes: int
    index: Spread
    encoding: float

    @property
    def speed(self) -> float:
        """Bytes of pixels that the index is built of in a second."""
        return self.masks * self.bytes / self.index.median


@dataclass(frozen=True)
class Ingest:
    """What an append took.

    Parameters
    ----------
    masks : int
    seconds, cpu : float
        Elapsed, and of all cores.
    memory : int
        Bytes that the process took more at its peak than before; 0 where that is not known.
    """

    masks: int
    seconds: float
    cpu: float
    memory: int


def time_building(dataset: Dataset, repeats: int) -> Building:
    """Time the kernel of the index and the codec of tiles, each on one core.

    Parameters
    ----------
    dataset : Dataset
    repeats : int
    """
    masks = np.array(dataset.masks()[: min(_KERNEL_MASKS, dataset.images)])
    side = dataset.options.side
    grid = grid_for(side, side)
    levels = block_levels([i / _BINS for i in range(_BINS + 1)], "uint8", Domain())

    def build() -> int:
        return int(build_chi(masks, grid, levels).data[-1].sum(dtype=np.int64))

    expected = int((masks >= levels[-1]).sum())
    build()  # compiles
    index = timed(build, repeats, lambda found: _same(found, expected))
    codec = TileCodec(grid, "uint8")
    some = masks[:_CODEC_MASKS]
    codec.encode(some[0])
    encoding = timed(lambda: [codec.encode(mask) for mask in some], repeats)
    return Building(len(masks), masks[0].nbytes, index, encoding.median / len(some))


def _same(found: int, expected: int) -> None:
    if found != expected:
        raise FailedError(f"the index counts {found} pixels, {expected} expected")


def time_ingest(dataset: Dataset, masks: int, *, in_memory: bool) -> Ingest:
    """Append masks to a new collection on disk.

    Parameters
    ----------
    dataset : Dataset
    masks : int
        The first so many.
    in_memory : bool
        Copy them into memory first, else hand in the mapped file.
    """
    given = dataset.masks()[:masks]
    if in_memory:
        given = np.array(given)
    boxes = list(np.concatenate([dataset.boxes] * 2)[:masks])
    with tempfile.TemporaryDirectory(prefix="ingest-", dir=dataset.folder) as folder:
        with create(f"{folder}/warm") as warm:  # compiles
            warm.append(given[:2], {"object_box": boxes[:2]})
        with MemoryWatch(alone=True) as watch, create(f"{folder}/timed") as collection:
            began, used = time.perf_counter(), _cpu()
            collection.append(given, {"object_box": boxes})
            seconds, cpu = time.perf_counter() - began, _cpu() - used
    return Ingest(masks, seconds, cpu, watch.peak - watch.start)


@dataclass(frozen=True)
class Traded:
    """An index of another cut, on the first masks.

    Parameters
    ----------
    cell, bins : int
        Side of a cell in pixels, and bins of values.
    index : float
        Share of the index in the compressed pixels.
    doubt : float
        Share of rows that it leaves in doubt.
    """

    cell: int
    bins: int
    index: float
    doubt: float


def trade(dataset: Dataset, question: Question, masks: int, cuts: Sequence[Cut]) -> list[Traded]:
    """Index the first masks with other cells and bins, and count the rows in doubt.

    Parameters
    ----------
    dataset : Dataset
    question : Question
    masks : int
    cuts : sequence of (int, int)
        Sides of cells, and numbers of bins.
    """
    given, found = np.array(dataset.masks()[:masks]), []
    with tempfile.TemporaryDirectory(prefix="cells-", dir=dataset.folder) as folder:
        for cell, bins in cuts:
            # One box column, whose histogram the default index has.
            columns = {"object_box": list(dataset.boxes[:masks])}
            with create(f"{folder}/{cell}-{bins}", cell=cell, bins=bins) as collection:
                sizes = collection.append(given, columns).sizes
                surely, possibly = collection.count_bounds(question.sql)
            share = (possibly - surely) / len(given)
            found.append(Traded(cell, bins, sizes.index_share, share))
    return found


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
