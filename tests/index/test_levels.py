"""Levels and brackets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.index.levels import block_levels, bracket
from masksearch_ray.model.values import DTYPES, Domain, ValueRange, bin_edges, k_max, stored_cut
from tests.index.cases import DOMAINS, ranges

UNIT = Domain(0, 1)


@pytest.mark.parametrize(
    ("dtype", "bins", "levels"),
    [
        ("uint8", 20, 19),
        ("uint8", 256, 255),
        ("uint16", 20, 19),
        ("bool", 20, 1),
        ("float32", 1, 0),
    ],
)
def test_number_of_levels(dtype: str, bins: int, levels: int) -> None:
    assert len(block_levels(bin_edges(UNIT, bins), dtype, UNIT)) == levels


def test_bool_masks_have_their_level_whatever_the_domain() -> None:
    for domain in DOMAINS:
        assert block_levels(bin_edges(domain, 20), "bool", domain) == (1.0,)


def test_edges_given_by_hand_may_lie_anywhere() -> None:
    edges = (-3.0, 0.0, 0.5, 0.5, 0.502, 1.0, 7.0)
    assert block_levels(edges, "uint8", UNIT) == (128.0, 129.0)
    assert block_levels(edges, "float32", UNIT) == (0.5, 0.502)


def test_256_bins_make_every_range_of_uint8_exact() -> None:
    levels = block_levels(bin_edges(UNIT, 256), "uint8", UNIT)
    for lv, uv in ((0.1, 0.3), (0.6, 1.0), (1 / 3, 1 / 3), (0.123456, 0.9)):
        assert bracket(ValueRange.of(lv, uv, UNIT), levels, "uint8", UNIT).exact


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(DOMAINS), st.sampled_from((1, 3, 20)))
def test_brackets_enclose_the_range(
    data: st.DataObject, dtype: str, domain: Domain, bins: int
) -> None:
    edges = bin_edges(domain, bins)
    wanted = data.draw(ranges(domain, edges))
    levels = block_levels(edges, dtype, domain)
    found = bracket(wanted, levels, dtype, domain)
    top = k_max(dtype)
    lowest, highest = (domain.lo, domain.hi) if top is None else (0, top)
    cuts = [lowest, *levels, math.inf]
    start, stop = (stored_cut(v, dtype, domain) for v in (wanted.start, wanted.stop))
    start, stop = (math.inf if v > highest else max(v, lowest) for v in (start, stop))
    assert cuts[found.start_outer] <= start <= cuts[found.start_inner]
    assert cuts[found.stop_inner] <= stop <= cuts[found.stop_outer]
    # No nearer level would do.
    assert found.start_inner - found.start_outer == (start not in cuts)
    assert found.stop_outer - found.stop_inner == (stop not in cuts)
    assert found.empty == (start >= stop)
    assert found.none not in found.needed
