"""How long work tells how far it is: a shell draws it, a job logs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Progress", "ProgressStep", "silent"]


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
    """

    stage: str
    done: int
    total: int | None
    bytes: int


class Progress(Protocol):
    """Called now and then, from the thread that does the work; must return soon."""

    def __call__(self, step: ProgressStep, /) -> None:
        """Show or keep a step."""
        ...


def silent(step: ProgressStep) -> None:
    """Show nothing."""
