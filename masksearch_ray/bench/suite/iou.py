"""Section: where two models agree."""

from __future__ import annotations

from masksearch_ray.bench.decoding import run_decoding
from masksearch_ray.bench.documents import told_seconds
from masksearch_ray.bench.questions import ious
from masksearch_ray.bench.suite.report import (
    Section,
    Target,
    floors,
    limit,
    measured_of,
    ratio,
    times_table,
    verified_table,
)
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure"]

OURS = "engine, pixels on disk"
RESIDENT = "engine, pixels in memory"
NUMBA = "numba, masks in memory"
DECODING = "numba, decoding the same tiles"
_RESIDENT_BYTES = 2**30


def measure(setting: Setting) -> Section:
    """First k and filter by the IoU of two models; no index is built for it."""
    asked = ious(setting.dataset)
    disk = setting.ask(OURS, asked)
    resident = setting.ask(RESIDENT, asked, pixel_bytes=_RESIDENT_BYTES)
    memory = setting.scan(NUMBA, "numba", asked, in_memory=True)
    setting.note(DECODING)
    decoded = setting.apart(run_decoding, DECODING, setting.collection, setting.dataset, asked, 1)
    known = floors(setting, asked, [*resident, *disk, *memory, *decoded])
    targets = []
    for question in asked:
        # Each against the scan whose pixels lie where its own do.
        for ours, others, wanted in ((resident, memory, 5), (disk, decoded, 50)):
            mine, other = measured_of(ours, question), measured_of(others, question)
            times = ratio(other, mine)
            targets.append(
                Target(
                    f"{question.name}: {mine.who}, against {other.who}",
                    f">= {wanted} ×",
                    f"{times:,.3g} × ({told_seconds(mine.times.median)})",
                    times >= wanted,
                    limit(known, mine),
                )
            )
    names = [question.name for question in asked]
    tables = {
        "iou-times": times_table(names, [*resident, *disk], [*memory, *decoded], known),
        "iou-verified": verified_table(asked, disk),
    }
    return Section("iou", tuple(targets), tables)
