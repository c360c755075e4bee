"""Holding the engine against the oracle on collections made by hand, however they are laid out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from tests.oracle import ast as q
from tests.oracle.ast import parameters
from tests.oracle.collection import Answer, Collection
from tests.oracle.compare import assert_same
from tests.oracle.evaluate import evaluate
from tests.oracle.render import render


@dataclass(frozen=True)
class Layout:
    """How a collection is laid out, and asked: what must not change an answer."""

    appends: int = 1
    shards: int = 1
    bins: Any = 20
    cell: int | None = None
    rois: Any = "auto"
    use_index: bool = True


PLAIN = Layout()
LAYOUTS = (
    PLAIN,
    Layout(appends=3, shards=2, bins=2, cell=8, rois=()),
    Layout(appends=4, shards=3, bins=256, cell=3),
    Layout(appends=2, shards=2, cell=50, use_index=False),
)
_names = itertools.count()


def opened(held: Collection, layout: Layout = PLAIN) -> ms.Collection:
    """The oracle's collection in the engine, in memory."""
    found = ms.create(
        f"memory://held-{next(_names)}",
        domain=held.domain,
        nan="keep" if held.nan == "keep" else "reject",
        cell=layout.cell,
        bins=layout.bins,
        rois=layout.rois,
        runtime=LocalRuntime(layout.shards),
    )
    table = held.table()
    for at in np.array_split(np.arange(len(held.masks)), layout.appends):
        if len(at):
            found.append([held.masks[n] for n in at], table.slice(at[0], len(at)))
    return found


def hold(held: Collection, *queries: q.Query, layouts: Sequence[Layout] = LAYOUTS) -> None:
    """Fail unless every query has the oracle's answer, or its refusal, in every layout."""
    answers = [evaluate(held, query) for query in queries]
    for layout in layouts:
        with opened(held, layout) as collection:
            for query, answer in zip(queries, answers, strict=True):
                try:
                    _hold_one(collection, layout, query, answer)
                except BaseException as error:
                    error.add_note(f"{render(query)}, {parameters(query)}, {layout}")
                    raise


def _hold_one(collection: ms.Collection, layout: Layout, query: q.Query, answer: object) -> None:
    text, given = render(query), parameters(query)
    try:
        asked = collection.sql(text, given, roi=query.roi, use_index=layout.use_index)
        table = asked.table
    except ms.QueryError:
        if isinstance(answer, Answer):
            raise
        return
    assert isinstance(answer, Answer), f"answered, but {answer}"
    assert_same(table, answer)


def smooth(n: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Saliency-like uint8 masks: one soft spot each."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    masks = np.empty((n, height, width), np.uint8)
    for mask in masks:
        top, left = chance.uniform(0, height), chance.uniform(0, width)
        spread = chance.uniform(0.1, 0.4) * max(height, width)
        mask[:] = 255 * np.exp(-((y - top) ** 2 + (x - left) ** 2) / spread**2)
    return masks
