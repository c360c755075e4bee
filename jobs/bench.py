"""Time queries on a Ray cluster, from within it, and compare their answers with NumPy's.

ray job submit --working-dir . -- python jobs/bench.py --collection s3://bucket/bench --masks 5000

Masks like saliency maps are drawn, and become a collection that must not be there yet and stays.
Exit status: 0, 2 where the input cannot be taken, 1 where carrying it out failed, 130 when stopped.
"""

from __future__ import annotations

import argparse
import sys

from masksearch_ray.bench import BenchOptions, run_bench
from masksearch_ray.cli.bench_report import show_report
from masksearch_ray.cli.options import Format
from masksearch_ray.cli.output import Destination
from masksearch_ray.cli.parse import named_values
from masksearch_ray.session.job import ProgressLines, run_job


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--collection", required=True, metavar="URL", help="where it is made: s3://…")
    add("--masks", type=int, default=500, metavar="N", help="masks to draw")
    add("--side", type=int, default=448, metavar="PIXELS", help="their height and width")
    add("--segments", type=int, default=16, metavar="N", help="parts, as workers share them out")
    add("--repeats", type=int, default=5, metavar="N", help="times each query is timed")
    add("--seed", type=int, default=0, metavar="N", help="the same seed draws the same masks")
    add("--workers", type=int, metavar="N", help="Ray workers to ask for, at most one a segment")
    add("--memory", type=int, metavar="BYTES", help="to ask Ray for, for each worker")
    add("--format", choices=[str(f) for f in Format if f is not Format.parquet], default="table")
    add("--storage-option", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def bench(args: argparse.Namespace) -> None:
    """Measure, and print what was measured."""
    options = BenchOptions(
        *(args.masks, args.side, args.repeats, args.seed),
        runtime="ray",
        url=args.collection,
        storage_options=named_values(args.storage_option, "--storage-option"),
        segments=args.segments,
        workers=args.workers,
        memory=args.memory,
    )
    with ProgressLines() as lines:
        report = run_bench(options, lines)
    show_report(report, Destination(Format(args.format)))


if __name__ == "__main__":
    args = arguments()
    sys.exit(run_job(lambda: bench(args)))
