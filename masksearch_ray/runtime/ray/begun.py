"""Answers of which the first part was given; the rest waits to be asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

from masksearch_ray.runtime.ray.errand import Errand, Reply
from masksearch_ray.runtime.types import ShardTask

__all__ = ["Begun"]

Chosen = Callable[[Errand], bool]


class Begun:
    """Answers that were begun, until they are taken or dropped; may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[tuple[Errand, Generator[Reply, None, None]]] = []

    def put(self, errand: Errand, replies: Generator[Reply, None, None]) -> None:
        """Keep what is still to come of an answer.

        Parameters
        ----------
        errand : Errand
            Any of those that are answered together.
        replies : generator of Reply
        """
        with self._lock:
            self._held.append((errand, replies))

    def take(self, chosen: Chosen) -> list[tuple[ShardTask, Generator[Reply, None, None]]]:
        """Give out the rest of some answers, each with its task."""
        with self._lock:
            taken = [held for held in self._held if chosen(held[0])]
            self._held = [held for held in self._held if not chosen(held[0])]
        return [(errand.task, replies) for errand, replies in taken]

    def drop(self, chosen: Chosen) -> None:
        """Let go of answers that nobody will ask for."""
        for _, replies in self.take(chosen):
            replies.close()
