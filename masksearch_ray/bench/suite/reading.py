"""Section: the first query of a process, and what a worker takes in memory."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from masksearch_ray.bench.documents import told_bytes, told_seconds, told_table
from masksearch_ray.bench.engine import Opening
from masksearch_ray.bench.questions import Question, filters
from masksearch_ray.bench.reading import (
    Cold,
    ask_cold,
    measure_worker,
    remove_stored,
    store_collection,
)
from masksearch_ray.bench.suite.report import Section, Target
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure_cold", "measure_memory"]

_STORED = 4096  # masks on the object store


def measure_cold(setting: Setting) -> Section:
    """Open and ask, with nothing in memory and the page cache empty."""
    question = _question(setting, setting.dataset.images)
    setting.note("a first query from disk")
    opening = Opening(setting.collection, setting.first, {"pixel_bytes": 0})
    found = [("local disk", question, setting.apart(ask_cold, opening, question))]
    if setting.options.store is not None:
        found.append(_on_store(setting))
    targets = tuple(_target(where, cold) for where, _, cold in found)
    return Section("cold", targets, {"cold": _table(found)})


def _question(setting: Setting, images: int) -> Question:
    return filters(setting.dataset, ("constant",), ((0.6, 1.0),), (0.01,), images=images)[0]


def _on_store(setting: Setting) -> tuple[str, Question, Cold]:
    options = setting.options
    masks = min(_STORED, setting.dataset.images)
    url = f"{options.store}/bench-{uuid.uuid4().hex}"
    setting.note("a first query from the object store")
    how = {"storage_options": options.storage_options, "cache_bytes": 0, "pixel_bytes": 0}
    question = _question(setting, masks)
    try:
        setting.apart(store_collection, setting.dataset, masks, url, options.storage_options)
        cold = setting.apart(ask_cold, Opening(url, None, how), question)
    finally:
        remove_stored(url, options.storage_options)
    return f"object store, {masks:,} masks", question, cold


def _target(where: str, cold: Cold) -> Target:
    share = cold.index / max(1, cold.predicted)
    return Target(
        f"bytes that a first query reads of index and metadata, {where}",
        "<= 1.2 × the plan's prediction",
        f"{share:.3g} × ({told_bytes(cold.index)} of {told_bytes(cold.predicted)})",
        share <= 1.2,
        f"besides the manifest of {told_bytes(cold.manifest)}",
    )


def _table(found: Sequence[tuple[str, Question, Cold]]) -> str:
    rows = [
        [
            f"{question.name}, {where}",
            told_seconds(cold.opened),
            told_seconds(cold.asked),
            told_bytes(cold.index),
            told_bytes(cold.read),
            f"{cold.requests:,}",
        ]
        for where, question, cold in found
    ]
    header = [
        "first query", "open", "answer", "index and metadata", "with pixels in doubt", "requests",
    ]  # fmt: skip
    return told_table(header, rows)


def measure_memory(setting: Setting) -> Section:
    """A worker that has read every index column, against what its plan says."""
    setting.note("memory of a worker")
    found = setting.apart(measure_worker, setting.collection, setting.first)
    share = found.peak / found.predicted
    target = Target(
        "memory of a worker that keeps all of the index, at its peak",
        "<= the plan's prediction + 15 %",
        f"{100 * share:.3g} % ({told_bytes(found.peak)} of {told_bytes(found.predicted)})"
        if found.peak
        else "not known here",
        share <= 1.15 if found.peak else None,
        f"its columns alone take {told_bytes(found.columns)}",
    )
    return Section("memory", (target,))
