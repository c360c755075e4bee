"""What the tests of the Python API share: a small collection, and counts by NumPy."""

from __future__ import annotations

from typing import Any

import pytest

import masksearch_ray as ms
from tests.session.held import smooth

MASKS = smooth(12, 24, 30)
VALUES = MASKS / 255
ROWS: dict[str, Any] = {
    "mask_id": list(range(100, 112)),
    "label": ["cat", "dog", None] * 4,
    "object_box": [[2, 2, 20, 20], [5, 1, 29, 23], [0, 0, 3, 3]] * 4,
}
CP = "CP(mask, {}, (0.31, 0.77))"


def within(x0: int, y0: int, x1: int, y1: int) -> list[int]:
    inside = VALUES[:, y0:y1, x0:x1]
    found: list[int] = ((inside >= 0.31) & (inside < 0.77)).sum(axis=(1, 2)).tolist()
    return found


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return f"memory://{request.node.name}"


@pytest.fixture
def col(url: str) -> ms.Collection:
    col = ms.create(url)
    col.append(MASKS, ROWS)
    return col


def counts(col: ms.Collection, region: str, **given: Any) -> list[int]:
    found: list[int] = (
        col.sql(f"SELECT {CP.format(region)} AS n FROM masks", **given).table["n"].to_pylist()
    )
    return found
