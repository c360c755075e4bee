"""How answers are looked at."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """How answers are looked at; all of it is part of the permalink.

    Parameters
    ----------
    colours : str
        Colour map.
    own : bool
        Colours from each mask's own least value to its own greatest.
    opacity : float
        Of the heat map over the image, 0 to 1.
    boxes : bool
        Whether boxes and regions are drawn.
    page, size : int
        Which page, counted from 0, of how many tiles.
    order : str
        ``asked``, or a column's name, with ``-`` before it for descending.
    """

    colours: str = "inferno"
    own: bool = False
    opacity: float = 0.85
    boxes: bool = True
    page: int = 0
    size: int = 60
    order: str = "asked"
