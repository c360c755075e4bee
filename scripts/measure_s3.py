"""Measure how fast several S3 clients read ranges, as a table in Markdown.

    eval "$(scripts/s3-server start)"; .venv/bin/python scripts/measure_s3.py

All clients read the same ranges of the same object, one client after another in every round, so
that a noisy moment hits them alike; the median of the rounds is shown.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import boto3
import pyarrow.fs
import s3fs
from botocore.config import Config

from masksearch_ray.storage import open_storage

KIB, MIB = 1024, 1024 * 1024
OBJECT = 256 * MIB
THREADS = 16

Span = tuple[int, int]
Read = Callable[[Sequence[Span]], int]


@dataclass(frozen=True)
class Workload:
    """Ranges that are asked for at once."""

    name: str
    ranges: int
    size: int
    callers: int = 1
    """Threads that share them out, each asking for its own part."""

    def spans(self, chance: random.Random) -> list[Span]:
        """Draw ranges too far from one another to share a request."""
        cell = OBJECT // self.ranges
        starts = (place * cell + chance.randrange(cell // 4) for place in range(self.ranges))
        found = [(start, start + min(self.size, cell // 4)) for start in starts]
        chance.shuffle(found)
        return found


WORKLOADS = [
    Workload("1 × 4 KiB", 1, 4 * KIB),
    Workload("16 × 4 KiB", 16, 4 * KIB),
    Workload("256 × 16 KiB", 256, 16 * KIB),
    Workload("256 × 16 KiB by 8 callers", 256, 16 * KIB, callers=8),
    Workload("64 × 1 MiB", 64, MIB),
    Workload("16 × 4 MiB", 16, 4 * MIB),
]


def clients(bucket: str, key: str) -> Iterator[tuple[str, Read]]:
    """Make every client, each reading as its makers advise."""
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    files = s3fs.S3FileSystem(endpoint_url=endpoint, use_listings_cache=False)
    path = f"{bucket}/{key}"

    def by_s3fs(spans: Sequence[Span]) -> int:
        starts, stops = zip(*spans, strict=True)
        return sum(map(len, files.cat_ranges([path] * len(spans), list(starts), list(stops))))

    yield "s3fs", by_s3fs
    scheme, _, host = endpoint.partition("://")
    arrow = pyarrow.fs.S3FileSystem(endpoint_override=host, scheme=scheme, region="us-east-1")
    file = arrow.open_input_file(path)
    pool = ThreadPoolExecutor(THREADS)

    def by_arrow(spans: Sequence[Span]) -> int:
        return sum(pool.map(lambda span: len(file.read_at(span[1] - span[0], span[0])), spans))

    yield "pyarrow", by_arrow
    client = boto3.client("s3", config=Config(max_pool_connections=64))

    def by_botocore(spans: Sequence[Span]) -> int:
        def read(span: Span) -> int:
            found = client.get_object(
                Bucket=bucket, Key=key, Range=f"bytes={span[0]}-{span[1] - 1}"
            )
            return len(found["Body"].read())

        return sum(pool.map(read, spans))

    yield "botocore in threads", by_botocore
    storage = open_storage(f"s3://{bucket}", {"endpoint_url": endpoint})
    yield "masksearch_ray", lambda spans: sum(map(len, storage.get_ranges(key, spans)))


def measure(read: Read, load: Workload, chance: random.Random) -> float:
    """Seconds that one client takes."""
    spans = load.spans(chance)
    parts = [spans[place :: load.callers] for place in range(load.callers)]
    began = time.perf_counter()
    if load.callers == 1:
        got = read(spans)
    else:
        with ThreadPoolExecutor(load.callers) as pool:
            got = sum(pool.map(read, parts))
    seconds = time.perf_counter() - began
    if got != sum(stop - start for start, stop in spans):
        raise RuntimeError("a client returned too little")
    return seconds


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    if "AWS_ENDPOINT_URL_S3" not in os.environ:
        print('no server: eval "$(scripts/s3-server start)" first', file=sys.stderr)
        return 1
    bucket, key = os.environ["MASKSEARCH_S3_BUCKET"], "measure/object"
    open_storage(f"s3://{bucket}").put(key, random.Random(0).randbytes(MIB) * (OBJECT // MIB))
    made = dict(clients(bucket, key))
    print("| ranges at once | " + " | ".join(made) + " |")
    print("|---|" + "---|" * len(made))
    for load in WORKLOADS:
        times: dict[str, list[float]] = {name: [] for name in made}
        for turn in range(args.rounds + 1):
            for name, read in made.items():
                times[name].append(measure(read, load, random.Random(turn)))
        cells = (_cell(statistics.median(seconds[1:]), load) for seconds in times.values())
        print(f"| {load.name} | " + " | ".join(cells) + " |", flush=True)
    return 0


def _cell(seconds: float, load: Workload) -> str:
    rate = load.ranges * load.size / seconds / MIB
    return f"{seconds * 1e3:.1f} ms" + (f" ({rate:.0f} MiB/s)" if rate > 20 else "")


if __name__ == "__main__":
    sys.exit(main())
