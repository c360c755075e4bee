"""What the entry points of jobs share: exit statuses as the command line's, and plain log lines."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

from masksearch_ray.errors import MaskSearchError, QueryError
from masksearch_ray.model.logs import LEVEL_VARIABLE, log_to_stderr
from masksearch_ray.model.progress import ProgressLines
from masksearch_ray.model.text import printable

__all__ = ["INTERRUPTED", "ProgressLines", "log", "run_job"]

INTERRUPTED = 130
"""Exit status of a job that was stopped, as shells count Ctrl-C."""


def log(*lines: str) -> None:
    """Add lines to the job's log, at once; standard output is for answers."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def run_job(work: Callable[[], object]) -> int:
    """Do the work of a job and tell how it ended.

    Log lines are those from the level of ``MASKSEARCH_LOG_LEVEL`` on, else from ``info`` on: a
    job's log tells of long waits, as for nodes that have to start. A failure becomes one line;
    ``ray job stop`` ends the work as Ctrl-C would.

    Parameters
    ----------
    work : callable
        Raises what goes wrong.

    Returns
    -------
    int
        Exit status: 0, 2 where the input cannot be taken, 1 where carrying it out failed, 130
        where it was stopped.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        log_to_stderr(None if os.environ.get(LEVEL_VARIABLE) else "info")
        work()
    except KeyboardInterrupt:
        log("interrupted")
        return INTERRUPTED
    except MaskSearchError as error:
        log(f"error: {printable(str(error), keep_lines=isinstance(error, QueryError))}")
        return error.exit_status
    except Exception as error:
        traceback.print_exc()
        log(f"internal error: {printable(f'{type(error).__name__}: {error}')}")
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
