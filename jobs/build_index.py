"""Let the index of a collection know more regions or finer bins, by the workers of a Ray cluster.

ray job submit --working-dir . -- python jobs/build_index.py --collection s3://b/maps --bins 256

What is there already is not built again, so the same command continues a job that was stopped.
Exit status: 0, 2 where the input cannot be taken, 1 where carrying it out failed, 130 when stopped.
"""

from __future__ import annotations

import argparse
import sys

import masksearch_ray as ms
from masksearch_ray.cli.care import bins_of
from masksearch_ray.cli.parse import box_or_text, named_values
from masksearch_ray.model.text import count, size
from masksearch_ray.session.job import ProgressLines, log, run_job

ROI = "x0,y0,x1,y1, a column of boxes, or any region of SQL; else the full image and all boxes"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--collection", required=True, metavar="URL", help="s3://…, or a folder all nodes share")
    add("--roi", action="append", default=[], metavar="REGION", help=ROI)
    add("--bins", metavar="N|quantiles", help="in place of the collection's; 256 for uint8 masks")
    add("--storage-option", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def build_index(args: argparse.Namespace) -> None:
    """Build what is lacking, and say how much that was."""
    options = named_values(args.storage_option, "--storage-option")
    rois = [box_or_text(text) for text in args.roi] or "auto"
    where = ms.open(args.collection, runtime="ray", storage_options=options)
    with where as collection, ProgressLines() as lines:
        report = collection.build_index(rois, bins_of(args.bins), progress=lines)
    built = f"built for {report.built:,} of {count(report.segments, 'segment')}"
    log(f"{built}, {size(report.bytes)}")
    log(f"by {count(report.workers, 'worker')} of {count(report.nodes, 'node')}")


if __name__ == "__main__":
    args = arguments()
    sys.exit(run_job(lambda: build_index(args)))
