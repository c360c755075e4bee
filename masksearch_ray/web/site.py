"""What all pages share: the collection, queries that run, pictures."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pyarrow as pa

import masksearch_ray as ms
from masksearch_ray.errors import MaskSearchError
from masksearch_ray.model.query import Catalog
from masksearch_ray.render import PairShown
from masksearch_ray.session import Collection
from masksearch_ray.session.images import Images
from masksearch_ray.web.build import Facts, facts_of, facts_sql, values_of, values_sql
from masksearch_ray.web.build.offers import FEW
from masksearch_ray.web.once import Once
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.pictures import Pictures
from masksearch_ray.web.rows import Row, RowBook
from masksearch_ray.web.runs import Runs
from masksearch_ray.web.view import View

if TYPE_CHECKING:
    from masksearch_ray.demo.record import DemoRecord

__all__ = ["Site", "ValueHistogram"]

T = TypeVar("T")

_DRAWING = 4


@dataclass(frozen=True)
class ValueHistogram:
    """Pixels of all masks by value.

    Parameters
    ----------
    edges : tuple of float
        n + 1 ascending values.
    counts : tuple of int
        n counts.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Site:
    """A collection as it is served.

    Parameters
    ----------
    options : ServeOptions
    key : str
        By which pictures and exports know the collection among those that are served.

    Attributes
    ----------
    facts : Once of mapping
        First statistics of the metadata columns.
    histogram : Once of ValueHistogram
        Pixels of all masks by value.
    record : DemoRecord or None
        How the demonstration made this, if it did; it may lie far away, and is read but once.
    closed : Event
        Set at the end: long work looks at it.
    """

    def __init__(self, options: ServeOptions, key: str = "main") -> None:
        self.options = options
        self.key = key
        # Collections that belong to this one, by key; guided pages look for their data there.
        self.beside: dict[str, Site] = {}
        self.record: DemoRecord | None = None
        self.closed = threading.Event()
        self.collection: Collection = ms.open(options.url, **options.how)
        self.rows = RowBook(self.collection, options.seconds)
        self.pictures = Pictures(
            self.collection,
            self.rows,
            Images(options.images, options.image_options, confined=True),
            options.picture_bytes,
        )
        self.runs = Runs(self.collection, options.seconds, options.rows, options.queries)
        self.facts = Once(self._read_facts)
        self.histogram = Once(self._read_histogram)
        # In the URL of each picture: browsers keep pictures, and another collection, or this one
        # made anew, may be served at the same port later.
        self._start = secrets.token_hex(4)
        self._threads = ThreadPoolExecutor(_DRAWING, "drawing")

    @property
    def name(self) -> str:
        """Last name of the collection's path."""
        return self.collection.url.rstrip("/").rpartition("/")[2] or self.collection.url

    @cached_property
    def catalog(self) -> Catalog:
        """What a query may name."""
        return self.collection.catalog

    def _read_facts(self) -> Mapping[str, Facts]:
        facts = facts_of(self.catalog, self._table(facts_sql(self.catalog)))
        for name, known in facts.items():
            if known.distinct is not None and 0 < known.distinct <= FEW:
                facts[name] = values_of(known, self._table(values_sql(name)))
        return facts

    def _table(self, sql: str) -> pa.Table:
        return self.collection.sql(sql, timeout=self.options.seconds).table

    @cached_property
    def box_columns(self) -> tuple[str, ...]:
        """Columns of boxes, one or several a mask."""
        kinds = {"box", "boxes"}
        return tuple(f.name for f in self.collection.catalog.fields.values() if f.kind in kinds)

    def _read_histogram(self) -> ValueHistogram:
        """Read the index alone."""
        edges, counts = self.collection.histogram(timeout=self.options.seconds)
        return ValueHistogram(tuple(np.asarray(edges).tolist()), tuple(np.asarray(counts).tolist()))

    # -- where pictures are -------------------------------------------------------------------

    def heat_url(self, mask_id: int, size: int, view: View) -> str:
        """Where the heat map of a mask is."""
        own = "&own=1" if view.own else ""
        return self._picture("heat", mask_id, f"size={size}&map={view.colours}{own}")

    def pair_url(
        self,
        first: int,
        second: int,
        size: int,
        at: float | None = None,
        show: PairShown = "all",
    ) -> str:
        """Where the picture of two masks is: which pixels reach a value in which of them."""
        low, high = self.collection.domain
        value = (low + high) / 2 if at is None else at
        return self._picture("pair", f"{first}-{second}", f"at={value}&size={size}&show={show}")

    def image_url(self, row: Row, size: int, column: str = "image_path") -> str | None:
        """Where the image of a mask is; None where the collection names none."""
        if not row.get(column):
            return None
        of = "" if column == "image_path" else f"&of={column}"
        return self._picture("image", row["mask_id"], f"size={size}{of}")

    def _picture(self, kind: str, name: object, look: str) -> str:
        of = f"{self.key}/{self.collection.version}"
        return f"/picture/{of}/{kind}/{name}.png?{look}&start={self._start}"

    def served(self, key: str) -> Site | None:
        """Find this collection, or one that belongs to it, by its key."""
        return self if key == self.key else self.beside.get(key)

    async def drawn(self, draw: Callable[[], T]) -> T:
        """Draw, or read what is drawn, in a thread that no waiting query holds."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, draw)

    def warm_up(self) -> None:
        """Read what every visitor needs; errors are told to the first who does."""
        with contextlib.suppress(MaskSearchError):
            self.histogram.get()
            self.facts.get()

    def close(self) -> None:
        """End what runs, and let go of the collection."""
        self.closed.set()
        for site in self.beside.values():
            site.close()
        self.runs.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.collection.close()
