"""Several computations side by side, so that what they ask for is asked together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from masksearch_ray.model.shard import Request, Steps, Together

__all__ = ["side_by_side"]

T = TypeVar("T")


def side_by_side(runs: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Run computations side by side; gives what each returns, in order.

    What they wait for at the same time is one request: who answers sees all of it, and many
    segments of a shard take no more requests than one.
    """
    found: list[Any] = [None] * len(runs)
    waiting: dict[int, Request] = {}

    def advance(at: int, answer: Any) -> None:
        try:
            waiting[at] = runs[at].send(answer)
        except StopIteration as end:
            waiting.pop(at, None)
            found[at] = end.value

    for at in range(len(runs)):
        advance(at, None)
    while waiting:
        asked = list(waiting)
        answers = yield Together(tuple(waiting.values()))
        for at, answer in zip(asked, answers, strict=True):
            advance(at, answer)
    return found
