"""What a first query reads, and what a worker takes in memory."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from masksearch_ray.bench.apart import MemoryWatch
from masksearch_ray.bench.engine import Opening, planned
from masksearch_ray.bench.questions import Question
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.runtime.loads import segment_loads
from masksearch_ray.session import create, open
from masksearch_ray.storage import open_storage

__all__ = [
    "Cold",
    "WorkerMemory",
    "ask_cold",
    "measure_worker",
    "remove_stored",
    "store_collection",
]

_BINS = 20


@dataclass(frozen=True)
class Cold:
    """A first query, with nothing in memory.

    Parameters
    ----------
    opened, asked : float
        Seconds to open the collection, and from then to the whole answer.
    index, predicted : int
        Bytes read of the index and metadata by a like query that no row passes, and by its plan.
    read : int
        Bytes that the query itself read, pixels of rows in doubt among them.
    manifest : int
        Bytes of the manifest.
    requests : int
        To storage.
    """

    opened: float
    asked: float
    index: int
    predicted: int
    read: int
    manifest: int
    requests: int


@dataclass(frozen=True)
class WorkerMemory:
    """Memory of a worker that has read all index columns.

    Parameters
    ----------
    predicted : int
        Bytes that the plan says.
    peak : int
        Bytes that the process took more at its peak than before.
    columns : int
        Bytes of index columns that were read and expanded, by EXPLAIN.
    """

    predicted: int
    peak: int
    columns: int


def ask_cold(opening: Opening, question: Question) -> Cold:
    """Ask a question of a collection that nothing is known of in this process.

    Parameters
    ----------
    opening : Opening
    question : Question
        A filter.
    """
    impossible = question.sql.replace(f"> {question.least}", f"> {2**40}")
    _warm_code(question.sql)
    _drop_pages(opening.url)
    with opening.open() as collection:
        index = collection.sql(impossible).stats
        plan = planned(collection.explain(impossible))
    _drop_pages(opening.url)
    began = time.perf_counter()
    with opening.open() as collection:
        opened = time.perf_counter() - began
        result = collection.sql(question.sql)
        question.check(result.table.column(0).to_numpy())
        asked = time.perf_counter() - began - opened
    stats = result.stats
    storage = open_storage(opening.url, dict(opening.how.get("storage_options", {})))
    newest = sorted(info.key for info in storage.list("manifests/"))[-1]
    return Cold(
        opened,
        asked,
        index.bytes_read,
        plan.opening + plan.bytes,
        stats.bytes_read,
        storage.info(newest).size,
        0 if stats.record is None else stats.record.storage_requests,
    )


def _warm_code(sql: str) -> None:
    """Ask of a few masks first: what Python imports and numba loads is no part of a cold query."""
    masks = np.random.default_rng(0).integers(0, 256, (4, 256, 256), np.uint8)
    with create(f"memory://bench-{uuid.uuid4().hex}", rois=["full_image"]) as collection:
        collection.append(masks, {"plain_box": [(10, 10, 200, 200)] * len(masks)})
        collection.sql(sql).table  # noqa: B018


def _drop_pages(url: str) -> None:
    """Make the page cache forget a folder."""
    if not hasattr(os, "posix_fadvise") or "://" in url:
        return
    for path in Path(url).rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def store_collection(dataset: Any, masks: int, url: str, options: Mapping[str, Any]) -> None:
    """Ingest the first masks at a prefix of an object store.

    Parameters
    ----------
    dataset : Dataset
    masks : int
    url : str
    options : mapping
        Of the storage.
    """
    with create(url, storage_options=options) as collection:
        columns = {"object_box": list(dataset.boxes[:masks])}
        collection.append(np.array(dataset.masks()[:masks]), columns)


def remove_stored(url: str, options: Mapping[str, Any]) -> None:
    """Delete all that lies below a prefix of an object store."""
    storage = open_storage(url, dict(options))
    for info in list(storage.list()):
        storage.delete(info.key)


def measure_worker(url: str, version: int) -> WorkerMemory:
    """Read all index columns of a collection by queries, on one thread's worker.

    Parameters
    ----------
    url : str
    version : int
    """
    loads = segment_loads(open_manifest(open_storage(url), version))
    predicted = sum(load.bytes for load in loads)
    term = "CP(mask, plain_box, (:low, 1.0))"
    questions = [
        f"SELECT COUNT(*) AS n FROM masks WHERE {term} > {2**40}".replace(":low", f"{i / _BINS}")
        for i in range(1, _BINS)
    ]
    _warm_code(questions[0])
    columns = 0
    with MemoryWatch(alone=True) as watch, open(url, version=version, pixel_bytes=0) as collection:
        for text in questions:
            collection.sql(text).table  # noqa: B018
            columns += planned(collection.explain(text)).expanded
    return WorkerMemory(predicted, watch.peak - watch.start, columns)
