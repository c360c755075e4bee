"""What all tests share: Ray's environment, one Ray instance per worker, Hypothesis profiles."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Read when Ray is imported or started: no usage reports, loopback only, no token file at home.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
os.environ.update(RAY_ENVIRONMENT)
os.environ.pop("RAY_ADDRESS", None)

# Chosen by `--hypothesis-profile` (make test PROFILE=...). No deadline: the first call of a numba
# kernel compiles it.
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("quick", max_examples=20, deadline=None, suppress_health_check=_SLOW)
settings.register_profile(
    "ci", max_examples=100, deadline=None, print_blob=True, suppress_health_check=_SLOW
)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=10_000)
settings.load_profile("quick")


# Lanes of their own, which need more than Python: collected only where the command line names them.
LANES = tuple(Path(__file__).parent / name for name in ("s3", "cluster", "faults", "browser"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over the lanes that nobody asked for."""
    asked = [Path(arg.partition("::")[0]).resolve() for arg in config.args]
    lane = collection_path in LANES and not any(p.is_relative_to(collection_path) for p in asked)
    return True if lane else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Send all tests marked `ray` to one worker, which starts Ray once."""
    for item in items:
        if "ray_instance" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ray)
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep away from the caches of whoever runs the tests; Ray's workers inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def ray_instance() -> Iterator[None]:
    """Start a private Ray instance of 2 CPUs, shut down at the end of the session."""
    import ray

    # Not pytest's own folder: Ray's sockets lie in it, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        ray.init(
            address="local",
            num_cpus=2,
            object_store_memory=200 * 1024**2,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=folder,
        )
        yield
        ray.shutdown()


@pytest.fixture(autouse=True, scope="module")
def forgotten_memory() -> Iterator[None]:
    """Forget the memory:// collections of a module when it ends, or they would add up."""
    from masksearch_ray.storage.memory import _buckets

    before = set(_buckets)
    yield
    for name in set(_buckets) - before:
        del _buckets[name]
