"""What a soak says of itself."""

from __future__ import annotations

import pytest

from tests.soak.client import CHANGES, Totals

ALL = ("answers", *CHANGES.values())


def totals(*happened: str) -> Totals:
    made = Totals()
    for what in happened:
        made.add(what)
    return made


def test_nothing_wrong() -> None:
    assert totals(*ALL, "WorkerErrors").verdict() == []


@pytest.mark.parametrize("what", ALL)
def test_what_never_happened_was_not_tried_enough(what: str) -> None:
    happened = [other for other in ALL if other != what]
    assert totals(*happened, "queries").verdict() == [f"in the whole run no {what}"]


def test_a_run_of_errors_does_not_pass() -> None:
    assert totals("WorkerErrors", "StorageErrors in changes").verdict()


def test_a_problem_is_told() -> None:
    made = totals(*ALL)
    made.wrong("queries out of time", "seed 3")
    assert made.verdict() == ["seed 3"]
