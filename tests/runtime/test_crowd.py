"""Calls side by side."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from functools import partial

import pytest

from masksearch_ray.collection.counter import ReadCounter, bytes_read_here
from masksearch_ray.runtime.crowd import Crowd


def test_calls_run_at_once_and_are_given_in_order() -> None:
    meet = threading.Barrier(3, timeout=20)

    def call(number: int) -> int:
        meet.wait()
        return number

    assert Crowd(3).all([partial(call, n) for n in (5, 3, 4)]) == [5, 3, 4]
    assert Crowd(3).all([]) == []


def test_what_they_read_is_the_callers_and_so_is_its_context() -> None:
    told: ContextVar[str] = ContextVar("told", default="nothing")
    counter = ReadCounter()

    def call(size: int) -> str:
        counter.add(bytes=size)
        return told.get()

    told.set("something")
    before = bytes_read_here()
    assert Crowd(2).all([partial(call, size) for size in (10, 200, 3000)]) == ["something"] * 3
    assert bytes_read_here() - before == counter.totals.bytes == 3210


def test_the_first_error_is_raised_and_what_waits_is_left() -> None:
    begun: list[int] = []

    def call(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise ValueError(number)
        return number

    crowd = Crowd(1)
    with pytest.raises(ValueError, match="1"):
        crowd.all([partial(call, n) for n in range(100)])
    assert crowd.all([partial(call, 7)]) == [7]
    assert len(begun) < 102
