"""Line charts on logarithmic axes, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["Chart", "Curve", "chart_png"]


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes
    ----------
    name : str
        For the legend.
    x, y : sequences of float
        Positive.
    dashed : bool
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Curves over one another.

    Attributes
    ----------
    title, x_name, y_name : str
    curves : sequence of Curve
        A dashed one has the colour of the one before it.
    """

    title: str
    x_name: str
    y_name: str
    curves: Sequence[Curve]


def chart_png(charts: Sequence[Chart], width: float = 5.0, height: float = 4.2) -> bytes:
    """Draw charts side by side.

    Parameters
    ----------
    charts : sequence of Chart
    width, height : float
        Of each, inches.

    Returns
    -------
    bytes
        A PNG.
    """
    figure = Figure(figsize=(width * len(charts), height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, chart in zip(figure.subplots(1, len(charts), squeeze=False)[0], charts, strict=True):
        colour = None
        for curve in chart.curves:
            line = axes.plot(
                curve.x,
                curve.y,
                label=curve.name,
                linestyle="--" if curve.dashed else "-",
                color=colour if curve.dashed else None,
                marker=".",
            )[0]
            colour = line.get_color()
        axes.set(xscale="log", yscale="log", title=chart.title)
        axes.set(xlabel=chart.x_name, ylabel=chart.y_name)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=7)
    held = io.BytesIO()
    figure.savefig(held, format="png", metadata={"Software": None})
    return held.getvalue()
