"""A small collection that queries of the page are really asked of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import masksearch_ray as ms

IMAGES, MODELS = 8, 2
N = IMAGES * MODELS
RNG = np.random.default_rng(7)
MASKS = RNG.integers(0, 256, (N, 20, 24), np.uint8)


def small(folder: Path, name: str = "small") -> ms.Collection:
    """Masks of two models on eight images, with labels, a box and columns of every kind."""
    collection = ms.create(folder / name)
    rows = {
        "image_id": [i // MODELS for i in range(N)],
        "model_id": [1 + i % MODELS for i in range(N)],
        "mask_type": [1 + i % MODELS for i in range(N)],
        "label": ["cat" if i % 3 else "dog" for i in range(N)],
        "prediction": ["cat" if i % 2 else "it's" for i in range(N)],
        "certainty": [i / N for i in range(N)],
        "correct": [i % 3 == 0 for i in range(N)],
        "note": [None if i % 4 else f"note {i}" for i in range(N)],
        "object_box": [[2, 3, 12, 15 + i % 4] for i in range(N)],
    }
    collection.append(MASKS, rows)
    return collection
