"""What the faults befall: a collection, what is asked of it and done to it, and what is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import masksearch_ray as ms
from masksearch_ray.runtime.types import Runtime
from masksearch_ray.storage import Storage, open_storage
from tests.oracle import ast as q
from tests.oracle.ast import parameters
from tests.oracle.collection import Answer
from tests.oracle.collection import Collection as Held
from tests.oracle.compare import assert_same
from tests.oracle.evaluate import evaluate
from tests.oracle.render import render
from tests.oracle.short import collection, cp, op, over, select
from tests.s3_server import S3Server
from tests.session.held import smooth

__all__ = ["CHANGES", "HELD", "QUERIES", "Change", "World", "check"]

SEGMENTS = 4
MASKS = smooth(32, 40, 48)
BOX = q.BoxColumn("object_box")
HELD = collection(
    list(MASKS),
    image_id=("str", [f"img-{n // 2:02}" for n in range(32)]),
    label=("str", ["cat", "dog", "fox", None] * 8),
    object_box=("box", [(n % 9, n % 7, 20 + n % 20, 18 + n % 20) for n in range(32)]),
)

QUERIES: dict[str, q.Query] = {
    "filter": select(
        "mask_id", (cp(0.31, 0.77, roi=BOX), "n"), where=op(cp(0.31, 0.77, roi=BOX), ">", 60)
    ),
    "top-k": select(
        "mask_id", "label", order_by=(q.Order(cp(0.52, 0.9), True), q.Order(q.Column("mask_id"))),
        limit=5,
    ),
    "groups": select(
        "image_id",
        (q.Aggregate("SUM", cp(0.31, 0.77, roi=BOX)), "n"),
        group_by=(q.Column("image_id"),),
        order_by=(q.Order(2, True),),
        limit=4,
    ),
    "intersections": select(
        "image_id",
        (over("intersect", 0.31, 0.77, ">", 0.4), "n"),
        group_by=(q.Column("image_id"),),
        order_by=(q.Order(2, True),),
        limit=4,
    ),
}  # fmt: skip


def rows_of(held: Held, start: int, stop: int) -> pa.Table:
    return held.table().slice(start, stop - start)


@dataclass(frozen=True)
class World:
    """The collection on a real server, beside what reaches it through the proxy.

    Parameters
    ----------
    server : S3Server
    bucket : str
    endpoint : str
        Of the proxy.
    """

    server: S3Server
    bucket: str
    endpoint: str

    def url(self, name: str) -> str:
        """URL of a collection of this world."""
        return f"s3://{self.bucket}/{name}"

    @property
    def options(self) -> dict[str, Any]:
        """Reaches the server through the proxy; a second of silence is enough."""
        patience = {"read_timeout": 1.0, "connect_timeout": 1.0}
        return self.server.options(endpoint_url=self.endpoint, config_kwargs=patience)

    def storage(self, name: str) -> Storage:
        """Reaches the server directly."""
        return open_storage(self.url(name), self.server.options())

    def build(self, name: str) -> None:
        """Make the collection: some segments, with rows that were deleted."""
        with ms.create(self.url(name), storage_options=self.server.options()) as made:
            for at in np.array_split(np.arange(len(MASKS)), SEGMENTS):
                start, stop = int(at[0]), int(at[-1]) + 1
                made.append(MASKS[start:stop], rows_of(HELD, start, stop))
                doomed = rows_of(HELD, start, start + 1)
                ids = pa.array([1000 + start])
                made.append(MASKS[:1], doomed.set_column(0, "mask_id", ids))
            made.delete("mask_id >= 1000")
            made.build_index([(1, 1, 30, 30)], 7)

    def copy(self, name: str, new: str) -> str:
        """Copy all objects of a collection, on the server; return the name of the copy."""
        client = self.server.client()
        found = client.list_objects_v2(Bucket=self.bucket, Prefix=f"{name}/")
        for one in found.get("Contents", []):
            client.copy_object(
                Bucket=self.bucket,
                Key=f"{new}/{one['Key'].removeprefix(name + '/')}",
                CopySource={"Bucket": self.bucket, "Key": one["Key"]},
            )
        return new

    def ask(self, name: str, query: q.Query, runtime: str | Runtime, timeout: float = 90.0) -> None:
        """Open the collection through the proxy, ask, and hold the answer against the oracle."""
        with self.open(name, runtime) as opened:
            check(opened, query, timeout)

    def open(self, name: str, runtime: str | Runtime = "local", **more: Any) -> ms.Collection:
        """Open the collection through the proxy, without a cache unless `more` says otherwise."""
        options = {"storage_options": self.options, "cache_bytes": 0, **more}
        return ms.open(self.url(name), runtime, **options)


def check(opened: ms.Collection, query: q.Query, timeout: float = 90.0) -> None:
    """Ask, and hold the answer against the oracle."""
    answer = evaluate(HELD, query)
    assert isinstance(answer, Answer)
    given = opened.sql(render(query), parameters(query), timeout=timeout)
    assert_same(given.table, answer)


# ------------------------------------------------------------------------------------- changes


@dataclass(frozen=True)
class Change:
    """Something done to the collection."""

    make: Callable[[ms.Collection, Path], object]
    """What is done; the folder holds masks to ingest."""

    def run(self, world: World, name: str, folder: Path) -> None:
        """Do it, through the proxy."""
        with world.open(name) as opened:
            self.make(opened, folder)


NEW = smooth(6, 33, 20, seed=7)


def append(opened: ms.Collection, folder: Path) -> object:
    return opened.append(NEW, {"label": list("abcdef")})


def ingest(opened: ms.Collection, folder: Path) -> object:
    return opened.ingest(folder, threads=1)


def delete(opened: ms.Collection, folder: Path) -> object:
    return opened.delete("label = 'cat' AND mask_id < 20")


def compact(opened: ms.Collection, folder: Path) -> object:
    return opened.compact(threads=1)


CHANGES = {
    "append": Change(append),
    "ingest": Change(ingest),
    "delete": Change(delete),
    "compact": Change(compact),
}


def make_sources(folder: Path) -> None:
    """Write the masks that are ingested."""
    for number, mask in enumerate(smooth(5, 21, 30, seed=3)):
        np.save(folder / f"mask-{number}.npy", mask)
