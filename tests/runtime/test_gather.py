from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from masksearch_ray.runtime.ray.gather import gather


def count(name: str, number: int) -> Iterator[tuple[str, int]]:
    for at in range(number):
        yield name, at


@pytest.mark.parametrize("pause", [0.0, 0.3])
def test_all_comes_once_and_each_in_its_order(pause: float) -> None:
    works = [partial(count, name, 50) for name in "abcde"]
    found = [item for items in gather(works, pause) for item in items]
    assert sorted(found) == [(name, at) for name in "abcde" for at in range(50)]
    for name in "abcde":
        assert [at for other, at in found if other == name] == list(range(50))


def test_one_alone_is_done_by_whoever_asks() -> None:
    def work() -> Iterator[int]:
        yield threading.get_ident()

    assert list(gather([work], 1.0)) == [[threading.get_ident()]]


def test_what_comes_first_is_handed_on_while_others_work() -> None:
    go_on = threading.Event()

    def late() -> Iterator[str]:
        go_on.wait(60)
        yield "late"

    come = gather([late, lambda: iter(["early"])], 60.0)
    assert next(come) == ["early"]
    go_on.set()
    assert next(come) == ["late"]
    assert next(come, None) is None


def test_what_comes_within_a_pause_comes_together() -> None:
    works = [partial(count, str(number), 30) for number in range(8)]
    sizes = [len(items) for items in gather(works, 60.0)]
    # A pause ends when as many are there as there are workers.
    assert (sum(sizes), max(sizes)) == (240, 8)
    assert len(sizes) <= 60


def test_an_error_ends_all() -> None:
    ended = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            ended.set()

    def broken() -> Iterator[int]:
        yield 0
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        list(gather([endless, broken], 0.0))
    assert ended.wait(60)


def test_nobody_runs_ahead_of_who_takes() -> None:
    made: list[int] = []

    def work(number: int) -> Iterator[int]:
        for _ in range(1000):
            made.append(number)
            yield number

    come = gather([partial(work, number) for number in range(3)], 0.0)
    taken = len(next(come))
    time.sleep(0.3)
    # As many wait to be taken as there are workers, and each has one at hand.
    assert len(made) <= taken + 3 + 3
    come.close()  # type: ignore[attr-defined]
    made.clear()
    time.sleep(0.3)
    assert not made
