"""Jobs on threads of this process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from masksearch_ray.errors import MaskSearchError, WorkerError
from masksearch_ray.model.tasks import Done, Job

__all__ = ["LocalTasks"]

R = TypeVar("R")


class LocalTasks:
    """Does jobs on threads.

    Parameters
    ----------
    threads : int, optional
        By default the number of cores.
    """

    remote = False

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or os.cpu_count() or 1

    def run(self, jobs: Iterable[Job[R]]) -> Iterator[Done[R]]:
        """Do jobs; yield what comes of them as it comes."""
        rest = iter(jobs)
        running: set[Future[Done[R]]] = set()
        with ThreadPoolExecutor(self.threads, thread_name_prefix="job") as pool:
            try:
                while True:
                    wanted = self.threads - len(running)
                    running |= {pool.submit(_do, job) for job in islice(rest, wanted)}
                    if not running:
                        return
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in ended:
                        yield future.result()
            finally:
                for future in running:
                    future.cancel()


def _do(job: Job[R]) -> Done[R]:
    try:
        value = job.run()
    except MaskSearchError:
        raise
    except Exception as error:
        raise WorkerError(f"{job.label}: failed: {type(error).__name__}: {error}") from error
    node = socket.gethostname()
    return Done(value, node, f"{node} {os.getpid()} {threading.get_ident()}")
