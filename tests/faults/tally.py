"""What was tried, and how it ended."""

from __future__ import annotations

from collections import Counter
from typing import Any

__all__ = ["Tally"]


class Tally:
    """Counts cases, by what was going on, what befell it and how it ended."""

    def __init__(self) -> None:
        self.tried: Counter[tuple[str, str, str]] = Counter()

    def add(self, during: str, fault: str, outcome: str, times: int = 1) -> None:
        """Note a case.

        Parameters
        ----------
        during : str
            Operation.
        fault : str
            What befell it.
        outcome : str
            ``exact``: the answer, or the change, was what it is without a fault;
            ``error``: one clear error, and nothing lost.
        times : int
        """
        self.tried[during, fault, outcome] += times

    def text(self) -> str:
        """One line."""
        ends: Counter[str] = Counter()
        for (_, _, outcome), times in self.tried.items():
            ends[outcome] += times
        told = ", ".join(f"{times} {outcome}" for outcome, times in sorted(ends.items()))
        return f"{ends.total()} cases: {told}"

    def record(self) -> list[dict[str, Any]]:
        """All of it, as plain data."""
        return [
            {"during": during, "fault": fault, "outcome": outcome, "times": times}
            for (during, fault, outcome), times in sorted(self.tried.items())
        ]
