"""A collection while it lives, and what it holds in each version."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import masksearch_ray as ms
from tests.differential import Layout
from tests.oracle.collection import Collection as Held
from tests.oracle.draw import NumpyDraw
from tests.oracle.make_collection import make_collection

__all__ = ["NEW", "Life"]

NEW = 1_000_000  # ids from here on are appended, and may be deleted
BY_IMAGE = ("image_id", "shared_box", "object_box", "parts")
Delta = Callable[[Held], Held]


class Life:
    """A collection, and what it holds in each version."""

    def __init__(self, url: str, seed: int, options: dict[str, Any]) -> None:
        self.url, self.seed, self.options = url, seed, options
        self.held = make_collection(NumpyDraw([seed, 0]))
        self.layout = Layout.of(seed)
        self.given_up = threading.Event()
        self._ids = itertools.count(NEW)
        self._changed = threading.Condition()
        self._deltas: dict[int, Delta] = {}
        self._states: dict[int, Held] = {}
        self._begin()

    def _begin(self) -> None:
        layout, held = self.layout, self.held
        with ms.create(
            self.url,
            domain=held.domain,
            nan="keep" if held.nan == "keep" else "reject",
            cell=layout.cell,
            bins=layout.bins,
            rois=layout.rois,
            storage_options=self.options,
        ) as made:
            cuts = np.linspace(0, len(held.masks), layout.appends + 1).astype(int)
            for start, stop in itertools.pairwise(cuts):
                if start < stop:
                    made.append(held.masks[start:stop], held.table().slice(start, stop - start))
            self.first = made.version
        self._states[self.first] = held

    def happened(self, version: int, delta: Delta) -> None:
        """Note what a commit did."""
        with self._changed:
            if version in self._deltas:
                raise AssertionError(f"version {version} of {self.url} was committed twice")
            self._deltas[version] = delta
            self._changed.notify_all()

    def state(self, version: int) -> Held | None:
        """What a version holds; None where that is not known, as its writer has failed."""
        wanted = range(self.first + 1, version + 1)
        with self._changed:
            self._changed.wait_for(
                lambda: self.given_up.is_set() or all(v in self._deltas for v in wanted), 60.0
            )
            if not all(v in self._deltas for v in wanted):
                return None
            for v in wanted:
                if v not in self._states:
                    self._states[v] = self._deltas[v](self._states[v - 1])
            return self._states[version]

    def give_up(self) -> None:
        """End this life: nobody knows whether a change was made."""
        self.given_up.set()
        with self._changed:
            self._changed.notify_all()

    def more(self, rng: random.Random) -> Held:
        """Rows to append: masks turned and faded, of the images there are."""
        held, masks, rows = self.held, [], []
        for _ in range(rng.randint(1, 4)):
            one, other = rng.randrange(len(held.masks)), rng.randrange(len(held.masks))
            mask = held.masks[one]
            masks.append(np.ascontiguousarray(rng.choice([mask, mask[::-1], mask[:, ::-1]])))
            row = {**held.rows[other], "mask_id": next(self._ids)}
            rows.append(row | {k: v for k, v in held.rows[one].items() if k in BY_IMAGE})
        return replace(held, masks=masks, rows=rows)
