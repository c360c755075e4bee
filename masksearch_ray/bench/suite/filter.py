"""Section: filters, and what a query takes beside its work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from masksearch_ray.bench.contenders import Measured
from masksearch_ray.bench.decoding import run_decoding
from masksearch_ray.bench.documents import told_seconds, told_table
from masksearch_ray.bench.others import run_duckdb, run_zarr
from masksearch_ray.bench.questions import RANGES, Question, filters
from masksearch_ray.bench.suite.report import (
    Section,
    Target,
    floors,
    limit,
    measured_of,
    ratio,
    times_table,
)
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure"]

OURS = "engine, pixels on disk"
RESIDENT = "engine, pixels in memory"
NAMED = "engine, ROI named at ingest"
ON_RAY = "engine, on Ray"
IN_MEMORY = "NumPy, masks in memory"
MAPPED = "NumPy, mapped file"
NUMBA = "numba, masks in memory"
DECODING = "NumPy, decoding the same tiles"
_RESIDENT_BYTES = 2**30
_DUCKDB_MASKS, _ZARR_MASKS = 300, 2048


def measure(setting: Setting) -> Section:
    """Filters over one model's masks: every region, range and threshold."""
    asked = filters(setting.dataset)
    one = [q for q in asked if q.name.endswith(" 1 %")]
    main, constant = one[0], one[: len(RANGES)]
    empty = _nearly_empty(main)
    *disk, overhead = setting.ask(OURS, [*asked, empty], setting.first)
    resident = setting.ask(RESIDENT, one, setting.first, pixel_bytes=_RESIDENT_BYTES)
    named = setting.ask(NAMED, constant, url=setting.named)
    others = _others(setting, asked, one, main)
    ours = [*resident, *disk, *named]
    known = floors(setting, asked, [*ours, *others])
    targets = [
        _target(known, main, resident, others, IN_MEMORY, 60),
        _target(known, main, disk, others, IN_MEMORY, 30),
        _target(known, main, disk, others, DECODING, 500),
        _target(known, main, named, others, IN_MEMORY, 100),
        _overhead("threads of this process", overhead, 0.002),
    ]
    if setting.options.ray:
        on_ray = setting.ask(ON_RAY, [main, empty], setting.first, runtime="ray")
        targets.append(_overhead("Ray", on_ray[1], 0.005))
        ours.append(on_ray[0])
        known |= floors(setting, asked, on_ray[:1])
    else:
        targets.append(Target("overhead over the work itself, Ray", "<= 5 ms", "left out", None))
    tables = {
        "filter-times": times_table([q.name for q in one], ours, others, known),
        "filter-thresholds": _thresholds(asked, disk, others),
    }
    return Section("filter", tuple(targets), tables)


def _others(
    setting: Setting, asked: Sequence[Question], one: Sequence[Question], main: Question
) -> list[Measured]:
    """All contenders but the engine."""
    url, dataset = setting.collection, setting.dataset
    found = [
        *setting.scan(IN_MEMORY, "NumPy", asked, in_memory=True),
        *setting.scan(MAPPED, "NumPy", one, in_memory=False),
        *setting.scan(NUMBA, "numba", one, in_memory=True),
    ]
    setting.note(DECODING)
    found += setting.apart(run_decoding, DECODING, url, dataset, [main], 2)
    setting.note("DuckDB and Zarr")
    found.append(setting.apart(run_duckdb, "DuckDB", dataset, main, _DUCKDB_MASKS, 3))
    found.append(setting.apart(run_zarr, "Zarr and NumPy", dataset, main, _ZARR_MASKS, 3))
    return found


def _target(
    known: Mapping[tuple[str, str], float],
    question: Question,
    ours: Sequence[Measured],
    others: Sequence[Measured],
    who: str,
    wanted: float,
) -> Target:
    mine, other = measured_of(ours, question), measured_of(others, question, who)
    times = ratio(other, mine)
    return Target(
        f"filter, {question.name}: {mine.who}, against {who}",
        f">= {wanted:g} ×",
        f"{times:,.3g} × ({told_seconds(mine.times.median)})",
        times >= wanted,
        limit(known, mine),
    )


def _overhead(where: str, mine: Measured, most: float) -> Target:
    return Target(
        f"overhead over the work itself, {where}",
        f"<= {told_seconds(most)}",
        told_seconds(mine.times.median),
        mine.times.median <= most,
    )


def _nearly_empty(question: Question) -> Question:
    """Ask the same of the first mask alone: all that is left is what any query takes."""
    sql = question.sql.replace("WHERE", "WHERE mask_id < 1 AND")
    return replace(question, name="one mask", sql=sql, answer=question.answer[question.answer < 1])


def _thresholds(
    asked: Sequence[Question], ours: Sequence[Measured], others: Sequence[Measured]
) -> str:
    rows = []
    for question in asked:
        mine, other = measured_of(ours, question), measured_of(others, question, IN_MEMORY)
        stats = mine.details["stats"]
        rows.append(
            [
                question.name,
                f"> {question.least:,}",
                f"{100 * question.share:.3g} %",
                f"{100 * question.ties:.3g} %",
                f"{100 * stats.rows_verified / max(1, stats.rows_selected):.3g} %",
                f"{stats.tiles_read:,}",
                told_seconds(mine.times.median),
                told_seconds(other.times.median),
                f"{ratio(other, mine):,.3g}",
            ]
        )
    header = [
        "question", "pixels", "kept", "tied", "verified", "tiles read", "engine", "NumPy", "ratio",
    ]  # fmt: skip
    return told_table(header, rows)
