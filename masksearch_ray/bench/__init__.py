"""The benchmark: a workload like saliency maps, alternatives, and both timed in one run."""

from __future__ import annotations

from masksearch_ray.bench.run import BenchOptions, BenchReport, QueryTiming, Spread, run_bench
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
