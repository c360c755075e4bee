"""The histogram of IoU: bars count what choosing them shows."""

from __future__ import annotations

import numpy as np
import pytest

from masksearch_ray.web.scenarios.histogram import bins_of


@pytest.mark.smoke
def test_bars_hold_what_their_edges_say() -> None:
    edges = np.linspace(0.0, 1.0, 21)
    shares = [a / b for b in range(1, 80) for a in range(b + 1)]
    values = np.array([*shares, *edges, *np.nextafter(edges[1:], 0.0), np.nan])
    at = bins_of(values)
    assert at[-1] == -1 and (at[:-1] >= 0).all()
    assert (np.bincount(at[:-1], minlength=20) == np.histogram(values[:-1], edges)[0]).all()
    for value, bar in zip(values[:-1], at[:-1], strict=True):
        assert edges[bar] <= value
        assert value < edges[bar + 1] or (bar == 19 and value == 1.0)
