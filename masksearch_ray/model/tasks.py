"""Work in pieces that may be done elsewhere: collection has it done, runtimes do it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Done", "Job", "Tasks"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Job(Protocol[R_co]):
    """A piece of work that can be pickled, and done again where a worker died over it."""

    @property
    def label(self) -> str:
        """What it is about, for people."""
        ...

    @property
    def memory(self) -> int:
        """Bytes that it takes at its peak, about."""
        ...

    def run(self) -> R_co:
        """Do the work; what comes back is small."""
        ...


@dataclass(frozen=True)
class Done(Generic[R]):
    """What came of a job.

    Parameters
    ----------
    value : object
    node, worker : str
        Machine and worker that did it.
    """

    value: R
    node: str
    worker: str


class Tasks(Protocol):
    """Does jobs, several at a time."""

    @property
    def remote(self) -> bool:
        """Whether jobs are done outside this process, whose memory they then cannot read."""
        ...

    def run(self, jobs: Iterable[Job[R]]) -> Iterator[Done[R]]:
        """Do jobs; yield what comes of them, in any order.

        A job is drawn only when there soon is a worker for it, so that their number does not
        matter. Whoever stops early closes the iterator, which stops what is running.

        Raises
        ------
        MaskSearchError
            The first that a job raised; the others are stopped.
        WorkerError
            Workers died over a job again and again, or it failed in a way that nobody foresaw;
            the text names the job.
        """
        ...
