"""How long work tells how far it is: a shell draws it, a job logs it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from masksearch_ray.model.text import count, duration, percent, size

__all__ = ["Progress", "ProgressLines", "ProgressStep", "silent", "told"]

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class ProgressStep:
    """Where a piece of work stands.

    Parameters
    ----------
    stage : str
        What is being done, in a word or two.
    done : int
        Masks done until now, in this run.
    total : int or None
        Masks to be done in all, as far as known; an estimate where files may hold several.
    bytes : int
        Bytes of pixels done until now.
    nodes, workers : int or None
        Machines, and processes on them, that have done some of it; None where all is done here.
    what : str
        What is in hand, to be shown in place of numbers of masks.
    """

    stage: str
    done: int
    total: int | None
    bytes: int
    nodes: int | None = None
    workers: int | None = None
    what: str = ""


class Progress(Protocol):
    """Called now and then, from the thread that does the work; must return soon."""

    def __call__(self, step: ProgressStep, /) -> None:
        """Show or keep a step."""
        ...


def silent(step: ProgressStep) -> None:
    """Show nothing."""


class ProgressLines:
    """A line on standard error every few seconds, none for work that is soon done.

    To be used as a context, and called with steps.

    Parameters
    ----------
    seconds : float
        Between two lines.
    """

    def __init__(self, seconds: float = _SECONDS_BETWEEN_LINES) -> None:
        self._seconds = seconds

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._last: float | None = None
        self._stage = ""
        return self

    def __call__(self, step: ProgressStep) -> None:
        """Say where a step stands, if the last line is old enough."""
        now = time.monotonic()
        if step.stage != self._stage:
            self._started = now if self._stage else self._started
            self._stage = step.stage
        if self._last is None:
            # The first step says little of the rate.
            self._last = now
        elif now - self._last >= self._seconds and step.done != step.total:
            self._last = now
            took = now - self._started
            line = f"{step.stage}: {told(step, took)}{_where(step)}{_left(step, took)}"
            print(line, file=sys.stderr, flush=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


def told(step: ProgressStep, seconds: float) -> str:
    """Masks done, of how many, how fast."""
    if step.what:
        return step.what
    done = count(step.done) if step.total is None else f"{step.done:,}/{step.total:,}"
    if seconds <= 0.0:
        return f"{done} masks"
    rate = f"{step.done / seconds:,.0f} masks/s"
    return f"{done} masks, {rate}, {size(round(step.bytes / seconds))}/s"


def _where(step: ProgressStep) -> str:
    if step.nodes is None or step.workers is None:
        return ""
    return f", on {count(step.workers, 'worker')} of {count(step.nodes, 'node')}"


def _left(step: ProgressStep, seconds: float) -> str:
    if not (step.total and step.done):
        return ""
    left = seconds * (step.total - step.done) / step.done
    return f", {percent(step.done, step.total)}, {duration(max(left, 0.0))} left"
