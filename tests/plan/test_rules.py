"""The planner's rules."""

from __future__ import annotations

import pytest

from masksearch_ray.plan.rules import make_plan
from masksearch_ray.plan.types import Plan
from masksearch_ray.sql import parse
from tests.sql.catalog import catalog


def plan(text: str) -> Plan:
    return make_plan(parse(text, catalog()))


@pytest.mark.parametrize(
    ("tail", "k"),
    [
        ("", None),
        ("LIMIT 3", 3),
        ("LIMIT 3 OFFSET 4", 7),
        ("OFFSET 4", None),
        ("LIMIT 0", 0),
        ("ORDER BY mask_id", None),
        ("ORDER BY mask_id LIMIT 5", 5),
    ],
)
def test_items_looked_for(tail: str, k: int | None) -> None:
    assert plan(f"SELECT mask_id FROM masks {tail}").k == k


def test_duplicates_are_dropped_before_a_limit() -> None:
    assert plan("SELECT DISTINCT label FROM masks LIMIT 3").k is None


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("SELECT CP(mask, full_image, (0, 1)) AS n FROM masks", None),
        ("SELECT COUNT(*) AS n FROM masks", "merged"),
        ("SELECT SUM(CP(mask, full_image, (0, 1))) AS n FROM masks GROUP BY image_id", "merged"),
        ("SELECT label, MAX(area(object_box)) AS n FROM masks GROUP BY label", "merged"),
        ("SELECT CP(union(mask), full_image, (0, 1)) AS n FROM masks", "together"),
        ("SELECT area(full_image) AS n FROM masks GROUP BY image_id", "together"),
        (
            "SELECT COUNT(*) AS n FROM masks GROUP BY image_id "
            "HAVING 1 < ABS(CP(avg(mask), full_image, (0, 1)))",
            "together",
        ),
        (
            "SELECT image_id FROM masks GROUP BY image_id "
            "ORDER BY CP(intersect(mask > 0.5), full_image, (0, 1))",
            "together",
        ),
    ],
)
def test_how_groups_are_brought_together(text: str, groups: str | None) -> None:
    assert plan(text).groups == groups
