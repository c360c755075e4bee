"""What a person would ask of two models' saliency maps, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from masksearch_ray.demo.data import CORNERS, SIDE, corner_box

__all__ = ["CORNER_SIDE", "Question", "agreement", "by_class", "by_corner", "outside"]

CORNER_SIDE = 12
"""Side of the square that counts as a corner of the image, pixels."""

_STRONG = "(0.5, 1.0)"
_OUTSIDE = f"CP(mask, outside(digit_box), {_STRONG})"
_ALL = f"CP(mask, full_image, {_STRONG})"


@dataclass(frozen=True)
class Question:
    """A question in words and in SQL.

    Attributes
    ----------
    title : str
        A few words.
    asked : str
        The question.
    sql : str
        The same for the engine.
    params : mapping of str to int
        Values of the SQL's parameters.
    """

    title: str
    asked: str
    sql: str
    params: Mapping[str, Any] = field(default_factory=dict)


def outside(model_id: int) -> Question:
    """Ask for the masks with the largest share of strong attention outside the digit."""
    sql = f"""
SELECT mask_id, image_id, label, prediction,
       {_OUTSIDE} AS pixels_outside,
       {_OUTSIDE} / {_ALL} AS share_outside
FROM masks
WHERE model_id = :model
ORDER BY share_outside DESC
LIMIT 10"""
    return Question(
        f"Model {model_id} outside the digit",
        f"Where does model {model_id} look outside the digit?",
        sql.strip(),
        {"model": model_id},
    )


def by_class() -> Question:
    """Ask for the mean of that share by class, for both models."""
    shares = ",\n".join(
        f"       AVG(CASE WHEN model_id = {n} THEN {_OUTSIDE} / {_ALL} END) AS model_{n}"
        for n in (1, 2)
    )
    sql = f"""
SELECT label, COUNT(DISTINCT image_id) AS images,
{shares}
FROM masks
GROUP BY label
ORDER BY model_2 DESC"""
    return Question(
        "By class",
        "Of which class? Share of strong attention outside the digit, mean of all its images.",
        sql.strip(),
    )


def by_corner(label: int) -> Question:
    """Ask for the mean of strong pixels in each corner, for the images of a class."""
    counts = ",\n".join(
        f"       AVG(CP(mask, box{corner_box(c, CORNER_SIDE)}, {_STRONG})) AS {c.replace(' ', '_')}"
        for c in CORNERS
    )
    sql = f"""
SELECT model_id, COUNT(*) AS images,
       AVG({_ALL}) AS anywhere,
{counts}
FROM masks
WHERE label = :label
GROUP BY model_id"""
    return Question(
        "By corner",
        f"In which corner, on images of a {label}? Strong pixels in the {CORNER_SIDE} x "
        f"{CORNER_SIDE} of each corner, mean; a mask has {SIDE * SIDE:,} pixels.",
        sql.strip(),
        {"label": label},
    )


def agreement() -> Question:
    """Ask for the images on which the two models look at the least alike."""
    both, either = (
        f"CP({kind}(mask >= 0.5), full_image, {_STRONG})" for kind in ("intersect", "union")
    )
    sql = f"""
SELECT image_id, label,
       {both} AS both_models,
       {either} AS either_model,
       {both} / {either} AS iou
FROM masks
GROUP BY image_id, label
ORDER BY iou
LIMIT 10"""
    return Question(
        "Agreement",
        "On which images do the two models look at different things? "
        "Intersection over union (IoU) of their strong attention, lowest 10.",
        sql.strip(),
    )
