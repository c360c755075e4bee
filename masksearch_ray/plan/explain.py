"""EXPLAIN: a plan, and what came of it, as lines of text."""

from __future__ import annotations

from typing import Any

from masksearch_ray.plan.types import Plan

__all__ = ["explain_plan"]


def explain_plan(plan: Plan, stats: Any = None) -> list[str]:
    """Lines that tell how a query is answered."""
    return [f"groups: {plan.groups}", f"k: {plan.k}"]
