"""Section: the first k, and the rows verified for them."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch_ray.bench.contenders import Measured
from masksearch_ray.bench.decoding import row_bounds
from masksearch_ray.bench.documents import told_seconds, told_table
from masksearch_ray.bench.minimum import must_verify
from masksearch_ray.bench.questions import K, Question, means, tops
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

OURS = "engine, ROI histogram"
PLAIN = "engine, no ROI histogram"
IN_MEMORY = "NumPy, masks in memory"
NUMBA = "numba, masks in memory"


def measure(setting: Setting) -> Section:
    """Most and fewest pixels in each mask's own box, by one model and by two."""
    asked, mean = tops(setting.dataset), means(setting.dataset)
    bare = tops(setting.dataset, column="plain_box")
    ours = setting.ask(OURS, asked, setting.first) + setting.ask(OURS, mean)
    plain = setting.ask(PLAIN, bare, setting.first)
    others = [
        *setting.scan(IN_MEMORY, "NumPy", asked, in_memory=True),
        *setting.scan(IN_MEMORY, "NumPy", mean, in_memory=True),
        *setting.scan(NUMBA, "numba", asked, in_memory=True),
    ]
    least = [floors(setting, [*asked, *mean], some) for some in (ours, plain, others)]
    all_floors = least[0] | least[1] | least[2]
    numpy, held, none = (measured_of(some, asked[0]) for some in (others, ours, plain))
    needed = [_needed(setting, question) for question in bare]
    targets = (
        _target("with its ROI histogram", 50, numpy, held, all_floors),
        _target("without a ROI histogram", 3, numpy, none, all_floors),
        _verified(plain[0], needed[0], bare[0]),
    )
    names = [question.name for question in [*asked, *mean]]
    tables = {
        "top-k-times": times_table(names, [*ours, *plain], others, all_floors),
        "top-k-verified": _verified_table(bare, plain, needed),
    }
    return Section("top-k", targets, tables)


def _target(
    how: str, wanted: float, other: Measured, mine: Measured, known: dict[tuple[str, str], float]
) -> Target:
    times = ratio(other, mine)
    return Target(
        f"{mine.question}, {how}, against {other.who}",
        f">= {wanted:g} ×",
        f"{times:,.3g} × ({told_seconds(mine.times.median)})",
        times >= wanted,
        limit(known, mine),
    )


def _needed(setting: Setting, question: Question) -> int:
    """Rows that must be verified for a question, by the bounds of the index."""
    scan = question.scan
    dataset, values = setting.dataset, (scan.low, scan.high)
    bounds = setting.apart(
        row_bounds, setting.collection, setting.first, dataset.regions("object"), values
    )
    return must_verify(*bounds, dataset.counts("object", *values), K, question.decide == "greatest")


def _verified(mine: Measured, needed: int, question: Question) -> Target:
    rows = mine.details["stats"].rows_verified
    return Target(
        f"rows verified, {question.name}, without a ROI histogram",
        "<= 1.2 × the minimum",
        f"{rows:,}, {rows / max(1, needed):,.3g} × the minimum",
        rows <= 1.2 * needed,
        f"{needed:,} rows that any exact method must verify",
    )


def _verified_table(
    asked: Sequence[Question], plain: Sequence[Measured], needed: Sequence[int]
) -> str:
    rows = []
    for question, mine, least in zip(asked, plain, needed, strict=True):
        stats = mine.details["stats"]
        rows.append(
            [
                question.name,
                f"{stats.rows_verified:,}",
                f"{least:,}",
                f"{stats.rows_verified / max(1, least):,.3g}",
                f"{stats.tiles_read:,}",
            ]
        )
    return told_table(["question", "rows verified", "minimum", "ratio", "tiles read"], rows)
