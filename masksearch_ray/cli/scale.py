"""``scale``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masksearch_ray.cli.help import add_command, option
from masksearch_ray.cli.options import OutputFile, OutputFormat
from masksearch_ray.cli.output import Destination, emit, say
from masksearch_ray.cli.progress import progress

if TYPE_CHECKING:
    import pyarrow as pa

    from masksearch_ray.bench.scale import ScaleReport

__all__ = ["add_to"]

_TEST = "Simulation"
_MONEY = "Prices and nodes"

Shards = Annotated[
    list[int] | None,
    option("--shards", group=_TEST, metavar="N", min=1, help="How many; may be given repeatedly."),
]
Combine = Annotated[
    int,
    typer.Option(
        metavar="N", min=2, rich_help_panel=_TEST, help="Shards whose answers are combined."
    ),
]
Masks = Annotated[
    int, typer.Option(metavar="N", min=16, help="Masks to ingest, to measure constants on.")
]
Side = Annotated[int, typer.Option(metavar="PIXELS", min=16, help="Their height and width.")]
Segments = Annotated[
    int, typer.Option(metavar="N", min=100, help="Segments of the largest manifest measured.")
]
Write = Annotated[
    Path | None,
    option("--write", metavar="FOLDER", help="Fill in the tables of FOLDER/scale.md, draw charts."),
]


def _price(what: str) -> object:
    return typer.Option(metavar="MONEY", min=0.0, rich_help_panel=_MONEY, help=what)


Storage = Annotated[float, _price("A GB stored for a month.")]
Gets = Annotated[float, _price("1,000 GETs.")]
Puts = Annotated[float, _price("1,000 PUTs.")]
Node = Annotated[float, _price("A node for an hour.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        scale,
        "Try it",
        "masksearch scale --shards 10 --shards 1000",
        "masksearch scale --write docs",
    )


def scale(
    shards: Shards = None,
    combine: Combine = 16,
    masks: Masks = 1024,
    side: Side = 448,
    segments: Segments = 24_414,
    storage_price: Storage = 0.023,
    get_price: Gets = 0.0004,
    put_price: Puts = 0.005,
    node_price: Node = 1.0,
    write: Write = None,
    format: OutputFormat = None,
    output: OutputFile = None,
) -> None:
    """Show what 1 million to 10 billion masks cost, and when the coordinator is the limit.

    Some masks are ingested and queried to measure constants. The real coordinator then answers
    queries of simulated shards, 1 to 10,000 of them, whose answers are compared with NumPy's. All
    of it takes some 10 minutes. The table shows the simulated queries.
    """
    from masksearch_ray.bench.cost_model import Prices
    from masksearch_ray.bench.scale import ScaleOptions, check_document, run_scale, write_docs
    from masksearch_ray.bench.simulate import SimulateOptions

    destination = Destination(format, output)
    destination.chosen  # noqa: B018 - refuse a wrong destination before the work
    simulation = SimulateOptions(fans=(1, combine))
    if shards:
        simulation = SimulateOptions(shards=tuple(shards), fans=(1, combine))
    options = ScaleOptions(
        masks=masks,
        side=side,
        manifests=tuple(sorted({max(1, segments // 100), max(1, segments // 10), segments})),
        simulation=simulation,
        prices=Prices(storage_price, get_price, put_price, node_price),
    )
    if write is not None:
        check_document(write)
    with progress() as bar:
        report = run_scale(options, bar)
    say("every answer equals NumPy's")
    if write is not None:
        write_docs(report, write)
        say(f"written: {write / 'scale.md'} and its chart")
    emit(_table(report), destination)


def _table(report: ScaleReport) -> pa.Table:
    import pyarrow as pa

    runs = report.runs
    return pa.table(
        {
            "query": [r.question for r in runs],
            "shards": [r.shards for r in runs],
            "combined by": [r.fan for r in runs],
            "rows": [r.rows for r in runs],
            "round trips": [r.round_trips for r in runs],
            "shards s": [round(r.workers, 3) for r in runs],
            "whole s": [round(r.elapsed, 3) for r in runs],
            "coordinator ms": [round(1e3 * r.coordinator, 2) for r in runs],
            "us a shard": [round(1e6 * r.a_shard, 1) for r in runs],
            "Ray ms": [round(1e3 * r.transport, 1) for r in runs],
            "messages": [r.messages for r in runs],
            "KB in": [round(r.bytes_in / 1000) for r in runs],
        }
    )
