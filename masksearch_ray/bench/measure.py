"""Measuring the constants of the cost model, on this machine."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from masksearch_ray.bench.alternatives import NumpyMasks
from masksearch_ray.bench.cost_model import Constants
from masksearch_ray.bench.simulate import SimulatedRun
from masksearch_ray.bench.workload import make_workload
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
_TERM = f"CP(mask, object_box, ({_LOW}, 1.0))"
_REPEATS = 5
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
        counts = NumpyMasks(workload.masks).count(workload.boxes, _LOW)
        sql = f"SELECT mask_id FROM masks WHERE {_TERM} > {int(np.quantile(counts, 0.99))}"
        with open(url) as collection:
            cold = collection.sql(sql).stats
            # By the difference, so that what a query costs at least is left out.
            few = masks // 8
            less = _cpu(lambda: collection.count_bounds(f"{sql} AND mask_id < {few}"))
            bound = max(0.0, _cpu(lambda: collection.count_bounds(sql)) - less) / (masks - few)
        with open(url) as collection:
            # What a query reads that no mask is in doubt for.
            index = collection.sql(f"SELECT mask_id FROM masks WHERE {_TERM} > {2 * side**2}").stats
    verified = max(1, cold.rows_verified)
    return Constants(
        masks=masks,
        side=side,
        pixels=sizes.pixels / masks,
        index=sizes.index / masks,
        metadata=sizes.rows / masks,
        memory=sum(load.bytes for load in segment_loads(manifest)) / masks,
        ingest=ingest / masks,
        bound=bound,
        cold_bytes=index.bytes_read / masks,
        cold_requests=_requests(index) / len(manifest.segments),
        verified=cold.rows_verified / masks,
        verify_requests=max(0, _requests(cold) - _requests(index)) / verified,
        verify_bytes=max(0, cold.bytes_read - index.bytes_read) / verified,
        entry=0.0,
        entry_open=0.0,
        shard=0.0,
    ), manifest


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
    ranked = [run for run in runs if run.round_trips > 2 and run.fan == 1]
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


def _cpu(work: Callable[[], object]) -> float:
    return statistics.median(_timed(work)[0] for _ in range(_REPEATS))


def _requests(stats: Stats) -> int:
    assert stats.record is not None
    return stats.record.storage_requests
