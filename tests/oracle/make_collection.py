"""Small collections with everything in them that is easily got wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from tests.oracle.ast import PixelBox
from tests.oracle.collection import Collection, Domain
from tests.oracle.draw import Draw

DTYPES = ["uint8", "float32", "uint16", "float16", "bool"]
DOMAINS: list[Domain] = [(0.0, 1.0), (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)]
BINS = 20
CELL = 8
# U+FFFF sorts before the fox by code point, and after it by UTF-16.
WORDS = ["cat", "dog", "Dog", "", "é", "o'clock", "a%b", "a_b", "a\\b", "10", "-7", "🦊", "\uffff"]
ODD_NAMES = ["Mixed Case", "order", "mask", "roi", "full_image", "naïve"]
Size = tuple[int, int]


def bin_edge(domain: Domain, i: int) -> float:
    """``lo + (hi - lo) * i / 20``, rounded once."""
    lo, hi = Fraction(domain[0]), Fraction(domain[1])
    return float(lo + (hi - lo) * i / BINS)


def make_collection(draw: Draw) -> Collection:
    """Draw a collection of 1 to 12 masks, with an id, an image, a model, and more columns."""
    domain = draw.choice(DOMAINS)
    nan = "keep" if draw.chance(30) else "reject"
    number = draw.integer(1, 12)
    images = [draw.integer(0, max(0, number // 2 - 1)) for _ in range(number)]
    sizes = make_sizes(draw, images)
    masks = make_masks(draw, sizes, domain, nan)
    columns, values = make_columns(draw, images, sizes)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]
    return Collection(masks, rows, columns, domain, nan)


# ------------------------------------------------------------------ masks


def make_sizes(draw: Draw, images: list[int]) -> list[Size]:
    """Draw a size for every mask: one for all, one for each image, or any."""
    how = draw.choice(["same", "by image", "by image", "any"])
    keys = {"same": [0] * len(images), "by image": images, "any": list(range(len(images)))}[how]
    by_key = {key: make_size(draw) for key in sorted(set(keys))}
    return [by_key[key] for key in keys]


def make_size(draw: Draw) -> Size:
    """Draw a height and a width, often beside a multiple of the cell."""

    def side(longest: int) -> int:
        if draw.chance(50):
            return draw.integer(1, longest)
        return min(longest, max(1, CELL * draw.integer(1, 5) + draw.integer(-1, 1)))

    longest = draw.choice([12, 30, 70])
    return side(min(longest, 50)), side(longest)


def make_masks(draw: Draw, sizes: list[Size], domain: Domain, nan: str) -> list[np.ndarray]:
    """Draw the masks, all of one dtype or of any."""
    one = draw.choice([*DTYPES, None])
    return [
        make_mask(draw, size, np.dtype(one or draw.choice(DTYPES)), domain, nan) for size in sizes
    ]


def make_mask(draw: Draw, size: Size, dtype: np.dtype[Any], domain: Domain, nan: str) -> np.ndarray:
    """Draw a mask: constant, flat over each cell, smooth, or noise of few values."""
    random = draw.array_generator()
    palette = make_palette(draw, random, dtype, domain)
    pattern = draw.choice(["constant", "cells", "smooth", "noise", "noise"])
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    if pattern == "constant":
        mask = np.full(size, palette[0], dtype)
    elif pattern == "cells":
        flat = random.choice(palette, (height // CELL + 1, width // CELL + 1))
        mask = flat[y // CELL, x // CELL]
    elif pattern == "smooth":
        centre_y, centre_x = random.uniform(0, height), random.uniform(0, width)
        distance = np.hypot(y - centre_y, x - centre_x)
        order = np.sort(palette)
        mask = order[np.minimum(len(order) - 1, (distance * len(order) / 40).astype(int))]
    else:
        mask = random.choice(palette, size)
    if nan == "keep" and dtype.kind == "f" and draw.chance(50):
        mask[random.random(size) < draw.choice([0.01, 0.3, 1.0])] = math.nan
    return np.ascontiguousarray(mask, dtype)


def make_palette(
    draw: Draw, random: np.random.Generator, dtype: np.dtype[Any], domain: Domain
) -> np.ndarray:
    """Draw stored values: ends of the domain, bin edges and their neighbours, any others."""
    if dtype.kind == "b":
        return np.array([False, True]) if draw.chance(70) else np.array([draw.chance(50)])
    edges = np.array([bin_edge(domain, i) for i in random.integers(0, BINS + 1, 4)])
    if dtype.kind == "u":
        k_max = int(np.iinfo(dtype).max)
        on_edges = np.rint((edges - domain[0]) / (domain[1] - domain[0]) * k_max)
        stored = np.concatenate([on_edges, on_edges + 1, random.integers(0, k_max + 1, 6)])
        some: np.ndarray = np.clip([*stored, 0, k_max][draw.integer(0, 13) :], 0, k_max)
        return some.astype(dtype)
    on_edges = edges.astype(dtype)
    above = np.nextafter(on_edges, dtype.type(math.inf))
    below = np.nextafter(on_edges, dtype.type(-math.inf))
    anywhere = random.uniform(*domain, 6).astype(dtype)
    ends = np.array(domain, dtype)
    stored = np.concatenate([on_edges, above, below, anywhere, ends])[draw.integer(0, 19) :]
    inside: np.ndarray = np.clip(stored, dtype.type(domain[0]), dtype.type(domain[1]))
    return inside


# ------------------------------------------------------------------ metadata


def make_columns(
    draw: Draw, images: list[int], sizes: list[Size]
) -> tuple[dict[str, str], list[list[Any]]]:
    """Draw the metadata: kinds by name, and the values of each column in the same order."""
    text_ids = draw.chance(40)
    columns: dict[str, tuple[str, list[Any]]] = {
        "mask_id": ("int", make_ids(draw, len(images))),
        "image_id": ("str", [f"img-{i}" for i in images]) if text_ids else ("int", images),
        "model_id": ("int", [draw.integer(1, 3) for _ in images]),
        "mask_type": ("int", [draw.integer(1, 2) for _ in images]),
    }
    for name, (kind, make) in OPTIONAL.items():
        if draw.chance(60):
            columns[name] = kind, make(draw, images, sizes)
    if draw.chance(20):
        columns[draw.choice(ODD_NAMES)] = "int", integers(draw, images, sizes)
    kinds = {name: kind for name, (kind, _) in columns.items()}
    return kinds, [values for _, values in columns.values()]


def make_ids(draw: Draw, number: int) -> list[int]:
    """Draw distinct ids, in order or not."""
    if draw.chance(50):
        return list(range(number))
    ids = draw.array_generator().choice(10_000, number, replace=False)
    return [int(i) for i in ids]


Maker = Callable[[Draw, list[int], list[Size]], list[Any]]


def nullable(make: Callable[[Draw], Any]) -> Maker:
    """Make a column of values drawn one by one, some of them NULL."""

    def column(draw: Draw, images: list[int], sizes: list[Size]) -> list[Any]:
        return [None if draw.chance(15) else make(draw) for _ in images]

    return column


def make_float(draw: Draw) -> float:
    """Draw an ordinary float, or NaN."""
    if draw.chance(15):
        return math.nan
    return draw.choice([0.0, 1.0, 0.5, 0.1, 0.2, 0.30000000000000004, -2.5, 1 / 3, -0.0, 7.0])


def make_weight(draw: Draw) -> float:
    """Draw a float from the ends of the scale, where sums lose digits or overflow."""
    return draw.choice([1.0, 0.1, 1e16, -1e16, 1e-300, 1e308, -1e308, 3.0, 1e-9])


def make_big(draw: Draw) -> int:
    """Draw an integer that float64 cannot hold, or nearly cannot."""
    return draw.choice([2**53, 2**53 + 1, -(2**53) - 1, 2**55 + 3, 0, -1])


integers = nullable(lambda draw: draw.integer(-5, 40))


def make_box(draw: Draw, size: Size) -> PixelBox:
    """Draw a box inside the mask, across its border, beyond it, empty, or within one cell."""
    height, width = size
    how = draw.choice(["inside", "across", "cells", "one cell", "full", "empty", "beyond", "huge"])
    if how == "full":
        return 0, 0, width, height
    if how == "huge":
        return -(2**31), -(2**31), 2**31 - 1, 2**31 - 1
    if how == "beyond":
        return width + 3, height, width + 9, height + 5
    (x0, x1), (y0, y1) = make_side(draw, width, how), make_side(draw, height, how)
    if how == "empty":
        x1 = x0
    return x0, y0, x1, y1


def make_side(draw: Draw, length: int, how: str) -> tuple[int, int]:
    """Draw where a box begins and ends along one side of a mask."""
    if how == "cells":
        begin = draw.integer(0, (length - 1) // CELL)
        return CELL * begin, CELL * (begin + draw.integer(1, 3))
    if how == "one cell":
        begin = CELL * draw.integer(0, (length - 1) // CELL)
        low = draw.integer(0, CELL - 1)
        return begin + low, begin + draw.integer(low, CELL - 1) + 1
    beyond = 6 if how == "across" else 0
    ends = [draw.integer(-beyond, length + beyond) for _ in range(2)]
    return min(ends), max(ends)


def boxes_by_row(draw: Draw, images: list[int], sizes: list[Size]) -> list[Any]:
    return [None if draw.chance(15) else make_box(draw, size) for size in sizes]


def boxes_by_image(draw: Draw, images: list[int], sizes: list[Size]) -> list[Any]:
    by_image = {
        image: None if draw.chance(15) else make_box(draw, size)
        for image, size in sorted(zip(images, sizes, strict=True))
    }
    return [by_image[image] for image in images]


def lists_of_boxes(draw: Draw, images: list[int], sizes: list[Size]) -> list[Any]:
    def boxes(size: Size) -> tuple[PixelBox, ...]:
        return tuple(make_box(draw, size) for _ in range(draw.integer(0, 3)))

    return [None if draw.chance(15) else boxes(size) for size in sizes]


OPTIONAL: dict[str, tuple[str, Maker]] = {
    "label": ("str", nullable(lambda draw: draw.choice(WORDS))),
    "prediction": ("str", nullable(lambda draw: draw.choice(WORDS[:4]))),
    "score": ("float", nullable(make_float)),
    "weight": ("float", nullable(make_weight)),
    "flag": ("bool", nullable(lambda draw: draw.chance(50))),
    "hits": ("int", integers),
    "big": ("int", nullable(make_big)),
    "object_box": ("box", boxes_by_row),
    "shared_box": ("box", boxes_by_image),
    "parts": ("boxes", lists_of_boxes),
}
