"""The façade: what users call from Python, the command line, jobs and the page."""

from __future__ import annotations

from masksearch_ray.model.record import QueryRecord
from masksearch_ray.session.collection import Collection
from masksearch_ray.session.opening import create, open
from masksearch_ray.session.result import Result
from masksearch_ray.session.stats import Stats

__all__ = ["Collection", "QueryRecord", "Result", "Stats", "create", "open"]
