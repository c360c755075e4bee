"""The demonstration's picture: what both models look at in the images that were found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from masksearch_ray.demo.data import Box, corner_box
from masksearch_ray.demo.finding import Finding, percent
from masksearch_ray.demo.questions import CORNER_SIDE
from masksearch_ray.render import (
    OUTLINE_COLOURS,
    Outline,
    Panel,
    Sheet,
    contact_sheet,
    read_image,
    write_png,
)
from masksearch_ray.session import Collection

__all__ = ["draw"]

_WHO = ("Model 1\nlearnt from\nclean images", "Model 2\nlearnt from\nmarked images")


def draw(collection: Collection, image_ids: Sequence[int], finding: Finding, path: Path) -> None:
    """Draw the masks of both models over their images and write the picture.

    Parameters
    ----------
    collection : Collection
        The demonstration's.
    image_ids : sequence of int
        Images, from left to right.
    finding : Finding
        What the title tells; its corner is outlined.
    path : Path
        Of the PNG file.
    """
    wanted = ", ".join(map(str, image_ids))
    rows = collection.sql(
        "SELECT mask_id, image_id, model_id, label, prediction, digit_box, image_path "
        f"FROM masks WHERE image_id IN ({wanted})"
    ).table.to_pylist()
    masks = collection.masks([row["mask_id"] for row in rows], scaled=True)
    corner = corner_box(finding.corner, CORNER_SIDE)
    panels = {
        (row["model_id"], row["image_id"]): Panel(
            mask,
            read_image(row["image_path"]),
            f"predicts {row['prediction']}",
            _outlines(row["digit_box"], corner, finding.corner),
        )
        for row, mask in zip(rows, masks, strict=True)
    }
    sheet = Sheet(
        rows=[[panels[model, image] for image in image_ids] for model in (1, 2)],
        title=f"Why a {finding.label}?",
        subtitle=(
            f"Model 1 looks at the digit. Model 2 looks at the {finding.corner} corner, with "
            f"{percent(finding.in_corner[1])} of its strong attention."
        ),
        column_names=[f"image {image}" for image in image_ids],
        row_names=_WHO,
        scale_name="saliency: what the prediction rests on",
    )
    write_png(path, contact_sheet(sheet))


def _outlines(digit: Box, corner: Box, name: str) -> tuple[Outline, ...]:
    return (
        Outline(digit, "digit", OUTLINE_COLOURS[0]),
        Outline(corner, f"{name} corner", OUTLINE_COLOURS[1], dashed=True),
    )
