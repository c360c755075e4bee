"""Usage is counted on the meter of whom it is done for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from masksearch_ray.model.usage import Meter, Usage, metered, note_usage


@pytest.mark.smoke
def test_work_is_counted_where_it_is_metered_and_nowhere_else() -> None:
    outer, inner = Meter(), Meter()
    note_usage(requests=100)
    with metered(outer):
        note_usage(requests=1)
        with metered(inner):
            note_usage(retries=1, bytes_cached=7)
        note_usage(requests=1)
    note_usage(requests=100)
    assert outer.usage == Usage(requests=2)
    assert inner.usage == Usage(retries=1, bytes_cached=7)


def test_threads_count_on_the_meter_of_the_context_that_they_are_given() -> None:
    meter = Meter()
    with metered(meter), ThreadPoolExecutor(8) as threads:
        for _ in range(500):
            threads.submit(copy_context().run, note_usage, 1)
        threads.submit(note_usage, 1)
    assert meter.usage == Usage(requests=500)
