"""Scale in one go: constants measured, costs computed, the coordinator simulated; as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from masksearch_ray.bench.cost_model import Constants, Cost, Prices, Setting, costs, first_limits
from masksearch_ray.bench.documents import (
    filled,
    told_bytes,
    told_count,
    told_seconds,
    told_table,
)
from masksearch_ray.bench.measure import ManifestSize, measure, measure_manifests, with_scale
from masksearch_ray.bench.simulate import SimulatedRun, SimulateOptions, saturation, simulate
from masksearch_ray.errors import InputError
from masksearch_ray.model.progress import Progress, silent
from masksearch_ray.render import Chart, Curve, chart_png

__all__ = [
    "ScaleOptions",
    "ScaleReport",
    "chart_of",
    "check_document",
    "run_scale",
    "tables",
    "write_docs",
]

CHART = "images/scale.png"
_MASKS = tuple(10**power for power in range(6, 11))


@dataclass(frozen=True)
class ScaleOptions:
    """What is measured and simulated.

    Parameters
    ----------
    masks, side : int
        Masks that are ingested to measure constants, and their height and width.
    manifests : tuple of int
        Segments of the manifests that are measured.
    simulation : SimulateOptions
    prices : Prices
    setting : Setting
    """

    masks: int = 1024
    side: int = 448
    manifests: tuple[int, ...] = (244, 2441, 24_414)
    simulation: SimulateOptions = field(default_factory=SimulateOptions)
    prices: Prices = field(default_factory=Prices)
    setting: Setting = field(default_factory=Setting)


@dataclass(frozen=True)
class ScaleReport:
    """What was found.

    Parameters
    ----------
    options : ScaleOptions
    known : Constants
    manifests : tuple of ManifestSize
    runs : tuple of SimulatedRun
    costs : tuple of Cost
        From 1 M to 10 B masks.
    """

    options: ScaleOptions
    known: Constants
    manifests: tuple[ManifestSize, ...]
    runs: tuple[SimulatedRun, ...]
    costs: tuple[Cost, ...]


def run_scale(options: ScaleOptions, progress: Progress = silent) -> ScaleReport:
    """Measure, simulate, compute.

    Raises
    ------
    FailedError
        A simulated answer differs from NumPy's.
    """
    known, manifest = measure(options.masks, options.side, progress)
    manifests = tuple(measure_manifests(manifest, options.manifests))
    runs = tuple(simulate(options.simulation, progress))
    known = with_scale(known, manifests, runs)
    found = tuple(costs(masks, known, options.prices, options.setting) for masks in _MASKS)
    return ScaleReport(options, known, manifests, runs, found)


def tables(report: ScaleReport) -> Mapping[str, str]:
    """Tables in Markdown, by the name of the place that they fill."""
    return {
        "constants": _constants(report.known),
        "parameters": _parameters(report.options),
        "costs": _costs(report.costs),
        "manifests": _manifests(report.manifests),
        "coordinator": _coordinator(report.runs),
        "saturation": _saturation(report.runs),
    }


def check_document(docs: Path) -> Path:
    """Where the document of a folder lies.

    Raises
    ------
    InputError
        There is none.
    """
    document = docs / "scale.md"
    if not document.is_file():
        raise InputError(f"{document}: no such file, whose tables would be filled in")
    return document


def write_docs(report: ScaleReport, docs: Path) -> None:
    """Fill in ``scale.md`` of a folder of documents, and draw its chart.

    Raises
    ------
    InputError
        There is none, or it has no places for the tables.
    """
    document = check_document(docs)
    text = filled(document.read_text(encoding="utf-8"), tables(report))
    (docs / CHART).parent.mkdir(exist_ok=True)
    (docs / CHART).write_bytes(chart_of(report.runs))
    document.write_text(text, encoding="utf-8")


def chart_of(runs: Sequence[SimulatedRun]) -> bytes:
    """Seconds of the coordinator and microseconds a shard over shards, as PNG."""
    whole, each = [], []
    fans = sorted({run.fan for run in runs})
    for question in dict.fromkeys(run.question for run in runs):
        for fan in fans:
            some = [run for run in runs if (run.question, run.fan) == (question, fan)]
            if not some:
                continue
            name = question if fan == 1 else f"… combined by {fan}"
            at = [run.shards for run in some]
            whole.append(Curve(name, at, [run.busy for run in some], fan > 1))
            each.append(Curve(name, at, [1e6 * run.a_shard for run in some], fan > 1))
    return chart_png(
        [
            Chart("Coordinator busy, with Ray's calls", "shards", "seconds", whole),
            Chart("Its own work", "shards", "µs a shard", each),
        ]
    )


def _constants(known: Constants) -> str:
    return told_table(
        [f"on {known.masks:,} masks of {known.side} × {known.side} uint8", "value"],
        [
            ["pixels, bytes a mask", f"{known.pixels:,.0f}"],
            ["index, bytes a mask", f"{known.index:,.0f}"],
            ["metadata, bytes a mask (one box column)", f"{known.metadata:,.1f}"],
            [
                "memory of the worker, bytes a mask, if all of the index is kept",
                f"{known.memory:,.0f}",
            ],
            ["ingest, CPU ms a mask", f"{1e3 * known.ingest:,.2f}"],
            [
                "bounds from memory, CPU µs a mask (many masks of 64 × 64)",
                f"{1e6 * known.bound:,.3f}",
            ],
            ["cold query, bytes of index a mask", f"{known.cold_bytes:,.0f}"],
            ["cold query, GETs of index a segment", f"{known.cold_requests:,.1f}"],
            ["masks of which a filter for 1 % reads pixels", f"{100 * known.verified:,.1f} %"],
            ["GETs a mask read", f"{known.verify_requests:,.2f}"],
            ["bytes a mask read", f"{known.verify_bytes:,.0f}"],
            ["manifest, bytes a segment", f"{known.entry:,.0f}"],
            ["manifest, CPU µs a segment to read and cut it", f"{1e6 * known.entry_open:,.0f}"],
            ["coordinator in a top-k, µs a shard, Ray's calls in it", f"{1e6 * known.shard:,.0f}"],
        ],
    )


def _parameters(options: ScaleOptions) -> str:
    prices, setting = options.prices, options.setting
    return told_table(
        ["parameter", "example"],
        [
            ["storage, a GB and month", f"{prices.storage:g}"],
            ["1,000 GETs", f"{prices.gets:g}"],
            ["1,000 PUTs", f"{prices.puts:g}"],
            ["a node and hour", f"{prices.node:g}"],
            ["masks a segment", f"{setting.segment_rows:,}"],
            ["masks a shard", f"{setting.shard_rows:,}"],
            ["cores a node", f"{setting.cores:,}"],
            ["memory for workers a node", told_bytes(setting.memory)],
            ["read from object storage a node and second", told_bytes(setting.bandwidth)],
        ],
    )


def _costs(found: Sequence[Cost]) -> str:
    lines = [
        ("stored", [told_bytes(c.stored) for c in found]),
        ("of which index", [told_bytes(c.index) for c in found]),
        ("segments", [f"{c.segments:,}" for c in found]),
        ("manifest", [told_bytes(c.manifest) for c in found]),
        ("open: read and cut the manifest", [told_seconds(c.open_seconds) for c in found]),
        ("nodes, whole index in memory", [f"{c.nodes:,}" for c in found]),
        ("shards", [f"{c.shards:,}" for c in found]),
        ("ingest, core-hours", [f"{c.ingest_core_hours:,.1f}" for c in found]),
        ("cold query: GETs", [told_count(c.cold_gets) for c in found]),
        ("cold query: bytes", [told_bytes(c.cold_bytes) for c in found]),
        ("cold query: time by bandwidth", [told_seconds(c.cold_seconds) for c in found]),
        ("warm query: GETs of pixels", [told_count(c.warm_gets) for c in found]),
        ("warm query: time of bounds", [told_seconds(c.warm_seconds) for c in found]),
        ("top-k: coordinator busy", [told_seconds(c.coordinator_seconds) for c in found]),
        ("money: storage a month", [f"{c.storage_month:,.2f}" for c in found]),
        ("money: ingest", [f"{c.ingest_money:,.2f}" for c in found]),
        ("money: GETs of a cold query", [f"{c.cold_money:,.4f}" for c in found]),
        ("money: nodes that never sleep, a month", [f"{c.nodes_month:,.0f}" for c in found]),
        ("longer than 1 s, longest first", ["; ".join(first_limits(c)) or "–" for c in found]),
    ]
    return told_table(
        ["", *(told_count(c.masks) + " masks" for c in found)],
        [[name, *row] for name, row in lines],
    )


def _manifests(found: Sequence[ManifestSize]) -> str:
    rows = [
        [
            f"{m.segments:,}",
            f"{m.segments * 4096 / 1e6:,.0f} M",
            told_bytes(m.bytes),
            told_seconds(m.write),
            told_seconds(m.open),
            told_seconds(m.cut),
        ]
        for m in found
    ]
    header = ["segments", "masks, 4,096 each", "manifest", "write", "read", "cut into shards"]
    return told_table(header, rows)


def _coordinator(runs: Sequence[SimulatedRun]) -> str:
    rows = [
        [
            run.question,
            f"{run.shards:,}",
            "–" if run.fan == 1 else str(run.fan),
            f"{run.rows:,}",
            str(run.round_trips),
            told_seconds(run.workers),
            told_seconds(run.elapsed),
            told_seconds(run.coordinator),
            f"{1e6 * run.a_shard:,.0f}",
            told_seconds(run.transport),
            f"{run.messages:,}",
            told_bytes(run.bytes_in),
        ]
        for run in runs
    ]
    header = [
        "query", "shards", "combined by", "rows", "trips", "shards' time", "whole", "coordinator",
        "µs a shard", "Ray's calls", "messages", "bytes in",
    ]  # fmt: skip
    return told_table(header, rows)


def _saturation(runs: Sequence[SimulatedRun]) -> str:
    fans = sorted({run.fan for run in runs})
    most = max(run.shards for run in runs)
    rows = []
    for question in dict.fromkeys(run.question for run in runs):
        at = [saturation(runs, question, fan) for fan in fans]
        rows.append([question, *(f"above {most:,}" if n is None else f"{n:,}" for n in at)])
    names = ["each shard by itself" if fan == 1 else f"combined by {fan}" for fan in fans]
    return told_table(["the coordinator is the limit from … shards", *names], rows)
