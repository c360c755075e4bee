"""Answers that are left half read are closed where no lock is held."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.runtime.leftovers import close_when_gone

SOON = 20.0  # seconds


class Owner:
    """Holds itself, so that only garbage collection finds it."""

    def __init__(self) -> None:
        self.itself = self


def closes(lock: threading.Lock, closed: threading.Event) -> Generator[int, None, None]:
    try:
        yield 1
    finally:
        with lock:
            closed.set()


def test_closing_waits_for_the_lock_that_the_leaver_holds() -> None:
    lock, closed, owner = threading.Lock(), threading.Event(), Owner()
    steps = closes(lock, closed)
    next(steps)
    close_when_gone(owner, steps)
    del steps
    with lock:
        del owner
        gc.collect()
        assert not closed.is_set()
    assert closed.wait(SOON)


def test_closing_can_be_called_off() -> None:
    lock, closed, owner = threading.Lock(), threading.Event(), Owner()
    steps = closes(lock, closed)
    next(steps)
    close_when_gone(owner, steps)()
    del owner
    gc.collect()
    assert next(steps, None) is None and closed.is_set()


def test_one_that_cannot_be_closed_hinders_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            raise RuntimeError("will not close")

    lock, closed = threading.Lock(), threading.Event()
    for steps in (fails(), closes(lock, closed)):
        next(steps)
        close_when_gone(Owner(), steps)
        del steps
    gc.collect()
    assert closed.wait(SOON)
    assert "could not be closed" in caplog.text


def test_an_answer_left_within_a_lock_of_its_worker() -> None:
    gone = threading.Event()
    with ms.create("memory://left") as col:
        for _ in range(3):
            col.append(np.zeros((8, 8, 8), np.uint8))
    with ms.open("memory://left", on_query=lambda record: gone.set()) as col:
        result: Any = col.sql("SELECT mask_id FROM masks WHERE CP(mask, full_image, (0, 0.5)) > 1")
        next(iter(result))
        result.itself = result
        worker = result._coordinator.pool.workers[0]
        with worker._lock:
            del result
            gc.collect()
        assert gone.wait(SOON)
        assert not worker._queries
