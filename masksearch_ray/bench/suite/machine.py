"""Section: limits of the machine."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from masksearch_ray.bench.documents import told_bytes, told_seconds, told_table
from masksearch_ray.bench.suite.report import Section
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure"]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def measure(setting: Setting) -> Section:
    """Memory by copies and sums, disk by plain reads, object store by plain GETs."""
    machine, drawn = setting.machine, setting.options.dataset
    packages = ("numpy", "numba", "pyarrow", "ray", "duckdb", "zarr")
    rows = [
        ["processor", f"{_processor()}, {machine.cores} cores"],
        ["Python and packages", ", ".join([platform.python_version(), *map(_version, packages)])],
        [
            "masks",
            f"{drawn.images:,} images x 2 models, {drawn.side} x {drawn.side}, seed {drawn.seed}",
        ],
        ["memory, copied by one core (read and written)", f"{told_bytes(machine.copy_one)}/s"],
        [f"memory, copied by {machine.cores} cores", f"{told_bytes(machine.copy_all)}/s"],
        ["memory, read by one core", f"{told_bytes(machine.read_one)}/s"],
        [f"memory, read by {machine.cores} cores", f"{told_bytes(machine.read_all)}/s"],
        ["disk, plain reads in order, not in the page cache", f"{told_bytes(machine.disk)}/s"],
    ]
    if machine.store is not None and machine.store_get is not None:
        rows += [
            ["object store, GETs of 4 MiB, 8 at once", f"{told_bytes(machine.store)}/s"],
            ["object store, one small GET", told_seconds(machine.store_get)],
        ]
    else:
        rows.append(["object store", "none given (`--store`)"])
    return Section("machine", tables={"machine": told_table(["limit", "measured"], rows)})
