"""How many images have which IoU, as bars that can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from nicegui import ui
from numpy.typing import NDArray

from masksearch_ray.model.text import count
from masksearch_ray.web.named import named

__all__ = ["BINS", "Bars", "bin_range", "bins_of"]

BINS = 20
"""Bars, of the same width each, from 0 to 1."""

_EDGES = np.linspace(0.0, 1.0, BINS + 1)


def bins_of(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Bar of the histogram that each IoU belongs to; -1 where there is none.

    Parameters
    ----------
    values : ndarray of float64, shape (N,)
        From 0 to 1, or NaN.

    Returns
    -------
    ndarray of intp, shape (N,)
    """
    at = np.clip(np.searchsorted(_EDGES, values, "right") - 1, 0, BINS - 1)
    return np.where(np.isnan(values), -1, at)


def bin_range(at: int) -> str:
    """Name a bar by the values in it."""
    return f"IoU {at / BINS:g} to {(at + 1) / BINS:g}"


class Bars:
    """The bars; buttons, so that keys choose them too.

    Parameters
    ----------
    on_choose : callable
        Told the number of the bar, from 0.
    """

    def __init__(self, on_choose: Callable[[int], Any]) -> None:
        with ui.element("div").classes("ms-histogram").mark("histogram") as group:
            named(group, "Images by IoU").props("role=group")
            made = [self._bar(at, on_choose) for at in range(BINS)]
        self._bars, self._fills = zip(*made, strict=True)
        with ui.element("div").classes("ms-axis ms-soft text-xs").props('aria-hidden="true"'):
            for told in ("0", "IoU", "1"):
                ui.label(told)
        self.show([], ())

    def _bar(self, at: int, on_choose: Callable[[int], Any]) -> tuple[ui.element, ui.element]:
        with ui.element("button").props("type=button").classes("ms-bar") as bar:
            fill = ui.element("i")
        bar.on("click", lambda: on_choose(at))
        return bar, fill

    def show(
        self, counts: Sequence[int], marked: Collection[int], chosen: int | None = None
    ) -> None:
        """Show how many images are in each bar.

        Parameters
        ----------
        counts : sequence of int
            Of all bars, or none where they are not known.
        marked : collection of int
            Bars of which images are shown.
        chosen : int, optional
            The one that was chosen.
        """
        most = max(counts, default=0)
        # Elements that stay: what is focused would lose the focus were it drawn anew.
        for at, (bar, fill) in enumerate(zip(self._bars, self._fills, strict=True)):
            n = counts[at] if counts else 0
            told = f"{bin_range(at)}: {count(n, 'image')}"
            bar.props["title"] = told
            bar.props["aria-pressed"] = str(at == chosen).lower()
            bar.props["disabled"] = not n
            named(bar, told).classes(**{"add" if at in marked else "remove": "ms-in"})
            fill.style(replace=f"height: {100 * n / max(1, most):.1f}%")
            bar.update()
