"""DuckDB and Zarr, each as well as it can be set, on the first masks alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masksearch_ray.bench.alternatives import in_threads, numpy_counts, stored_range
from masksearch_ray.bench.contenders import Measured
from masksearch_ray.bench.dataset import Dataset, constant_box
from masksearch_ray.bench.questions import Question
from masksearch_ray.bench.timing import Spread, timed
from masksearch_ray.errors import FailedError, InputError

__all__ = ["check_installed", "run_duckdb", "run_zarr"]

_CHUNK = 64  # masks, and pixels along each side, of a chunk of Zarr: a region needs few of them


def check_installed() -> None:
    """Refuse to begin without what is measured against.

    Raises
    ------
    InputError
    """
    missing = [name for name in ("duckdb", "zarr") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"the benchmark needs {' and '.join(missing)}: pip install 'masksearch-ray[bench]'"
        )


def run_duckdb(
    who: str, dataset: Dataset, question: Question, masks: int, repeats: int
) -> Measured:
    """Ask DuckDB, which holds a row a pixel in memory.

    Parameters
    ----------
    who : str
    dataset : Dataset
    question : Question
        A filter of the constant region.
    masks : int
        The first so many; times are scaled to all.
    repeats : int
    """
    import duckdb
    import pyarrow as pa

    n, side = min(masks, dataset.images), dataset.options.side
    pixels = pa.table(
        {
            "mask_id": np.repeat(np.arange(n, dtype=np.int32), side * side),
            "x": np.tile(np.tile(np.arange(side, dtype=np.int16), side), n),
            "y": np.tile(np.repeat(np.arange(side, dtype=np.int16), side), n),
            "v": dataset.masks()[:n].reshape(-1),
        }
    )
    database = duckdb.connect()
    database.execute("SET enable_progress_bar = false")
    database.register("given", pixels)
    # Rows of a mask lie together, so that DuckDB skips what lies outside the rows of a region.
    database.execute("CREATE TABLE pixels AS SELECT * FROM given")
    database.unregister("given")
    del pixels
    x0, y0, x1, y1 = constant_box(side)
    start, stop = stored_range(question.scan.low, question.scan.high)
    text = (
        f"SELECT mask_id FROM pixels WHERE y >= {y0} AND y < {y1} AND x >= {x0} AND x < {x1} "
        f"AND v >= {start} AND v < {stop} "
        f"GROUP BY mask_id HAVING COUNT(*) > {question.least} ORDER BY mask_id"
    )

    def work() -> NDArray[np.int64]:
        return np.asarray(database.execute(text).fetchnumpy()["mask_id"], np.int64)

    return _scaled(who, f"a row a pixel, {n:,} masks, scaled", dataset, question, n, work, repeats)


def run_zarr(who: str, dataset: Dataset, question: Question, masks: int, repeats: int) -> Measured:
    """Ask NumPy over a Zarr array on disk, in chunks of 64 masks by 64 x 64 pixels.

    Parameters
    ----------
    who : str
    dataset : Dataset
    question : Question
        A filter of the constant region.
    masks : int
        The first so many; times are scaled to all.
    repeats : int
    """
    import zarr

    n, side = min(masks, dataset.images), dataset.options.side
    chunk = min(_CHUNK, side)
    x0, y0, x1, y1 = constant_box(side)
    cuts = stored_range(question.scan.low, question.scan.high)
    with tempfile.TemporaryDirectory(prefix="masksearch-bench-") as folder:
        array: Any = zarr.create_array(
            store=folder, shape=(n, side, side), chunks=(_CHUNK, chunk, chunk), dtype="uint8"
        )
        for first in range(0, n, _CHUNK):
            array[first : first + _CHUNK] = dataset.masks()[first : min(first + _CHUNK, n)]

        def work() -> NDArray[np.int64]:
            counts = np.empty(n, np.int64)

            def part(chunks: range) -> None:
                for at in chunks:
                    here = slice(at * _CHUNK, min((at + 1) * _CHUNK, n))
                    pixels = np.asarray(array[here, y0:y1, x0:x1])
                    whole = np.array([[0, 0, x1 - x0, y1 - y0]] * len(pixels), np.int32)
                    counts[here] = numpy_counts(pixels, whole, cuts, 1)

            # Zarr reads and decodes the chunks of a slice on threads of its own.
            in_threads(part, -(-n // _CHUNK), 1)
            return np.flatnonzero(counts > question.least)

        setting = f"chunks of {_CHUNK} x {chunk} x {chunk}, zstd, {n:,} masks, scaled"
        return _scaled(who, setting, dataset, question, n, work, repeats)


def _scaled(
    who: str,
    setting: str,
    dataset: Dataset,
    question: Question,
    masks: int,
    work: Callable[[], NDArray[np.int64]],
    repeats: int,
) -> Measured:
    answer = question.answer[question.answer < masks]

    def check(found: NDArray[np.int64]) -> None:
        if not np.array_equal(found, answer):
            raise FailedError(f"{who}: {question.name}: a wrong answer")

    check(work())
    times = timed(work, repeats, check)
    scale = dataset.images / masks
    return Measured(who, question.name, setting, Spread(tuple(scale * s for s in times.seconds)))
