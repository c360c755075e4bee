"""The benchmark in sections, each for rows of the table of targets."""

from __future__ import annotations

from masksearch_ray.bench.suite.report import Section, SuiteReport, Target, check_docs, write_report
from masksearch_ray.bench.suite.run import SECTIONS, run_suite
from masksearch_ray.bench.suite.setting import SuiteOptions

__all__ = [
    "SECTIONS",
    "Section",
    "SuiteOptions",
    "SuiteReport",
    "Target",
    "check_docs",
    "run_suite",
    "write_report",
]
