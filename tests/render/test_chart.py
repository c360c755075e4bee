"""Line charts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from masksearch_ray.render import Chart, Curve, chart_png


@pytest.mark.smoke
def test_a_chart_is_a_picture_of_its_curves() -> None:
    curves = [Curve("one", [1, 10, 100], [1, 2, 3]), Curve("two", [1, 10], [5, 6], dashed=True)]
    chart = Chart("Title", "x", "y", curves)
    one, two = (Image.open(io.BytesIO(chart_png([chart] * n))) for n in (1, 2))
    assert two.width == 2 * one.width
    assert two.height == one.height
    empty = Image.open(io.BytesIO(chart_png([Chart("Title", "x", "y", curves[:1])])))
    assert (np.asarray(one) != np.asarray(empty)).any()
    assert chart_png([chart]) == chart_png([chart])
