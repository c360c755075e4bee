"""Section: limits of the machine."""

from __future__ import annotations

from masksearch_ray.bench.documents import told_bytes, told_seconds, told_table
from masksearch_ray.bench.suite.report import Section
from masksearch_ray.bench.suite.setting import Setting

__all__ = ["measure"]


def measure(setting: Setting) -> Section:
    """Memory by copies and sums, disk by plain reads, object store by plain GETs."""
    machine = setting.machine
    rows = [
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
