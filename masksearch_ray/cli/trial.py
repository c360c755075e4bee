"""``demo`` and ``bench``."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masksearch_ray.cli.help import add_command
from masksearch_ray.cli.options import (
    Address,
    Format,
    OutputFile,
    OutputFormat,
    RuntimeName,
    RuntimeOption,
)
from masksearch_ray.cli.output import Destination, emit, say, show_table
from masksearch_ray.cli.progress import progress
from masksearch_ray.errors import InputError
from masksearch_ray.model.text import count, duration, percent, size

if TYPE_CHECKING:
    import pyarrow as pa

    from masksearch_ray.bench import BenchReport, Spread
    from masksearch_ray.demo import Ending, Step

__all__ = ["add_to", "show_report"]

_GROUP = "Try it"
_COLUMNS = ("query", "rows", "verified", "KB", "first", "ms", "NumPy ms", "ratio")

Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where collection and picture go.")
]
Made = Annotated[
    str | None,
    typer.Option("--collection", metavar="URL", help="Make the collection here, as on s3://…."),
]
Masks = Annotated[int, typer.Option(metavar="N", min=1, help="Masks to draw.")]
Side = Annotated[int, typer.Option(metavar="PIXELS", min=16, help="Their height and width.")]
Repeats = Annotated[int, typer.Option(metavar="N", min=1, help="Times each query is timed.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="The same seed draws the same masks.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app, demo, _GROUP, "masksearch demo", "masksearch demo --runtime local --out trial/"
    )
    add_command(
        app,
        bench,
        _GROUP,
        "masksearch bench",
        "masksearch bench --masks 2000 --output bench.csv",
    )


def demo(
    out: Out = Path("demo-out"),
    runtime: RuntimeOption = RuntimeName.ray,
    address: Address = None,
    collection: Made = None,
) -> None:
    """Find out by SQL what a model learnt wrongly.

    Two classifiers learn to read digits, one of them from images of which one class carries a
    mark. Where both look in every image becomes a collection, and five queries find the mark.
    """
    # Its modules import scikit-learn late, when a folder is made already.
    if find_spec("sklearn") is None:
        raise InputError("the demonstration needs scikit-learn: pip install 'masksearch-ray[demo]'")
    from masksearch_ray.demo import Ending, Step, run_demo

    began = time.perf_counter()
    for part in run_demo(out, runtime.value, address=address, collection=collection):
        match part:
            case Step():
                _show_step(part)
            case Ending():
                _show_ending(part)
            case _:
                print(_wrapped(part), flush=True)
    print(f"\nTook {duration(time.perf_counter() - began)}.")


def _show_step(step: Step) -> None:
    stats = step.stats
    print(f"\n== {step.question.title}\n{_wrapped(step.question.asked)}\n")
    print(textwrap.indent(step.question.sql, "    "), end="\n\n")
    emit(step.table, Destination())
    print(f"\n{_wrapped(f'-> {step.note}', '   ')}")
    print(
        f"   {duration(stats.seconds)}; the index decided "
        f"{count(stats.rows_decided_by_index)} of {count(stats.rows_selected, 'row')}; read: "
        f"{count(stats.tiles_read)} of {count(stats.tiles_total, 'tile')}, "
        f"{size(stats.bytes_read)}",
        flush=True,
    )


def _wrapped(sentence: str, indent: str = "") -> str:
    """Break a sentence between words where a terminal would break it anywhere."""
    if not sys.stdout.isatty():
        return sentence
    width = shutil.get_terminal_size().columns
    return textwrap.fill(sentence, width, subsequent_indent=indent)


def _show_ending(ending: Ending) -> None:
    print()
    for sentence in (str(ending.finding), ending.read, ending.check):
        print(_wrapped(sentence))
    print(f"\nPicture:    {ending.picture}\nCollection: {ending.collection}")


def bench(
    masks: Masks = 500,
    side: Side = 448,
    repeats: Repeats = 5,
    seed: Seed = 0,
    runtime: RuntimeOption = RuntimeName.local,
    address: Address = None,
    format: OutputFormat = None,
    output: OutputFile = None,
) -> None:
    """Time queries on saliency-like masks, and NumPy beside them.

    Answers are compared. NumPy has all masks in memory; the engine's first query has nothing in
    memory, the later ones what the first has read. Times are medians with their smallest and
    largest. The ratio is NumPy's median by the engine's: 2 means that NumPy takes twice as long,
    0.5 that it takes half as long.
    """
    from masksearch_ray.bench import BenchOptions, run_bench

    destination = Destination(format, output)
    destination.chosen  # noqa: B018 - refuse a wrong destination before the work
    options = BenchOptions(masks, side, repeats, seed, runtime.value, address)
    with progress() as bar:
        report = run_bench(options, bar)
    show_report(report, destination)


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
