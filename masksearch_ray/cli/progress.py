"""Progress of long work: a bar at a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from masksearch_ray.cli.output import say
from masksearch_ray.cli.text import count, duration, percent, size

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from masksearch_ray.model.progress import ProgressStep

__all__ = ["ProgressLines", "progress"]

_SECONDS_BETWEEN_LINES = 10.0


def progress() -> _Bar | ProgressLines:
    """Progress as standard error can show it, to be used as a context and called with steps."""
    return _Bar() if sys.stderr.isatty() else ProgressLines()


class _Bar:
    """A bar with rate and time left, drawn on standard error."""

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._stage = ""
        self._started = time.monotonic()
        self._progress.start()
        return self

    def __call__(self, step: ProgressStep) -> None:
        """Draw a step."""
        if self._task is None or step.stage != self._stage:
            if self._stage:
                self._started = time.monotonic()
            self._stage = step.stage
            self._task = self._progress.add_task(step.stage, total=step.total, told="")
        told = _told(step, time.monotonic() - self._started)
        self._progress.update(self._task, completed=step.done, total=step.total, told=told)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()


class ProgressLines:
    """A line on standard error every few seconds, none for work that is soon done.

    Parameters
    ----------
    seconds : float
        Between two lines.
    """

    def __init__(self, seconds: float = _SECONDS_BETWEEN_LINES) -> None:
        self._seconds = seconds

    def __enter__(self) -> ProgressLines:
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
            say(f"{step.stage}: {_told(step, took)}{_left(step, took)}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


def _told(step: ProgressStep, seconds: float) -> str:
    """Masks done, of how many, how fast."""
    done = count(step.done) if step.total is None else f"{step.done:,}/{step.total:,}"
    if seconds <= 0.0:
        return f"{done} masks"
    rate = f"{step.done / seconds:,.0f} masks/s"
    return f"{done} masks, {rate}, {size(round(step.bytes / seconds))}/s"


def _left(step: ProgressStep, seconds: float) -> str:
    if not (step.total and step.done):
        return ""
    left = seconds * (step.total - step.done) / step.done
    return f", {percent(step.done, step.total)}, {duration(max(left, 0.0))} left"
