"""Every request of an operation fails once, twice and for good, in every way.

First the requests of an operation are counted without faults; then each in turn is struck. Once or
twice is survived, by the exact answer; for good it is one error that names the object.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from masksearch_ray.errors import StorageError
from masksearch_ray.runtime.ray import RayRuntime
from tests.collection.helpers import content
from tests.faults.proxy import KINDS, FaultProxy, Kind, Place, Request, Strike, befall, places
from tests.faults.tally import Tally
from tests.faults.world import CHANGES, QUERIES, World

DEADLINE = 90.0  # seconds: a storage call gives up after 60, whatever befalls it
LASTING: tuple[Kind, ...] = ("flip", "short", "expired")  # which waiting does not cure
ENDLESS: tuple[Kind, ...] = ("503", "reset before", "cut", "silence before")  # tried for a while
Fresh = Callable[[], str]


def applies(kind: Kind, request: Request) -> bool:
    """Whether a fault can befall a request: some need an answer, or a request, with a body.

    A listing that arrives changed or shortened is not among them: only its framing protects it.
    """
    if kind in ("cut", "drip"):
        return request.method == "GET"
    if kind in ("short", "flip"):
        return request.method == "GET" and not request.listing
    return True


def cases(
    met: dict[Place, Request], kinds: tuple[Kind, ...], most: int | None
) -> list[tuple[Place, Kind]]:
    """Each request with every fault; or at most so many, spread evenly over both."""
    pairs = [(p, kind) for p, kind in itertools.product(met, kinds) if applies(kind, met[p])]
    step = 1 if most is None else -(-len(pairs) // most)
    while step > 1 and step % len(kinds) == 0:
        step += 1
    return pairs[::step]


def strike(place: Place, kind: Kind, times: int | None) -> Strike:
    return Strike(kind, place[1], times, what=place[0])


def attempt(run: Callable[[], object]) -> StorageError | None:
    """By what something failed, if it did; in time."""
    began, failure = time.monotonic(), None
    try:
        run()
    except StorageError as error:
        failure = error
    assert time.monotonic() - began < DEADLINE
    return failure


# -- questions ---------------------------------------------------------------------------------


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", QUERIES)
def test_a_query_survives_what_passes(
    name: str,
    world: World,
    proxy: FaultProxy,
    actors: RayRuntime,
    fresh: Fresh,
    every: bool,
    tally: Tally,
) -> None:
    def run(collection: str) -> None:
        world.ask(collection, QUERIES[name], actors)

    met = places(proxy, lambda: run(fresh()))
    for number, (place, kind) in enumerate(cases(met, KINDS, None if every else 14)):
        for times in (1, 2) if every else (1 + number % 2,):
            befall(proxy, strike(place, kind, times), fresh, run)
            tally.add(f"query: {name}", kind, "exact")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kinds", [LASTING, ENDLESS], ids=["at once", "after a while"])
def test_a_query_that_cannot_read_says_what(
    kinds: tuple[Kind, ...],
    world: World,
    proxy: FaultProxy,
    actors: RayRuntime,
    fresh: Fresh,
    every: bool,
    tally: Tally,
) -> None:
    def run(collection: str) -> StorageError | None:
        return attempt(lambda: world.ask(collection, QUERIES["filter"], actors))

    most = 8 if kinds == LASTING else 3
    met = places(proxy, lambda: run(fresh()))
    for place, kind in cases(met, kinds, None if every else most):
        error = befall(proxy, strike(place, kind, None), fresh, run)
        assert error is not None, (place, kind)
        struck = {request.key.rstrip("/") for request, _ in proxy.struck}
        named = error.object.removeprefix(f"s3://{world.bucket}/")
        assert any(named.startswith(key) for key in struck), (named, struck)
        assert "\n" not in str(error)
        tally.add("query: filter", f"{kind}, for good", "error")
    proxy.begin()
    assert run("masks") is None  # and all is well again


# -- changes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcomes(world: World, proxy: FaultProxy, sources: Path) -> dict[str, object]:
    """What the collection holds after each change."""
    found = {"": content(world.storage("masks"))}
    for name, change in CHANGES.items():
        change.run(world, world.copy("masks", f"after-{name}"), sources)
        found[name] = content(world.storage(f"after-{name}"))
    return dict(found)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_survives_what_passes(
    name: str,
    world: World,
    proxy: FaultProxy,
    outcomes: dict[str, object],
    fresh: Fresh,
    sources: Path,
    every: bool,
    tally: Tally,
) -> None:
    def run(copy: str) -> str:
        CHANGES[name].run(world, copy, sources)
        return copy

    met = places(proxy, lambda: run(fresh()))
    for number, (place, kind) in enumerate(cases(met, KINDS, None if every else 14)):
        for times in (1, 2) if every else (1 + number % 2,):
            copy = befall(proxy, strike(place, kind, times), fresh, run)
            assert content(world.storage(copy)) == outcomes[name], (place, kind, times)
            tally.add(name, kind, "exact")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_fails_loses_nothing(
    name: str,
    world: World,
    proxy: FaultProxy,
    outcomes: dict[str, object],
    fresh: Fresh,
    sources: Path,
    every: bool,
    tally: Tally,
) -> None:
    def run(copy: str) -> tuple[str, StorageError | None]:
        return copy, attempt(lambda: CHANGES[name].run(world, copy, sources))

    kinds = (*LASTING, *ENDLESS) if every else LASTING
    chosen = cases(places(proxy, lambda: run(fresh())), kinds, None if every else 5)
    if not every and name == "append":
        chosen.append((("PUT manifest", 1), "503"))
    for place, kind in chosen:
        copy, error = befall(proxy, strike(place, kind, None), fresh, run)
        found = content(world.storage(copy))
        if error is None:  # where no more than tidying up failed
            assert found == outcomes[name], (place, kind)
        else:
            assert error.object.startswith(world.url(copy)), place
            assert found in (outcomes[name], outcomes[""]), (place, kind)
        proxy.begin()
        if found == outcomes[""]:
            CHANGES[name].run(world, copy, sources)
            assert content(world.storage(copy)) == outcomes[name], (place, kind)
        tally.add(name, f"{kind}, for good", "exact" if error is None else "error")
