"""Benchmarks: masks like saliency maps, alternatives, and both timed in one run."""

from __future__ import annotations

from masksearch_ray.bench.cluster import BenchOptions, BenchReport, QueryTiming, run_bench
from masksearch_ray.bench.timing import Spread
from masksearch_ray.bench.workload import Workload, make_workload

__all__ = [
    "BenchOptions",
    "BenchReport",
    "QueryTiming",
    "Spread",
    "Workload",
    "make_workload",
    "run_bench",
]
