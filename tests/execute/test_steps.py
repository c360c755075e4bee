"""Computations side by side."""

from __future__ import annotations

from masksearch_ray.execute.steps import side_by_side
from masksearch_ray.model.shard import ReadColumns, Request, Steps, Together


def asks(*names: str) -> Steps[list[str]]:
    found = []
    for name in names:
        found.append((yield ReadColumns(0, (name,))))
    return found


def answer(wanted: Request) -> object:
    if isinstance(wanted, Together):
        return [answer(one) for one in wanted.wanted]
    assert isinstance(wanted, ReadColumns)
    return wanted.names[0].upper()


def carry_out(steps: Steps[object]) -> tuple[object, list[Request]]:
    asked: list[Request] = []
    told: object = None
    while True:
        try:
            asked.append(steps.send(told))
        except StopIteration as end:
            return end.value, asked
        told = answer(asked[-1])


def test_what_is_wanted_at_the_same_time_is_asked_together() -> None:
    found, asked = carry_out(side_by_side([asks("a", "b"), asks(), asks("c")]))
    assert found == [["A", "B"], [], ["C"]]
    assert [len(one.wanted) for one in asked if isinstance(one, Together)] == [2, 1]
    assert len(asked) == 2


def test_they_may_be_nested() -> None:
    inner = [side_by_side([asks("a"), asks("b", "c")]), side_by_side([asks("d")])]
    found, asked = carry_out(side_by_side(inner))
    assert found == [[["A"], ["B", "C"]], [["D"]]]
    assert len(asked) == 2


def test_none_at_all_ask_for_nothing() -> None:
    assert carry_out(side_by_side([])) == ([], [])
