"""What is asked of how alike two masks of an image are. Pure; no page here."""

from __future__ import annotations

from dataclasses import dataclass

from masksearch_ray.model.roi import Roi
from masksearch_ray.web.build import Built, Pair, Pixels
from masksearch_ray.web.rows import literal, quoted

__all__ = ["SHOWN", "Asked", "alone_sql"]

SHOWN = 12
"""Images that are shown at once."""


@dataclass(frozen=True)
class Asked:
    """What the page asks.

    Parameters
    ----------
    pair : Pair
    threshold : float
        From which on a pixel is looked at.
    region : Roi
    outside : bool
    lowest : bool
        Whether the least alike come first.
    k : int
    """

    pair: Pair
    threshold: float
    region: Roi
    outside: bool = False
    lowest: bool = True
    k: int = SHOWN

    def built(self, domain: tuple[float, float]) -> Built:
        """The same as the builder holds it."""
        pixels = Pixels(self.region, self.outside, self.threshold, domain[1])
        return Built(
            kind="top",
            score="iou",
            pixels=pixels,
            below=Pixels(low=domain[0], high=domain[1]),
            pair=self.pair,
            descending=not self.lowest,
            k=self.k,
        )


def alone_sql(pair: Pair) -> str:
    """SQL that finds an image with but one of two masks."""
    column, values = quoted(pair.column), ", ".join(map(literal, (pair.first, pair.second)))
    return (
        f"SELECT image_id FROM masks WHERE {column} IN ({values})\n"
        f"GROUP BY image_id HAVING COUNT(DISTINCT {column}) < 2 LIMIT 1"
    )
