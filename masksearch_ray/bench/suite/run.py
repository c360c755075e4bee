"""All sections in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from masksearch_ray.bench.apart import MemoryWatch
from masksearch_ray.bench.others import check_installed
from masksearch_ray.bench.suite import (
    bounds,
    build,
    doubt,
    filter,
    growth,
    iou,
    machine,
    reading,
    stages,
    topk,
)
from masksearch_ray.bench.suite.report import Section, SuiteReport, Target
from masksearch_ray.bench.suite.setting import Setting, SuiteOptions
from masksearch_ray.errors import InputError
from masksearch_ray.model.progress import Progress, silent
from masksearch_ray.model.text import size

__all__ = ["SECTIONS", "run_suite"]

SECTIONS: Mapping[str, Callable[[Setting], Section]] = {
    "machine": machine.measure,
    "bounds": bounds.measure,
    "filter": filter.measure,
    "top-k": topk.measure,
    "iou": iou.measure,
    "doubt": doubt.measure,
    "size": doubt.measure_size,
    "build": build.measure,
    "cold": reading.measure_cold,
    "memory": reading.measure_memory,
    "growth": growth.measure,
    "stages": stages.measure,
}

_PEAK = 20 * 2**30


def run_suite(
    options: SuiteOptions, only: Sequence[str] = (), progress: Progress = silent
) -> SuiteReport:
    """Measure.

    Parameters
    ----------
    options : SuiteOptions
    only : sequence of str
        Names of `SECTIONS`; by default all.
    progress : Progress

    Raises
    ------
    InputError
        There is no such section.
    FailedError
        An answer was wrong, or a process died.
    """
    unknown = [name for name in only if name not in SECTIONS]
    if unknown:
        raise InputError(f"no section {unknown[0]!r}: {', '.join(SECTIONS)}")
    if not only or "filter" in only:
        check_installed()
    setting = Setting(options, progress)
    with MemoryWatch() as watch:
        found = []
        for name in only or SECTIONS:
            setting.stage = name
            found.append(SECTIONS[name](setting))
    return SuiteReport((*found, _whole(watch.peak)))


def _whole(peak: int) -> Section:
    """What holds of the run itself."""
    reached = size(peak) if peak else "this system does not tell"
    met = peak <= _PEAK if peak else None
    return Section("run", (Target("peak memory of the benchmark", "<= 20 GiB", reached, met),))
