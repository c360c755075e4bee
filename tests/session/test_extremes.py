"""Masks, domains, regions and values from the ends of what is allowed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from tests.oracle import ast as q
from tests.oracle.short import FULL, collection, cp, op, over, select
from tests.session.held import LAYOUTS, Layout, hold

INF = math.inf
FEW = (LAYOUTS[0], Layout(appends=2, shards=2, bins=3, cell=2, rois=()))
EVERYWHERE = q.Box(-(2**62), -(2**62), 2**62, 2**62)
HUGE = (
    EVERYWHERE,
    q.Box(2**31 - 1, 2**31 - 1, 2**31, 2**31 + 5),
    q.Box(-(2**31), -(2**31), 1, 1),
    q.Box(-(2**40), 3, 2**40, 4),
)
ODD = (
    q.Polygon((0, 0, 1e300, 0, 0, 1e300)),
    q.Polygon((-1e308, -1e308, 1e308, -1e308, 1e308, 1e308, -1e308, 1e308)),
    q.Polygon((0, 0, 5, 5, 5, 0, 0, 5)),
    q.Polygon((5e-324, 0, 3, 5e-324, 3, 3)),
)


def noise(dtype: str, *shape: int, domain: tuple[float, float] = (0.0, 1.0)) -> np.ndarray:
    chance = np.random.default_rng([*shape, len(dtype)])
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return np.asarray(chance.random(shape) > 0.5)
    if kind.kind == "u":
        whole: np.ndarray = chance.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
        return whole
    lo, hi = domain
    drawn: np.ndarray = (lo + (hi - lo) * chance.random(shape)).astype(kind)
    inside: np.ndarray = np.clip(drawn, kind.type(lo), kind.type(hi))
    return inside


def asked_of(*rois: q.Roi) -> list[q.Query]:
    """A count, its area, a filter, a top-k and the outside of regions."""
    queries = []
    for roi in rois:
        term = cp(0.3, 0.7, None, roi)
        outside = cp(0.3, 0.7, "[]", q.Outside(roi))
        queries += [
            select("mask_id", (term, "n"), (q.Area(roi), "a"), (outside, "o")),
            select("mask_id", where=op(term, ">", op(q.Area(roi), "/", 3))),
            select("mask_id", order_by=(q.Order(term, True),), limit=2),
        ]
    return queries


# ------------------------------------------------------------------ masks


def test_masks_of_one_pixel() -> None:
    masks = [np.array([[k]], np.uint8) for k in (0, 76, 77, 178, 179, 255)]
    hold(collection(masks), *asked_of(FULL, *HUGE, *ODD), layouts=FEW)


@pytest.mark.parametrize("shape", [(3000, 1), (1, 3000)])
def test_masks_of_one_line(shape: tuple[int, int]) -> None:
    masks = [*noise("uint8", 2, *shape)]
    rois = FULL, q.Box(0, 100, 1, 2900) if shape[1] == 1 else q.Box(100, 0, 2900, 1)
    hold(collection(masks), *asked_of(*rois), layouts=FEW)


@pytest.mark.parametrize("shape", [(1, 70_000), (40_000, 2)])
def test_masks_longer_than_16_bits_count(shape: tuple[int, int]) -> None:
    masks = [*noise("uint16", 2, *shape)]
    rois = FULL, q.Box(32_760, 0, 65_540, 1), q.Box(0, 32_760, 1, 39_999)
    wide = Layout(bins=3, cell=200)
    hold(collection(masks), *asked_of(*rois), layouts=(wide,))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_masks_of_nan(dtype: str) -> None:
    masks = noise(dtype, 6, 13, 17)
    masks[0], masks[1, ::2], masks[2, 3, 3] = math.nan, math.nan, math.nan
    groups = [
        select(
            "g",
            (over(kind, 0.0, 1.0), "n"),
            (over(kind, 0.0, 0.5, "<=", 0.5), "m"),
            group_by=(q.Column("g"),),
        )
        for kind in ("intersect", "union", "avg")
    ]
    held = collection(list(masks), g=("int", [1, 2, 2, 3, 3, 1]))
    hold(held, *asked_of(FULL, q.Box(3, 3, 9, 9)), *groups)


@pytest.mark.parametrize("domain", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_masks_of_all_dtypes_in_one_group(domain: tuple[float, float]) -> None:
    dtypes = ["uint8", "uint16", "float32", "float16", "bool"]
    masks = [noise(dtype, 11, 13, domain=domain) for dtype in dtypes * 2]
    masks[2][:4] = math.nan
    lo, hi = domain
    queries = []
    for kind in ("intersect", "union", "avg"):
        terms = [over(kind, 0.3, 0.7), over(kind, 0.5, 0.5), over(kind, lo, hi)]
        for sign in (">", ">=", "<", "<="):
            terms.append(over(kind, 0.5, 1.0, sign, 0.3))
            terms.append(over(kind, 0.0, 0.5, sign, 0.3, roi=q.Box(2, 2, 9, 12)))
        shown = [(term, f"n{i}") for i, term in enumerate(terms)]
        queries.append(select("g", *shown, group_by=(q.Column("g"),)))
        best = q.Order(over(kind, 0.3, 0.7, roi=q.Box(1, 1, 8, 8)), True)
        queries.append(select("g", group_by=(q.Column("g"),), order_by=(best,), limit=1))
    held = collection(masks, domain=domain, g=("int", [i % 3 for i in range(10)]))
    hold(held, *queries, layouts=FEW)


def test_subnormal_pixels() -> None:
    tiny = np.random.default_rng(0).integers(0, 1024, (3, 7, 9)).astype(np.uint16)
    masks = [*tiny.view(np.float16), np.float32(1e-45) * noise("uint8", 7, 9).astype(np.float32)]
    values = [0.0, 6e-8, 5.960464477539063e-08, 3e-5, 6.103515625e-05, 1.401298464324817e-45]
    hold(collection(masks), *ranges(values), layouts=FEW)


# ------------------------------------------------------------------ domains


def ranges(values: list[float]) -> list[q.Query]:
    """Counts between all pairs of values, with all ends; and groups over the same values."""
    queries = []
    for low in values:
        terms = [
            cp(q.Param("a", low), q.Param("b", high), ends)
            for high in values
            if low <= high
            for ends in (None, "[]", "()", "(]")
        ]
        for number, term in enumerate(terms):
            inside = cp(term.range.lv, term.range.uv, term.range.ends, q.Box(1, 1, 5, 6))
            shown = (term, f"n{number}"), (inside, "i")
            queries.append(select("mask_id", *shown, where=op(inside, ">", 3)))
    for kind in ("intersect", "union", "avg"):
        whole = over(kind, q.Param("a", values[0]), q.Param("b", values[-1]))
        ones = over(kind, 0.5, 1.0, ">", q.Param("t", values[len(values) // 2]))
        queries.append(select((whole, "n"), (ones, "m")))
    return queries


DOMAINS: list[tuple[tuple[float, float], list[str], list[float]]] = [
    ((-1e300, 1e300), ["uint8", "uint16"], [-INF, -1e300, 5e-324, 1e299, 1e300]),
    ((0.0, 5e-324), ["uint8", "uint16"], [-5e-324, 0.0, 5e-324, 1e-323]),
    ((-1.7e308, 1.7e308), ["uint8", "uint16"], [-1.7e308, 0.0, 1e308, INF]),
    ((0.1, 0.1000000001), ["uint8", "uint16"], [0.0, 0.1, 0.10000000005, 0.1000000001]),
    ((3.0, 3.0000000000000004), ["uint8"], [2.9, 3.0, 3.0000000000000004, 4.0]),
    ((-5.0, -2.0), ["uint8", "float16"], [-5.0, -4.0, -2.0, 0.0]),
    ((0.0, 65504.0), ["uint16", "float16", "bool"], [0.0, 0.5, 1.0, 3275.2, 65504.0]),
]


@pytest.mark.parametrize(("domain", "dtypes", "values"), DOMAINS)
def test_domains(domain: tuple[float, float], dtypes: list[str], values: list[float]) -> None:
    masks = [noise(dtype, 7, 9, domain=domain) for dtype in dtypes * 2]
    hold(collection(masks, domain=domain), *ranges(values), layouts=FEW)


@pytest.mark.parametrize("domain", [(0.0, 0.0), (1.0, 0.0), (0.0, INF), (math.nan, 1.0)])
def test_domains_that_are_none(domain: tuple[float, float]) -> None:
    with pytest.raises(ms.MaskSearchError, match="value domain"):
        ms.create("memory://no-domain", domain=domain)


# ------------------------------------------------------------------ regions and layouts


def test_boxes_at_the_ends_of_int32() -> None:
    low, high = -(2**31), 2**31 - 1
    boxes: list[Any] = [
        (low, low, high, high),
        (low, low, low, low),
        (high, high, high, high),
        (low, 2, high, 3),
        (0, 0, high, 1),
        None,
    ]
    lists = [None, [], [boxes[0], boxes[0]], [boxes[1], boxes[3]], [boxes[4], boxes[3]], boxes[:2]]
    masks = [*noise("uint8", 6, 9, 11)]
    held = collection(masks, b=("box", boxes), parts=("boxes", lists))
    hold(held, *asked_of(q.BoxColumn("b"), q.BoxColumn("parts")))


@pytest.mark.parametrize("bins", [1, [0.0, 1.0], [0.0, 0.3, 0.7, 1.0], [0.0, 5e-324, 0.7, 1.0]])
@pytest.mark.parametrize("cell", [1, 2, 7])
def test_bins_by_hand(bins: Any, cell: int) -> None:
    layout = Layout(appends=2, shards=2, bins=bins, cell=cell)
    masks = [*noise("uint8", 3, 9, 11), noise("float32", 9, 11)]
    hold(collection(masks), *asked_of(FULL, q.Box(1, 2, 8, 7)), layouts=(layout,))


def test_bins_that_are_none() -> None:
    wrong: list[Any] = [0, -1, [0.0], [0.0, 0.5, 0.5, 1.0], [0.5, 0.0], [0.1, 1.0], [0.0, math.nan]]
    for bins in wrong:
        with pytest.raises(ms.MaskSearchError):
            ms.create(f"memory://bins-{bins}", bins=bins)
