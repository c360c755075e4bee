"""Section: building the index, and ingest."""

from __future__ import annotations

from masksearch_ray.bench.building import Building, Ingest, time_building, time_ingest
from masksearch_ray.bench.documents import told_bytes, told_seconds, told_table
from masksearch_ray.bench.machine import Machine
from masksearch_ray.bench.suite.report import Section, Target
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure"]

_MASKS = 4096  # of an ingest that is timed, and of a segment
_FLAT = 1.15


def measure(setting: Setting) -> Section:
    """The kernel on one core, an ingest on all, and whether its memory grows with it."""
    dataset, machine = setting.dataset, setting.machine
    most = min(_MASKS, 2 * dataset.images)
    setting.note("index and tiles of masks in memory")
    parts = setting.apart(time_building, dataset, setting.options.repeats)
    setting.note(f"ingest of {most:,} masks in memory")
    whole = setting.apart(time_ingest, dataset, most, in_memory=True)
    setting.note("ingest of few and of many masks from a mapped file")
    many_masks = min(2 * most, 2 * dataset.images)
    sizes = (max(1, many_masks // 2), many_masks)
    few, many = (setting.apart(time_ingest, dataset, n, in_memory=False) for n in sizes)
    targets = (*_speeds(parts, whole, machine), _flat(few, many))
    rows = [
        ["index kernel, one core", told_seconds(parts.index.median / parts.masks)],
        ["compression of tiles, one core", told_seconds(parts.encoding)],
        ["ingest from memory, CPU of all cores", told_seconds(whole.cpu / whole.masks)],
        ["ingest from memory, elapsed", told_seconds(whole.seconds / whole.masks)],
        ["ingest from the mapped file, elapsed", told_seconds(many.seconds / many.masks)],
    ]
    return Section("build", targets, {"build": told_table(["work", "a mask"], rows)})


def _speeds(parts: Building, whole: Ingest, machine: Machine) -> tuple[Target, ...]:
    busy = whole.cpu / whole.seconds
    speed, raw = parts.speed, parts.bytes * whole.masks
    encoding = parts.encoding * whole.masks / whole.cpu
    return (
        Target(
            "index of uint8 pixels, kernel, one core",
            ">= 3 GB/s",
            f"{told_bytes(speed)}/s",
            speed >= 3e9,
            f"memory is read at {told_bytes(machine.read_one)}/s; "
            f"{100 * speed / machine.read_one:.3g} % of that",
        ),
        Target(
            "ingest from memory: cores busy",
            f">= 90 % of {machine.cores}",
            f"{busy:.3g} of {machine.cores} ({told_bytes(raw / whole.seconds)}/s of masks)",
            busy >= 0.9 * machine.cores,
            f"compression alone takes {told_seconds(parts.encoding)} a mask and core: "
            f"{told_bytes(machine.cores * parts.bytes / parts.encoding)}/s of masks",
        ),
        Target(
            "ingest from memory: limited by compression",
            "most of its CPU time",
            f"{100 * encoding:.3g} %",
            encoding >= 0.5,
        ),
    )


def _flat(few: Ingest, many: Ingest) -> Target:
    growth = many.memory / few.memory if few.memory > 0 else None
    return Target(
        f"memory of an ingest, {many.masks:,} masks by {few.masks:,}",
        f"flat (<= {_FLAT} ×)",
        "not known here" if growth is None else f"{growth:.3g} × ({told_bytes(many.memory)})",
        # Within one segment memory grows with it.
        None if growth is None or few.masks < _MASKS else growth <= _FLAT,
    )
