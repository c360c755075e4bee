"""Ask a query on a Ray cluster, from within it.

ray job submit --working-dir . -- python jobs/query.py --collection s3://b/maps --sql "SELECT …"

The answer goes to standard output, which is in the job's log, or by --output to a Parquet file.
Exit status: 0, 2 where the input cannot be taken, 1 where carrying it out failed, 130 when stopped.
"""

from __future__ import annotations

import argparse
import sys

import masksearch_ray as ms
from masksearch_ray.cli.output import Destination, emit
from masksearch_ray.cli.parse import box_or_text, named_values
from masksearch_ray.cli.query import statement_text, stats_line, workers_line
from masksearch_ray.session.export import ParquetTarget
from masksearch_ray.session.job import log, run_job


def arguments() -> argparse.Namespace:
    """Read the command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    add = parser.add_argument
    add("--collection", required=True, metavar="URL", help="s3://…, or a folder all nodes share")
    add("--sql", required=True, metavar="SQL", help="the query; @FILE reads it from a file")
    add("--param", action="append", default=[], metavar="NAME=VALUE", help="value of :NAME")
    add("--roi", metavar="REGION", help="what roi means: x0,y0,x1,y1, a column, or SQL")
    add("--timeout", type=float, metavar="SECONDS", help="give up after so long")
    add("--keep-alive", type=float, metavar="SECONDS", help="let idle workers stay so long")
    add("--workers", type=int, metavar="N", help="workers to ask for, at most one a segment")
    add("--memory", type=int, metavar="BYTES", help="to ask Ray for, for each worker")
    add("--output", metavar="URL", help="write the answer there, as .parquet")
    add("--rows", type=int, default=100, metavar="N", help="rows that are printed, 0 for all")
    add("--storage-option", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def query(args: argparse.Namespace) -> None:
    """Ask, and hand over the answer."""
    options = named_values(args.storage_option, "--storage-option")
    target = ParquetTarget(args.output, options) if args.output else None
    text, roi = statement_text(args.sql), None if args.roi is None else box_or_text(args.roi)
    ray = {name: getattr(args, name) for name in ("keep_alive", "workers", "memory")}
    with ms.open(args.collection, "ray", storage_options=options, **ray) as c:
        found = c.sql(text, named_values(args.param, "--param"), roi=roi, timeout=args.timeout)
        if target is None:
            emit(found.table, Destination(rows=args.rows))
        else:
            target.write(found.table)
            log(f"{found.table.num_rows:,} rows written to {target.url}")
        log(stats_line(found.stats), workers_line(found.stats))


if __name__ == "__main__":
    args = arguments()
    sys.exit(run_job(lambda: query(args)))
