"""Section: bounds from index columns in memory, on one core."""

from __future__ import annotations

from collections.abc import Sequence

from masksearch_ray.bench.columns import BoundsTimes, time_bounds
from masksearch_ray.bench.documents import told_bytes, told_seconds, told_table
from masksearch_ray.bench.machine import Machine
from masksearch_ray.bench.suite.report import Section, Target
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure"]

_WHOLE = 2_662_334  # rows that 40 ms are to be enough for


def measure(setting: Setting) -> Section:
    """Columns of masks of 224 x 224, cells of 32 px."""
    options, machine = setting.options, setting.machine
    setting.note(f"columns of {options.bounded:,} masks")
    found = setting.apart(
        time_bounds, options.drawn, options.bounded, options.dataset.seed, options.repeats
    )
    return Section("bounds", _targets(found, machine), {"bounds-times": _table(found, machine)})


def _targets(found: Sequence[BoundsTimes], machine: Machine) -> tuple[Target, ...]:
    def main(name: str) -> BoundsTimes:
        return next(one for one in found if one.name == name and one.values == (0.6, 1.0))

    many, own, held = main("constant ROI, most rows"), main("object ROI"), main(_HELD)
    share = many.speed / machine.copy_one
    least = many.bytes / machine.copy_one
    seconds = many.times.median
    whole = seconds * _WHOLE / many.rows
    return (
        Target(
            "bandwidth over the index bytes touched, constant ROI, (0.6, 1.0)",
            ">= 50 % of a copy's, one core",
            f"{100 * share:.3g} % ({told_bytes(many.speed)}/s)",
            share >= 0.5,
            f"{told_bytes(machine.copy_one)}/s copied, {told_bytes(machine.read_one)}/s read",
        ),
        Target(
            "2,662,334 rows, constant ROI, (0.6, 1.0), in one pass on one core",
            "< 40 ms",
            told_seconds(whole) + ("" if many.rows == _WHOLE else f", from {many.rows:,} rows"),
            whole < 0.04,
            f"reading the columns takes {told_seconds(least * _WHOLE / many.rows)}",
        ),
        Target(
            "each mask's own ROI without a ROI histogram, one core",
            "<= 300 ns a mask",
            f"{1e9 * own.a_mask:,.3g} ns",
            own.a_mask <= 300e-9,
            f"reading the columns takes {1e9 * own.bytes / own.rows / machine.copy_one:,.3g} ns",
        ),
        Target(
            "each mask's own ROI with its ROI histogram, one core",
            "as the constant ROI or better",
            f"{1e9 * held.a_mask:,.3g} ns a mask, constant ROI {1e9 * many.a_mask:,.3g} ns",
            held.a_mask <= many.a_mask,
            f"reading the column takes {1e9 * held.bytes / held.rows / machine.copy_one:,.3g} ns",
        ),
    )


_HELD = "object ROI, with its histogram"


def _table(found: Sequence[BoundsTimes], machine: Machine) -> str:
    rows = [
        [
            one.name,
            str(one.values),
            f"{one.rows:,}",
            told_bytes(one.bytes),
            f"{told_seconds(one.times.median)} ({told_seconds(one.times.low)} … "
            f"{told_seconds(one.times.high)})",
            f"{1e9 * one.a_mask:,.3g}",
            f"{told_bytes(one.speed)}/s",
            f"{100 * one.speed / machine.copy_one:,.3g} %",
        ]
        for one in found
    ]
    header = [
        "region", "range", "masks", "columns", "median (least … most)", "ns a mask",
        "columns read", "of a copy's bandwidth",
    ]  # fmt: skip
    return told_table(header, rows, words=2)
