"""Measuring the constants of the cost model, on this machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from masksearch_ray.bench.alternatives import NumpyMasks
from masksearch_ray.bench.cost_model import Constants
from masksearch_ray.bench.simulate import TOP, SimulatedRun
from masksearch_ray.bench.workload import Workload, make_workload
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.manifest_json import decode_manifest, encode_manifest
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.model.progress import Progress, silent
from masksearch_ray.runtime.loads import segment_loads
from masksearch_ray.runtime.shards import Cut, cut
from masksearch_ray.session import create, open
from masksearch_ray.session.stats import Stats
from masksearch_ray.storage import open_storage

__all__ = ["ManifestSize", "measure", "measure_manifests", "with_scale"]

_LOW = 0.6
_REPEATS = 20
_SMALL, _MANY = 64, 16  # side of small masks, and how many more of them are bounded
_SHARD_ROWS = 2_000_000  # of which the engine makes a shard


@dataclass(frozen=True)
class ManifestSize:
    """A manifest of so many segments.

    Parameters
    ----------
    segments, bytes : int
    write, open, cut : float
        CPU seconds to encode it, to decode it, and to make shards of it.
    """

    segments: int
    bytes: int
    write: float
    open: float
    cut: float


def measure(masks: int, side: int, progress: Progress = silent) -> tuple[Constants, Manifest]:
    """Ingest saliency-like masks, query them cold and warm.

    Returns
    -------
    Constants
        Those of manifests and of the coordinator are 0.
    Manifest
        Of the collection.
    """
    workload = make_workload(masks, side)
    with tempfile.TemporaryDirectory(prefix="masksearch-scale-") as folder:
        url = f"{folder}/scale"
        began = time.process_time()
        with create(url) as collection:
            boxes = {"object_box": list(workload.boxes)}
            sizes = collection.append(workload.masks, boxes, progress=progress).sizes
        ingest = time.process_time() - began
        manifest = open_manifest(open_storage(url))
        sql, impossible = _queries(workload)
        with open(url) as collection:
            cold = collection.sql(sql).stats
        with open(url) as collection:
            index = collection.sql(impossible).stats
    verified = max(1, cold.rows_verified)
    return Constants(
        masks=masks,
        side=side,
        pixels=sizes.pixels / masks,
        index=sizes.index / masks,
        metadata=sizes.rows / masks,
        memory=sum(load.bytes for load in segment_loads(manifest)) / masks,
        ingest=ingest / masks,
        bound=_bound(_MANY * masks),
        cold_bytes=index.bytes_read / masks,
        cold_requests=_requests(index) / len(manifest.segments),
        verified=cold.rows_verified / masks,
        verify_requests=max(0, _requests(cold) - _requests(index)) / verified,
        verify_bytes=max(0, cold.bytes_read - index.bytes_read) / verified,
        entry=0.0,
        entry_open=0.0,
        shard=0.0,
    ), manifest


def _queries(workload: Workload) -> tuple[str, str]:
    """Ask for one mask in a hundred by its count in one box; and for none, read from the index.

    One box for all: columns of boxes have exact histograms, and no pixels would be read.
    """
    side = workload.masks.shape[1]
    low, high = side * 50 // 448, side * 200 // 448
    counts = NumpyMasks(workload.masks).count(np.array([low, low, high, high], np.int32), _LOW)
    term = f"CP(mask, box({low}, {low}, {high}, {high}), ({_LOW}, 1.0))"
    sql = f"SELECT mask_id FROM masks WHERE {term} >"
    return f"{sql} {int(np.quantile(counts, 0.99))}", f"{sql} {2 * side**2}"


def _bound(masks: int) -> float:
    """Seconds a mask to bound a count, the index in memory.

    By the difference of many and few, so that what a query costs at least is left out; of small
    masks, so that there are many of them: a bound looks at the corners of a region, not at its
    pixels.
    """
    workload = make_workload(masks, _SMALL)
    sql, _ = _queries(workload)
    with tempfile.TemporaryDirectory(prefix="masksearch-scale-") as folder:
        with create(f"{folder}/small") as collection:
            collection.append(workload.masks)
        with open(f"{folder}/small") as collection:
            few = masks // 8
            ask = [
                partial(collection.count_bounds, f"{sql} AND mask_id < {n}") for n in (few, masks)
            ]
            # By turns, and the quickest: what else runs on the machine only adds to them.
            seconds = [[_timed(work)[0] for work in ask] for _ in range(_REPEATS)]
    least: list[float] = [min(some) for some in zip(*seconds, strict=True)]
    return max(0.0, least[1] - least[0]) / (masks - few)


def measure_manifests(like: Manifest, segments: Sequence[int]) -> list[ManifestSize]:
    """Write and read manifests of many segments, each like the first of a collection.

    Parameters
    ----------
    like : Manifest
    segments : sequence of int
        How many; each at least 1.
    """
    found = []
    for count in segments:
        one = like.segments[0]
        entries = tuple(
            replace(one.based(at * one.rows), id=f"{at:032x}", image_min=at, image_max=at + 1)
            for at in range(count)
        )
        manifest = replace(like, segments=entries)
        write, data = _timed(partial(encode_manifest, manifest))
        read, _ = _timed(partial(decode_manifest, data, "simulated"))
        made, _ = _timed(partial(_shards, manifest))
        found.append(ManifestSize(count, len(data), write, read, made))
    return found


def _shards(manifest: Manifest) -> Cut:
    """Cut a collection as opening it does."""
    rows = sum(entry.rows for entry in manifest.segments)
    return cut(segment_loads(manifest), -(-rows // _SHARD_ROWS))


def with_scale(
    known: Constants, manifests: Sequence[ManifestSize], runs: Sequence[SimulatedRun]
) -> Constants:
    """Fill in what manifests and shards cost, from the largest of each."""
    large = max(manifests, key=lambda m: m.segments)
    ranked = [run for run in runs if run.question == TOP and run.fan == 1]
    shard = max(ranked, key=lambda r: r.shards).busy_a_shard if ranked else 0.0
    return replace(
        known,
        entry=large.bytes / large.segments,
        entry_open=(large.open + large.cut) / large.segments,
        shard=shard,
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def _requests(stats: Stats) -> int:
    assert stats.record is not None
    return stats.record.storage_requests
