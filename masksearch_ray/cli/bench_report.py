"""What queries on a cluster took, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from masksearch_ray.cli.options import Format
from masksearch_ray.cli.output import Destination, emit, say, show_table
from masksearch_ray.model.text import count, duration, percent, size

if TYPE_CHECKING:
    import pyarrow as pa

    from masksearch_ray.bench import BenchReport, Spread

__all__ = ["show_report"]

_COLUMNS = ("query", "rows", "verified", "KB", "first", "ms", "NumPy ms", "ratio")


def show_report(report: BenchReport, destination: Destination) -> None:
    """Print what was measured, or write its table where it is wanted."""
    for line in _told(report):
        say(line)
    if destination.chosen is Format.table and destination.file is None:
        show_table(_COLUMNS, _rows(report), right=(4, 5, 6))
        print(_legend(report))
    else:
        emit(_table(report), destination)


def _told(report: BenchReport) -> list[str]:
    options = report.options
    shape = f"{options.side} x {options.side} uint8"
    per_mask = report.bounds_seconds / options.masks
    return [
        f"{count(options.masks, 'mask')} of {shape}, seed {options.seed}, "
        f"runtime {options.runtime}, {count(options.repeats, 'repeat')}",
        f"ingest: {duration(report.ingest_seconds)}, "
        f"{options.masks / report.ingest_seconds:,.0f} masks/s; "
        f"{size(report.raw_bytes)} as given",
        f"stored: pixels {size(report.pixel_bytes)}, index "
        f"{size(report.index_bytes)} ({percent(report.index_bytes, report.pixel_bytes)} of them)",
        f"a query for the bounds of all masks: {duration(report.bounds_seconds)}, "
        f"{1e9 * per_mask:,.0f} ns a mask",
        "every answer equals NumPy's",
    ]


def _legend(report: BenchReport) -> str:
    return (
        "\nfirst: ms of the first query, with nothing in memory; verified: rows of which it"
        "\nread pixels; KB: all that it read"
        f"\nms, NumPy ms: median (smallest–largest) of {count(report.options.repeats, 'run')}"
        "\nratio: NumPy's median by the engine's; above 1 the engine is quicker"
    )


def _rows(report: BenchReport) -> list[tuple[object, ...]]:
    return [
        (
            query.name,
            query.rows,
            query.verified,
            round(query.bytes_read / 1000),
            _milliseconds(query.first),
            _spread(query.engine),
            _spread(query.numpy),
            round(query.ratio, 1),
        )
        for query in report.queries
    ]


def _spread(times: Spread) -> str:
    median, low, high = map(_milliseconds, (times.median, times.low, times.high))
    return f"{median} ({low}–{high})"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.{0 if seconds >= 0.01 else 1}f}"


def _table(report: BenchReport) -> pa.Table:
    import pyarrow as pa

    queries = report.queries
    milliseconds = {
        "first ms": [q.first for q in queries],
        "median ms": [q.engine.median for q in queries],
        "min ms": [q.engine.low for q in queries],
        "max ms": [q.engine.high for q in queries],
        "numpy median ms": [q.numpy.median for q in queries],
        "numpy min ms": [q.numpy.low for q in queries],
        "numpy max ms": [q.numpy.high for q in queries],
    }
    return pa.table(
        {
            "query": [q.name for q in queries],
            "rows": [q.rows for q in queries],
            "verified": [q.verified for q in queries],
            "KB read": [round(q.bytes_read / 1000, 1) for q in queries],
            **{name: [round(1000 * s, 3) for s in times] for name, times in milliseconds.items()},
            "ratio": [round(q.ratio, 1) for q in queries],
        }
    )
