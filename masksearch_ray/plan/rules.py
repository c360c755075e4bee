"""The planner: an ordered tuple of plain functions, plan in, plan out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from masksearch_ray.model.query import Aggregate, Area, Call, Column, CountPixels, Expr, Query
from masksearch_ray.plan.types import Plan

__all__ = ["RULES", "make_plan"]


def choose_groups(plan: Plan) -> Plan:
    """Bring groups together where masks are combined; else merge their parts."""
    query = plan.query
    if query.group_by is None:
        return plan
    exprs = [o.expr for o in query.outputs] + [k.expr for k in query.order_by]
    exprs += [] if query.having is None else [query.having]
    together = any(_combines_masks(expr) for expr in exprs)
    return replace(plan, groups="together" if together else "merged")


def _combines_masks(expr: Expr) -> bool:
    if isinstance(expr, Call):
        return any(_combines_masks(arg) for arg in expr.args)
    return isinstance(expr, CountPixels | Area) and not isinstance(expr, Aggregate)


def choose_k(plan: Plan) -> Plan:
    """Look for the first LIMIT + OFFSET items, unless duplicates have to be dropped first."""
    query = plan.query
    if query.limit is None or query.distinct:
        return plan
    return replace(plan, k=query.limit + query.offset)


RULES: tuple[Callable[[Plan], Plan], ...] = (choose_groups, choose_k)


def make_plan(query: Query, use_index: bool = True, images_apart: bool = False) -> Plan:
    """Plan a query.

    Parameters
    ----------
    query : Query
    use_index : bool
        False: bounds are not used, every pixel asked for is read.
    images_apart : bool
        Whether no image has masks on two shards.
    """
    plan = Plan(query, groups=None, k=None, use_index=use_index)
    for rule in RULES:
        plan = rule(plan)
    if plan.groups == "together" and images_apart and _by_image(query):
        return replace(plan, groups="apart")
    return plan


def _by_image(query: Query) -> bool:
    """Whether the masks of a group are of one image."""
    keys = query.group_by or ()
    return any(isinstance(key, Column) and key.name == "image_id" for key in keys)
