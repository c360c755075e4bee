"""Heights and widths of masks, without a pixel being read."""

from __future__ import annotations

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.errors import InputError


@pytest.mark.smoke
def test_shapes_in_the_order_asked_for() -> None:
    sizes = [(8, 12), (20, 5), (8, 12), (16, 16), (20, 5)]
    with ms.create("memory://shapes") as collection:
        for start in (0, 3):
            some = sizes[start : start + 3]
            collection.append([np.zeros(size, np.uint8) for size in some], {"n": [0] * len(some)})
        assert collection.shapes(range(5)) == sizes
        assert collection.shapes([4, 0, 4]) == [sizes[4], sizes[0], sizes[4]]
        assert collection.shapes([]) == []
        with pytest.raises(InputError, match="77"):
            collection.shapes([77])
