from __future__ import annotations

import subprocess
import sys
from typing import Any, cast

import pytest

from masksearch_ray.errors import InputError
from masksearch_ray.runtime.factory import open_runtime
from masksearch_ray.runtime.local import LocalRuntime
from masksearch_ray.runtime.ray import RayRuntime
from masksearch_ray.runtime.types import CollectionSource


@pytest.mark.smoke
def test_by_name() -> None:
    assert isinstance(open_runtime(), LocalRuntime)
    assert isinstance(open_runtime("local"), LocalRuntime)
    runtime = open_runtime("ray", "somewhere:6379")
    assert isinstance(runtime, RayRuntime)
    assert (runtime.name, runtime.address) == ("ray", "somewhere:6379")


def test_a_runtime_that_exists_is_used() -> None:
    runtime = LocalRuntime(threads=1)
    assert open_runtime(runtime) is runtime


def test_an_unknown_name() -> None:
    with pytest.raises(InputError, match="'spark'"):
        open_runtime("spark")


def test_an_address_without_ray() -> None:
    with pytest.raises(InputError, match="address"):
        open_runtime("local", "somewhere:6379")


@pytest.mark.parametrize("name", ["keep_alive", "workers", "memory"])
def test_rays_options_without_ray(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is for the Ray runtime only"):
        open_runtime("local", **cast(Any, {name: 1 << 30}))


def test_workers_and_their_memory() -> None:
    runtime = open_runtime("ray", workers=8, memory=1 << 30)
    assert isinstance(runtime, RayRuntime)
    assert (runtime.workers, runtime.memory) == (8, 1 << 30)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "x"])
def test_no_number_of_workers(workers: Any) -> None:
    with pytest.raises(InputError, match="at least 1"):
        open_runtime("ray", workers=workers)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "x", True, [], 1j])
def test_workers_that_stay_for_no_sensible_time(seconds: Any) -> None:
    with pytest.raises(InputError, match=r"keep_alive = .*: a number of seconds above 0 wanted"):
        open_runtime("ray", keep_alive=seconds)


def test_too_little_memory() -> None:
    with pytest.raises(InputError, match="memory = 1000: at least"):
        RayRuntime(memory=1000)


def test_an_address_of_rays_client_protocol() -> None:
    with pytest.raises(InputError, match="ray://head:10001: Ray's client protocol"):
        RayRuntime("ray://head:10001").pool(CollectionSource("/masks", 1, ()))


def test_ray_cannot_reach_the_memory_of_this_process() -> None:
    with pytest.raises(InputError, match="memory://masks: Ray's workers cannot read"):
        RayRuntime().pool(CollectionSource("memory://masks", 1, ()))


def test_nothing_imports_ray_before_it_is_needed() -> None:
    code = (
        "import sys, masksearch_ray\n"
        "from masksearch_ray.runtime.factory import open_runtime\n"
        "open_runtime('ray')\n"
        "assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
