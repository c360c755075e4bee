"""Progress of long work: a bar at a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from masksearch_ray.model.progress import ProgressLines, told

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from masksearch_ray.model.progress import ProgressStep

__all__ = ["progress"]


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
        text = told(step, time.monotonic() - self._started)
        self._progress.update(self._task, completed=step.done, total=step.total, told=text)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
