"""A two-handled slider over the histogram of all masks' values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from nicegui import ui

from masksearch_ray.web.explore.answer import told
from masksearch_ray.web.site import ValueHistogram
from masksearch_ray.web.sliders import Range

__all__ = ["ValueSlider"]

_STEPS = 200


class ValueSlider:
    """The slider, two numbers beside it, and the bars above it.

    Parameters
    ----------
    name : str
        What the values are of, for those who cannot see it.
    domain : (float, float)
    on_change : callable
        Told the lower and the upper value.
    """

    def __init__(
        self, name: str, domain: tuple[float, float], on_change: Callable[[float, float], Any]
    ) -> None:
        self._domain = domain
        self._histogram: ValueHistogram | None = None
        self._on_change = on_change
        self._quiet = False
        low, high = domain
        step = (high - low) / _STEPS
        self._bars = ui.html(sanitize=False).classes("w-full")
        self._range = Range(min=low, max=high, step=step, value={"min": low, "max": high})
        self._range.props(f'dense aria-label="{name}"').classes("px-1").mark(f"range {name}")
        self._range.on_value_change(self._slid)
        with ui.row().classes("w-full items-center gap-2 no-wrap"):
            self._low = self._number(f"{name}, from", low)
            ui.label("to").classes("ms-soft text-sm")
            self._high = self._number(f"{name}, to", high)

    @property
    def values(self) -> tuple[float | None, float | None]:
        """Lower and upper value; None where a number was deleted."""
        return self._low.value, self._high.value

    def fill(self, histogram: ValueHistogram) -> None:
        """Draw the bars."""
        self._histogram = histogram
        self._draw()

    def set(self, low: float, high: float) -> None:
        """Show values without telling that they changed."""
        self._quiet = True
        self._low.set_value(low)
        self._high.set_value(high)
        self._range.set_value({"min": low, "max": high})
        self._quiet = False
        self._draw()

    def _number(self, label: str, value: float) -> ui.number:
        number = ui.number(value=value, step=(self._domain[1] - self._domain[0]) / 20)
        number.props(f'dense outlined aria-label="{label}" debounce=120').classes("w-24 grow")
        number.on_value_change(self._typed)
        return number

    def _slid(self, event: Any) -> None:
        if self._quiet or event.value is None:
            return
        # Steps of the slider are no round numbers in binary.
        low, high = (round(float(event.value[end]), 6) for end in ("min", "max"))
        if (low, high) != self.values:
            self._quiet = True
            self._low.set_value(low)
            self._high.set_value(high)
            self._quiet = False
            self._draw()
            self._on_change(low, high)

    def _typed(self, event: Any) -> None:
        low, high = self.values
        if self._quiet or low is None or high is None:
            return
        self._quiet = True
        self._range.set_value({"min": low, "max": high})
        self._quiet = False
        self._draw()
        self._on_change(low, high)

    def _draw(self) -> None:
        if self._histogram is None:
            return
        counts = np.array(self._histogram.counts, float)
        edges = self._histogram.edges
        low, high = (self._domain[0] if v is None else v for v in self.values)
        # Roots, as most maps are mostly dark.
        heights = 100 * np.sqrt(counts / max(1.0, counts.max()))
        bars = "".join(
            f'<i class="{"ms-in" if low <= (a + b) / 2 < high else ""}" style="height:{h:.1f}%" '
            f'title="{told(a)} to {told(b)}: {int(n):,} pixels"></i>'
            for h, n, a, b in zip(heights, counts, edges[:-1], edges[1:], strict=True)
        )
        self._bars.set_content(
            '<div class="ms-bars" role="img" aria-label="Pixels of all masks by value">'
            f"{bars}</div>"
        )
