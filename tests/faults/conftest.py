"""The lane of faults: real actors, a real S3 server, and a proxy that strikes between them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from masksearch_ray.runtime.ray import RayRuntime
from tests.faults.proxy import FaultProxy
from tests.faults.tally import Tally
from tests.faults.world import World, make_sources
from tests.s3_server import S3Server, s3_server

__all__ = ["s3_server"]

_tally = Tally()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--every", action="store_true", help="strike every request by every fault")
    group.addoption("--faults-report", metavar="FILE", help="write down what was tried, as JSON")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _tally.tried:
        terminalreporter.section("faults")
        terminalreporter.write_line(_tally.text())
    file = terminalreporter.config.getoption("--faults-report")
    if file:
        Path(file).write_text(json.dumps(_tally.record(), indent=1) + "\n")


@pytest.fixture(scope="session")
def every(request: pytest.FixtureRequest) -> bool:
    """Whether no case is left out."""
    return bool(request.config.getoption("--every"))


@pytest.fixture(scope="session")
def tally() -> Tally:
    """Keeps count of what was tried."""
    return _tally


@pytest.fixture(scope="session")
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    """A proxy before the server."""
    proxy = FaultProxy(s3_server.endpoint)
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def at_peace(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no test inherit a table from the one before."""
    yield
    if "proxy" in request.fixturenames:
        request.getfixturevalue("proxy").begin()


@pytest.fixture(scope="session")
def world(s3_server: S3Server, proxy: FaultProxy) -> World:
    """A bucket with the collection ``masks``, which no test changes."""
    world = World(s3_server, s3_server.make_bucket(), proxy.url)
    world.build("masks")
    return world


_numbers = itertools.count(1)


@pytest.fixture
def fresh(world: World) -> Callable[[], str]:
    """Make a copy of the collection, to be changed, and give its name."""
    return lambda: world.copy("masks", f"copy-{next(_numbers)}")


@pytest.fixture(scope="session")
def actors(s3_server: S3Server, ray_instance: None) -> Iterator[RayRuntime]:
    """Two real actors."""
    runtime = RayRuntime(workers=2)
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of masks to ingest."""
    folder = tmp_path_factory.mktemp("sources")
    make_sources(folder)
    return folder
