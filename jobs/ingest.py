"""Copy masks into a collection by the workers of a Ray cluster, from within it.

ray job submit --working-dir . -- python jobs/ingest.py --collection s3://b/maps --source s3://b/in

The collection is created if there is none. A job that was stopped or died is continued by the same
command, which adds nothing twice.
Exit status: 0, 2 where the input cannot be taken, 1 where carrying it out failed, 130 when stopped.
"""

from __future__ import annotations

import argparse
import sys

from masksearch_ray.cli.build import low_high, report_lines, row_arguments
from masksearch_ray.cli.fresh import Creation, opened_or_created
from masksearch_ray.cli.options import RuntimeName
from masksearch_ray.model.text import count
from masksearch_ray.session.job import ProgressLines, log, run_job


def arguments() -> argparse.Namespace:
    """Read the command line; `masksearch ingest --help` says more of each option."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--collection", required=True, metavar="URL", help="s3://…, or a folder all nodes share")
    add("--source", required=True, metavar="URL", help="folder, prefix, Zarr array, Parquet files")
    add("--metadata", action="append", default=[], metavar="FILE", help="joined by file name")
    add("--on", metavar="COLUMN", help="the metadata's column of file names")
    add("--box", action="append", default=[], metavar="NAME=FROM", help="a column of boxes")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a constant column")
    add("--images", metavar="FOLDER", help="the images, found by the masks' names")
    add("--column", metavar="NAME", help="column or array that holds the masks")
    add("--key", metavar="COLUMN", help="column of a table that names the masks")
    add("--dtype", choices=["float16", "float32"], help="round masks of other floats")
    add("--domain", metavar="LOW,HIGH", help="of a new collection: range of pixels")
    add("--nan", choices=["reject", "keep"], help="of a new collection: whether it may hold NaN")
    add("--storage-option", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def ingest(args: argparse.Namespace) -> None:
    """Add the masks, and say how it went."""
    storage, creation = args.storage_option, Creation(low_high(args.domain), args.nan)
    given = (args.metadata, args.on, args.box, args.images, args.set)
    rows = row_arguments(args.source, *given, storage)
    rows |= {"column": args.column, "key": args.key, "dtype": args.dtype}
    where = opened_or_created(args.collection, storage, creation, RuntimeName.ray)
    with where as collection, ProgressLines() as lines:
        report = collection.ingest(args.source, progress=lines, **rows)
    facts, remarks = report_lines(report)
    log(*facts, *remarks)
    log(f"by {count(report.workers, 'worker')} of {count(report.nodes, 'node')}")


if __name__ == "__main__":
    args = arguments()
    sys.exit(run_job(lambda: ingest(args)))
