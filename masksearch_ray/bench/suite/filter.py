"""Section: filters, and what a query takes beside its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from masksearch_ray.bench.contenders import Measured
from masksearch_ray.bench.documents import told_seconds, told_table
from masksearch_ray.bench.questions import Question, filters
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
IN_MEMORY = "NumPy, masks in memory"
MAPPED = "NumPy, mapped file"
NUMBA = "numba, masks in memory"


def measure(setting: Setting) -> Section:
    """Filters over one model's masks: every region, range and threshold."""
    asked = filters(setting.dataset)
    one = [q for q in asked if q.name.endswith(" 1 %")]
    main = one[0]
    empty = _nearly_empty(main)
    *ours, overhead = setting.ask(OURS, [*asked, empty], setting.first)
    others = [
        *setting.scan(IN_MEMORY, "NumPy", asked, in_memory=True),
        *setting.scan(MAPPED, "NumPy", one, in_memory=False),
        *setting.scan(NUMBA, "numba", one, in_memory=True),
    ]
    mine = measured_of(ours, main)
    times = ratio(measured_of(others, main, IN_MEMORY), mine)
    known = floors(setting, asked, [*ours, *others])
    targets = (
        Target(
            f"filter, {main.name}, pixels compressed on local disk, against {IN_MEMORY}",
            ">= 30 ×",
            f"{times:,.3g} × ({told_seconds(mine.times.median)})",
            times >= 30,
            limit(known, mine),
        ),
        Target(
            "overhead over the work itself, threads of this process",
            "<= 2 ms",
            told_seconds(overhead.times.median),
            overhead.times.median <= 0.002,
        ),
    )
    tables = {
        "filter-times": times_table([q.name for q in one], ours, others, known),
        "filter-thresholds": _thresholds(asked, ours, others),
    }
    return Section("filter", targets, tables)


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
