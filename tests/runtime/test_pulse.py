"""A worker that takes its time, or whose reader does, is not one that is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.exceptions import RayActorError

from masksearch_ray.runtime.ray import pulse
from masksearch_ray.runtime.ray.pulse import Pulse


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Answering:
    """An actor that says that it lives."""

    def ping(self, client: str) -> int:
        return os.getpid()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pulse, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def actor(ray_instance: None) -> Iterator[Any]:
    actor: Any = ray.remote(num_cpus=0)(Answering).remote()
    ray.get(actor.ping.remote(""))
    yield actor
    ray.kill(actor)


def end(actor: Any) -> None:
    """Kill an actor, and come back once it is dead: `ray.kill` alone does not wait for that."""
    ray.kill(actor)
    with pytest.raises(RayActorError):
        while True:
            ray.get(actor.ping.remote(""), timeout=60)


def answered(watch: Pulse) -> None:
    ray.wait([watch._asked], timeout=60)


def test_time_in_which_nobody_looked_is_no_silence(actor: Any, clock: Clock) -> None:
    watch = Pulse(actor, "reader")
    for _ in range(2):
        clock.now += 1000
        assert watch.silent() == 0
        answered(watch)
        clock.now += 1000
        assert watch.silent() == 0


def test_a_worker_that_does_not_answer_is_silent(actor: Any, clock: Clock) -> None:
    process = ray.get(actor.ping.remote(""))
    watch = Pulse(actor, "reader")
    os.kill(process, signal.SIGSTOP)
    try:
        clock.now += 6
        assert watch.silent() == 0
        clock.now += 30
        assert watch.silent() == 30
    finally:
        os.kill(process, signal.SIGCONT)
    answered(watch)
    assert watch.silent() == 0


def test_silence_goes_on_while_one_question_after_another_fails(actor: Any, clock: Clock) -> None:
    watch = Pulse(actor, "reader")
    end(actor)
    clock.now += 6
    began = clock.now
    for _ in range(3):
        watch.silent()
        answered(watch)
        clock.now += 1
        assert watch.silent() == clock.now - began
        clock.now += 1


def test_a_question_that_failed_while_nobody_looked_is_asked_again(
    actor: Any, clock: Clock
) -> None:
    watch = Pulse(actor, "reader")
    end(actor)
    clock.now += 6
    watch.silent()
    answered(watch)
    clock.now += 1000
    assert watch.silent() == 0
    clock.now += 2
    assert watch.silent() == 2
