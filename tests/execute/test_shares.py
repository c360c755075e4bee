"""Quotients of counts of which one cannot exceed the other."""

from __future__ import annotations

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.execute.interval import Interval
from masksearch_ray.execute.shares import at_most_one, is_share
from masksearch_ray.model.query import Area, CountPixels, Expr, MaskSource
from masksearch_ray.model.roi import Box, BoxColumn, FullImage, Outside
from masksearch_ray.model.values import ValueRange
from tests.session.held import smooth

HIGH = ValueRange(0.5, np.inf)
OVER = ValueRange(0.3, np.inf)
OWN = MaskSource()
FULL, BOX = FullImage(), BoxColumn("b")


def count(
    roi: FullImage | Box | BoxColumn | Outside = FULL,
    values: ValueRange = HIGH,
    source: MaskSource = OWN,
) -> CountPixels:
    return CountPixels(source, roi, values)


def of(aggregate: str, threshold: ValueRange | None = OVER) -> MaskSource:
    return MaskSource(aggregate, threshold)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("numerator", "denominator", "share"),
    [
        (count(Outside(BOX)), count(), True),
        (count(BOX), count(), True),
        (count(BOX), count(BOX), True),
        (count(Box(2, 2, 4, 4)), count(Box(1, 2, 9, 4)), True),
        (count(Box(2, 2, 4, 4)), count(Box(3, 2, 9, 4)), False),
        (count(), count(BOX), False),
        (count(BOX), count(Outside(BOX)), False),
        (count(BOX), count(values=ValueRange(0.4, np.inf)), False),
        (count(BOX), Area(FULL), False),
        (count(source=of("intersect")), count(source=of("union")), True),
        (count(source=of("union")), count(source=of("intersect")), False),
        (count(source=of("intersect", HIGH)), count(source=of("union")), False),
        (count(source=of("intersect", None)), count(source=of("union", None)), False),
        (
            count(values=ValueRange(0.0, 0.5), source=of("intersect")),
            count(values=ValueRange(0.0, 0.5), source=of("union")),
            False,
        ),
    ],
)
def test_what_is_a_share(numerator: Expr, denominator: Expr, share: bool) -> None:
    assert is_share(numerator, denominator) == share


def test_bounds_are_cut_at_one() -> None:
    cut = at_most_one(Interval.between("float", np.array([0.2, 0.9]), np.array([7.0, 0.95])))
    assert cut.lower.tolist() == [0.2, 0.9]
    assert cut.upper.tolist() == [1.0, 0.95]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
@pytest.mark.parametrize("low", [0.31, 0.5, 0.77])
def test_shares_are_ranked_exactly_and_cheaply(order: str, low: float) -> None:
    n, height, width = 150, 64, 72
    masks = smooth(n, height, width)
    rng = np.random.default_rng(5)
    corner = rng.integers(0, 40, (n, 2))
    boxes = np.hstack([corner, corner + rng.integers(1, 40, (n, 2))])
    col = ms.create(f"memory://shares-{order}-{low}", rois=["full_image"])
    col.append(masks, {"b": boxes.tolist()})
    query = (
        "SELECT mask_id, CP(mask, outside(b), (:low, 1.0)) / CP(mask, full_image, (:low, 1.0)) AS s"
        f" FROM masks ORDER BY s {order} LIMIT 7"
    )
    found = col.sql(query, low=low)
    hot = masks / 255 >= low
    whole = hot.sum(axis=(1, 2))
    inside = [hot[i, y0:y1, x0:x1].sum() for i, (x0, y0, x1, y1) in enumerate(boxes)]
    shares = {i: (whole[i] - inside[i]) / whole[i] for i in range(n) if whole[i]}
    sign = 1 if order == "ASC" else -1
    ranked = sorted(shares, key=lambda i: (sign * shares[i], i))
    nulls = [i for i in range(n) if not whole[i]]
    assert found.table["mask_id"].to_pylist() == [*ranked, *nulls][:7]
    shown = found.table["s"].to_pylist()
    assert shown == [shares[i] for i in ranked[:7]] + [None] * (7 - len(ranked[:7]))
    # More than half of the shares are 1; without the bound each of them had to be verified.
    assert sum(share == 1 for share in shares.values()) > n / 2
    assert found.stats.rows_verified < n / 4
