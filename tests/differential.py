"""Hold the engine against the oracle on random collections and queries.

    python -m tests.differential --cases 10000 [--start 0] [--runtime ray] [--workers 2]

Every case builds a collection in memory (or a folder, for Ray), in a random number of segments and
with a random index, asks a random query of the whole grammar, and compares to the last bit.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

import masksearch_ray as ms
from masksearch_ray.runtime.local import LocalRuntime
from tests.oracle.compare import check
from tests.oracle.strategies import Case, random_cases

DOOMED = 10**9  # ids from here on are deleted before the first query
QUERIES = 8  # asked of each collection
_names = itertools.count()


@dataclass(frozen=True)
class Layout:
    """How a collection is laid out: what must not change an answer."""

    appends: int
    shards: int
    bins: int
    cell: int | None
    rois: Any
    use_index: bool
    deleted: int
    compact: bool

    @classmethod
    def of(cls, seed: int) -> Layout:
        rng = np.random.default_rng([seed, 17])
        return cls(
            appends=int(rng.integers(1, 5)),
            shards=int(rng.integers(1, 4)),
            bins=int(rng.choice([1, 2, 7, 20, 20, 20, 256])),
            cell=[None, None, 1, 3, 8, 16, 50][rng.integers(7)],
            rois=["auto", "auto", (), ("full_image",), ((1, 1, 9, 9), "full_image")][
                rng.integers(5)
            ],
            use_index=bool(rng.random() < 0.9),
            deleted=int(rng.choice([0, 0, 1, 5])),
            compact=bool(rng.random() < 0.2),
        )


def build(case: Case, layout: Layout, url: str, runtime: Any) -> ms.Collection:
    """The case's collection, laid out."""
    held = case.collection
    collection = ms.create(
        url,
        domain=held.domain,
        nan="keep" if held.nan == "keep" else "reject",
        cell=layout.cell,
        bins=layout.bins,
        rois=layout.rois,
        runtime=runtime,
    )
    table = held.table()
    cuts = np.linspace(0, len(held.masks), layout.appends + 1).astype(int)
    for start, stop in itertools.pairwise(cuts):
        if start < stop:
            collection.append(held.masks[start:stop], table.slice(start, stop - start))
            add_doomed(collection, case, table, layout.deleted)
    if layout.deleted:
        collection.delete("mask_id >= :doomed", doomed=DOOMED)
    if layout.compact:
        collection.compact()
    return collection


def add_doomed(collection: ms.Collection, case: Case, table: pa.Table, number: int) -> None:
    """Append rows that are deleted later: they must leave no trace in any answer."""
    at = [n % len(case.collection.masks) for n in range(number)]
    if at:
        ids = pa.array(range(DOOMED + len(collection), DOOMED + len(collection) + number))
        rows = table.take(at)
        rows = rows.set_column(rows.schema.get_field_index("mask_id"), "mask_id", ids)
        collection.append([case.collection.masks[n] for n in at], rows)


def ask(collection: ms.Collection, use_index: bool, text: str, given: Any, roi: Any) -> pa.Table:
    """Ask one query."""
    return collection.sql(text, given, roi=roi, use_index=use_index, timeout=60).table


def run(seed: int, queries: int = QUERIES, runtime: Any = None, folder: str = "") -> Iterator[Case]:
    """Check the cases of a seed, one after another."""
    layout = Layout.of(seed)
    cases = list(random_cases(seed, queries))
    url = f"{folder}/{seed}" if folder else f"memory://differential-{next(_names)}"
    with build(cases[0], layout, url, runtime or LocalRuntime(layout.shards)) as collection:
        for case in cases:
            try:
                check(case, partial(ask, collection, layout.use_index), (ms.QueryError,))
            except BaseException as error:
                error.add_note(f"seed {seed}, {layout}\n{case!r}")
                raise
            yield case


def _span(seeds: range, runtime: str) -> tuple[int, list[str]]:
    done, wrong = 0, []
    with tempfile.TemporaryDirectory() as folder:
        shared = None
        if runtime == "ray":
            from masksearch_ray.runtime.ray import RayRuntime

            shared = RayRuntime()
        for seed in seeds:
            try:
                done += sum(1 for _ in run(seed, QUERIES, shared, folder if shared else ""))
            except Exception as error:
                done += 1
                notes = "\n".join(getattr(error, "__notes__", []))
                wrong.append(f"{type(error).__name__}: {error}\n{notes}")
        if shared is not None:
            shared.close()
    return done, wrong


def main() -> int:
    """Run many cases; exit status 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--runtime", choices=["local", "ray"], default="local")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--show", type=int, default=3)
    args = parser.parse_args()
    seeds = range(args.start, args.start + -(-args.cases // QUERIES))
    began, spans = time.perf_counter(), [seeds[i :: args.workers] for i in range(args.workers)]
    if args.workers == 1:
        results = [_span(seeds, args.runtime)]
    else:
        with ProcessPoolExecutor(args.workers) as pool:
            results = list(pool.map(_span, spans, [args.runtime] * args.workers))
    wrong = [text for _, texts in results for text in texts]
    for text in wrong[: args.show]:
        print(text, "\n", file=sys.stderr)
    done = sum(count for count, _ in results)
    seconds = time.perf_counter() - began
    print(f"{done} cases, {len(wrong)} wrong, {seconds:.0f} s ({args.runtime} runtime)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
