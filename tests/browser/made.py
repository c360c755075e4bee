"""A collection of what the demonstration lacks: NULLs, three masks an image, all column kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import masksearch_ray as ms

IMAGES, TYPES, SEGMENTS = 200, (1, 2, 3), 10
HEIGHT, WIDTH = 24, 32
ODD = 'it\'s <b>odd</b> "50 %"'
"""A value that SQL, HTML and patterns might take for their own."""


def make(folder: Path) -> str:
    """Make it, in several segments, and so in as many parts of an answer; its URL."""
    rng = np.random.default_rng(11)
    url = str(folder / "made")
    with ms.create(url) as collection:
        for images in np.array_split(np.arange(IMAGES), SEGMENTS):
            which = [(int(image), kind) for image in images for kind in TYPES]
            collection.append(_masks(rng, len(which)), _rows(rng, which))
    return url


def _masks(rng: np.random.Generator, n: int) -> np.ndarray[Any, Any]:
    """Soft spots, some brighter than others, so that hardly two have the same counts."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    cx, cy = rng.uniform(6, WIDTH - 6, (n, 1, 1)), rng.uniform(6, HEIGHT - 6, (n, 1, 1))
    size, peak = rng.uniform(4, 12, (n, 1, 1)), rng.uniform(0.6, 1.1, (n, 1, 1))
    spots = peak * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2))
    spots = np.clip(spots + rng.normal(0, 0.03, spots.shape), 0, 1)
    return np.asarray(np.round(255 * spots), np.uint8)


def _rows(rng: np.random.Generator, which: list[tuple[int, int]]) -> dict[str, list[Any]]:
    names = [None, "cat", "dog", ODD]
    return {
        "image_id": [image for image, _ in which],
        "mask_type": [kind for _, kind in which],
        "model_id": [1 + (image + kind) % 2 for image, kind in which],
        "label": [names[image % 4] for image, _ in which],
        "prediction": [names[1 + int(one)] for one in rng.integers(0, 3, len(which))],
        "certainty": [round(float(one), 3) for one in rng.uniform(0, 1, len(which))],
        "correct": [bool(one) for one in rng.integers(0, 2, len(which))],
        "note": [f"note {image} of {kind}" for image, kind in which],
        "object_box": [[2, 3, 12 + kind, 15 + image % 4] for image, kind in which],
        "parts": [[[0, 0, 8, 8], [16, 8, 24, 20]][: image % 3] for image, _ in which],
    }
