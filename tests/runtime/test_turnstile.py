from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from masksearch_ray.errors import QueryCancelledError
from masksearch_ray.runtime.control import QueryControl, Watch
from masksearch_ray.runtime.turnstile import Ledger, Turn, Turnstile, in_turns


def never() -> None:
    pass


def test_a_short_query_passes_a_long_one() -> None:
    ledger = Ledger()
    ledger.arrive("long")
    ledger.charge("long", 100.0)
    ledger.arrive("short")
    order = []
    for _ in range(6):
        query = min(["long", "short"], key=ledger.rank)
        order.append(query)
        ledger.charge(query, 1.0)
    # Side by side from the start: neither catches up with what the other was given before.
    assert order == ["long", "short"] * 3


def test_many_stages_of_one_query_have_one_share() -> None:
    ledger = Ledger()
    for query in ("wide", "wide", "wide", "narrow"):
        ledger.arrive(query)
    given = {"wide": 0, "narrow": 0}
    for _ in range(10):
        query = min(given, key=ledger.rank)
        given[query] += 1
        ledger.charge(query, 1.0)
    assert given == {"wide": 5, "narrow": 5}
    for _ in range(3):
        ledger.depart("wide")
    ledger.arrive("new")
    assert ledger.rank("new") == ledger.rank("narrow")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def waits(turnstile: Turnstile, count: int) -> None:
    for _ in range(1000):
        if turnstile.waiting == count:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{turnstile.waiting} stages wait, not {count}")


def enter_later(turn: Turn, entered: list[Turn]) -> threading.Thread:
    def enter() -> None:
        turn.enter(never)
        entered.append(turn)

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    return thread


def test_the_least_served_has_the_next_place() -> None:
    clock = Clock()
    turnstile = Turnstile(1, clock)
    first, second = turnstile.turn("first"), turnstile.turn("second")
    first.enter(never)
    clock.now += 5
    first.leave()
    second.enter(never)
    clock.now += 1
    again, third = turnstile.turn("first"), turnstile.turn("third")
    entered: list[Turn] = []
    threads = [enter_later(again, entered)]
    waits(turnstile, 1)
    threads.append(enter_later(third, entered))
    waits(turnstile, 2)
    second.close()
    threads[1].join(30)
    assert entered == [third]
    third.close()
    threads[0].join(30)
    assert entered == [third, again]


def test_a_long_stage_steps_back_between_two_steps() -> None:
    clock = Clock()
    turnstile = Turnstile(1, clock)
    long, short = turnstile.turn("long"), turnstile.turn("short")
    long.enter(never)
    long.step(never)  # nobody waits
    entered: list[Turn] = []
    waiting = enter_later(short, entered)
    waits(turnstile, 1)
    long.step(never)  # has only begun
    assert not entered
    clock.now += 1
    back = threading.Thread(target=long.step, args=[never], daemon=True)
    back.start()
    waiting.join(30)
    waits(turnstile, 1)
    short.close()
    back.join(30)
    assert turnstile.waiting == 0


def test_who_waits_can_be_stopped() -> None:
    turnstile = Turnstile(1)
    first, second = turnstile.turn("first"), turnstile.turn("second")
    first.enter(never)
    control = QueryControl()
    control.cancel()
    with pytest.raises(QueryCancelledError):
        second.enter(control.check)
    second.close()
    first.close()
    turnstile.turn("third").enter(never)


def test_the_place_is_free_while_the_reader_works() -> None:
    turnstile = Turnstile(1)

    def run(watch: Watch) -> Iterator[int]:
        for number in range(3):
            watch.step()
            yield number

    one = in_turns(run, QueryControl(), turnstile.turn("one"))
    other = in_turns(run, QueryControl(), turnstile.turn("other"))
    assert [next(one), next(other), next(one), next(other)] == [0, 0, 1, 1]
    assert (list(one), list(other)) == ([2], [2])
