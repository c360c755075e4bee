"""A machine of little memory, as a container is one for Ray, and what eats that memory.

In a mount namespace of its own this process writes where Ray looks for a container's limit
(/sys/fs/cgroup) how much memory it and all processes below it really have. So Ray's memory monitor
kills for what they take, whatever else runs on the machine.

`python -m tests.faults.hunger` is a neighbour that takes all that there is, and says so by a line.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.tasks import Square, begun

__all__ = ["SETTINGS", "Hungry", "eat", "limited", "wrapped"]

LIMIT = 7 << 28  # bytes; Ray and two workers take less than half
SETTINGS = {"RAY_memory_monitor_refresh_ms": "50", "RAY_memory_usage_threshold": "0.9"}

_PLACE = Path("/sys/fs/cgroup")
_BITE = 32 << 20
_LOOK = 0.2  # seconds; to look costs some 20 ms of CPU
_PAGE = os.sysconf("SC_PAGE_SIZE")


def wrapped(command: list[str]) -> list[str]:
    """Command that runs another in a mount namespace of its own."""
    return ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount", *command]


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Tell Ray of the limit, and of what is in use, as long as this lasts."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(_PLACE)], check=True)
    _tell()
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_LOOK):
            _tell()

    meter = threading.Thread(target=tell, daemon=True)
    meter.start()
    yield
    over.set()
    meter.join()


def _tell() -> None:
    used = min(_in_use(), LIMIT - _PAGE)  # a container never has more
    told = {
        "memory.max": f"{LIMIT}",
        "memory.current": f"{used}",
        "memory.stat": f"anon {used}\nfile 0\nshmem 0\ninactive_file 0\nactive_file 0",
    }
    for name, text in told.items():
        new = _PLACE / f"{name}.new"
        new.write_text(text + "\n")
        new.replace(_PLACE / name)


def _in_use() -> int:
    """Bytes that this process and those below it have for themselves."""
    parents, sizes = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                _, resident, shared = (folder / "statm").read_text().split()[:3]
                parents[int(folder.name)] = int(stat[1])
                sizes[int(folder.name)] = (int(resident) - int(shared)) * _PAGE
    found = 0
    for process, size in sizes.items():
        above = process
        while above in parents and above != os.getpid():
            above = parents[above]
        found += size if above == os.getpid() else 0
    return found


def eat(seconds: float = 300.0) -> None:
    """Take twice as much as there is, bit by bit, and wait to be killed for it."""
    eaten: list[bytearray] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if len(eaten) * _BITE < 2 * LIMIT:
            eaten.append(bytearray(b"\x5a") * _BITE)
        time.sleep(0.02)
    raise AssertionError("nobody was killed for the memory that was taken")


@dataclass(frozen=True)
class Hungry(Square):
    """A job that eats all memory the first time."""

    def run(self) -> int:
        found = super().run()
        if self.marks and begun(self.marks) == 1:
            eat()
        return found


def main() -> None:
    """Hold all that there is."""
    held = [bytearray(b"\x5a") * _BITE for _ in range(LIMIT // _BITE)]
    print("full", flush=True)
    while held:
        time.sleep(1)


if __name__ == "__main__":
    main()
