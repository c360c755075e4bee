"""Work in a process of its own, and the memory that all of them take together."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from masksearch_ray.errors import FailedError

__all__ = ["MemoryWatch", "apart", "family", "own_memory"]

P = ParamSpec("P")
T = TypeVar("T")

_BETWEEN, _BETWEEN_ALONE = 0.5, 0.02  # seconds between two looks at the memory


def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a new process, and end it.

    Parameters
    ----------
    work : callable
        Of a module; its arguments and what it returns are pickled.
    *args, **kwargs
        Its arguments.

    Raises
    ------
    FailedError
        The process died, as it does when memory runs out.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        try:
            return pool.submit(work, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise FailedError(f"the process of {work.__name__} died") from error


class MemoryWatch:
    """The most memory that this process and its descendants took at once, files mapped left out.

    To be used as a context.

    Parameters
    ----------
    alone : bool
        Whether to look at this process alone, and more often.

    Attributes
    ----------
    peak, start : int
        Bytes at most, and when the context began; 0 where the system does not tell (other than
        Linux).
    """

    def __init__(self, alone: bool = False) -> None:
        self._alone = alone
        self.peak = self.start = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self.start = self.peak = self._now()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.peak = max(self.peak, self._now())

    def _watch(self) -> None:
        between = _BETWEEN_ALONE if self._alone else _BETWEEN
        while not self._stop.wait(between):
            self.peak = max(self.peak, self._now())

    def _now(self) -> int:
        if self._alone:
            return own_memory()
        return sum(own_memory(pid) for pid in family(os.getpid()))


def own_memory(pid: int | str = "self") -> int:
    """Bytes in memory of a process that no file backs; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    # Counters of the kernel: to walk all pages, for shares of them, would disturb what is timed.
    kilobytes = dict(line.split(":", 1) for line in lines)
    found = (kilobytes.get(name, "0 kB").split()[0] for name in ("RssAnon", "RssShmem"))
    return 1024 * sum(map(int, found))


def family(root: int) -> set[int]:
    """Processes that descend from one, and itself."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold anything.
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found
