"""What an ingest on Ray takes of memory does not grow with the number of masks."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SIDE = 256
FEW = 512  # masks, of 64 KiB each
TOLERANCE = 48 << 20  # bytes; the pixels of 4 x FEW are 128 MiB

_CODE = """
import sys
from masksearch_ray.collection import Limits, create_collection
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.storage import open_storage
from tests.runtime.test_ingest_memory import Peak

tasks = RayRuntime().tasks()
for source in sys.argv[1:]:
    storage = open_storage(source.removesuffix(".npy") + "-made")
    create_collection(storage)
    report = ingest(storage, source, limits=Limits(rows=128), tasks=tasks)
    peaks = [done.value for done in tasks.run(Peak() for _ in range(8))]
    print(report.rows, Peak().run(), max(peaks))
"""


@dataclass(frozen=True)
class Peak:
    """Asks a worker what it has taken at most, in bytes, since it was started."""

    label = "peak"
    memory = 0

    def run(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_stack(path: Path, count: int) -> str:
    masks = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE))
    chance = np.random.default_rng(count)
    for first in range(0, count, 256):
        masks[first : first + 256] = chance.integers(0, 256, (256, SIDE, SIDE), np.uint8)
    masks.flush()
    return str(path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_memory_is_flat(tmp_path: Path) -> None:
    sources = [write_stack(tmp_path / f"{n}.npy", n) for n in (FEW, 4 * FEW)]
    ended = subprocess.run(
        [sys.executable, "-c", _CODE, *sources],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert ended.returncode == 0, ended.stderr
    few, many = (list(map(int, line.split())) for line in ended.stdout.splitlines())
    print(ended.stdout)
    assert (few[0], many[0]) == (FEW, 4 * FEW)
    assert many[1] - few[1] < TOLERANCE, "of the driver"
    assert many[2] - few[2] < TOLERANCE, "of the workers"
