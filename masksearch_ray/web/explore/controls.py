"""The query builder: controls for score, region, values, threshold, metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from nicegui import ui

from masksearch_ray.web.build import Built, Facts, Pair, offers, pair_columns, region_columns
from masksearch_ray.web.build.state import COMPARISONS
from masksearch_ray.web.explore.conditions import Conditions
from masksearch_ray.web.explore.region import RegionChoice
from masksearch_ray.web.explore.values import ValueSlider
from masksearch_ray.web.site import Site, ValueHistogram

__all__ = ["Controls"]

_KINDS = {"top": "First k", "filter": "All that pass"}
_SCORES = {
    "count": "pixels in the range",
    "share": "share of the region's area",
    "ratio": "ratio of two counts",
    "iou": "IoU of two masks of an image",
}
Which = Literal["pixels", "below"]


class Controls:
    """The builder's controls; what they hold is `built`.

    Parameters
    ----------
    site : Site
    built : Built
    on_change : callable
        Told what the controls hold, when a person changed it.
    on_draw : callable
        Called with the choice of a region that is to be drawn.
    """

    def __init__(
        self,
        site: Site,
        built: Built,
        on_change: Callable[[Built], Any],
        on_draw: Callable[[RegionChoice], Any],
    ) -> None:
        self.site = site
        self.built = built
        self._on_change = on_change
        self._on_draw = on_draw
        self._quiet = False
        self._pairs: dict[str, tuple[Any, ...]] = {}
        with ui.element("section").classes("ms-card w-full flex flex-col gap-2") as self._card:
            self._card.props('aria-label="Query builder"')
            self._kind = ui.toggle(_KINDS, value=built.kind)
            self._kind.props('no-caps spread aria-label="What is asked"').classes("w-full")
            self._kind.on_value_change(lambda event: self._take(kind=event.value))
            self._score = ui.select(_SCORES, value=built.score, label="Score")
            self._score.props('dense outlined aria-label="Score"').classes("w-full").mark("score")
            self._score.on_value_change(lambda event: self._scored(event.value))
            self._build_pair()
            self._region, self._values = self._pixels("Region", "Values", "pixels")
            with ui.column().classes("w-full gap-2") as self._below:
                ui.label("divided by the pixels in").classes("ms-soft text-sm")
                self._region_below, self._values_below = self._pixels(
                    "Second region", "Second values", "below"
                )
            self._build_choice()
            ui.separator()
            self._conditions = Conditions(lambda where: self._take(where=where))
        self.set(built)

    def fill(self, facts: Mapping[str, Facts], histogram: ValueHistogram) -> None:
        """Take what is known of the collection by now."""
        catalog = self.site.catalog
        self._pairs = dict(pair_columns(catalog, facts))
        if not self._pairs:
            self._score.set_options({k: v for k, v in _SCORES.items() if k != "iou"})
        self._conditions.offer(offers(catalog, facts))
        for slider in (self._values, self._values_below):
            slider.fill(histogram)
        self._show_pair()

    def set(self, built: Built) -> None:
        """Show a state without telling that it changed."""
        self._quiet = True
        self.built = built
        self._kind.set_value(built.kind)
        self._score.set_value(built.score)
        self._region.set(built.pixels.region, built.pixels.outside)
        self._values.set(built.pixels.low, built.pixels.high)
        self._region_below.set(built.below.region, built.below.outside)
        self._values_below.set(built.below.low, built.below.high)
        self._comparison.set_value(built.comparison)
        self._threshold.set_value(built.threshold)
        self._descending.set_value(built.descending)
        self._k.set_value(built.k)
        self._conditions.set(built.where)
        self._show_pair()
        self._show_parts()
        self._quiet = False

    def live(self, text: str) -> None:
        """Show how many rows the bounds decide."""
        self._live.set_text(text)

    def fits(self, fit: bool) -> None:
        """Show whether the SQL is what the builder holds."""
        self._card.classes(remove="opacity-50") if fit else self._card.classes("opacity-50")

    # -- parts --------------------------------------------------------------------------------

    def _pixels(self, region: str, values: str, which: Which) -> tuple[RegionChoice, ValueSlider]:
        choice = RegionChoice(
            region,
            region_columns(self.site.catalog),
            self._on_draw,
            lambda roi, outside: self._take_pixels(which, region=roi, outside=outside),
        )
        ui.label(values).classes("text-sm ms-soft")
        domain = self.site.collection.domain
        return choice, ValueSlider(
            values, domain, lambda low, high: self._take_pixels(which, low=low, high=high)
        )

    def _build_pair(self) -> None:
        with ui.column().classes("w-full gap-2") as self._pair:
            self._column = ui.select([], label="Masks told apart by").classes("w-full")
            with ui.row().classes("w-full gap-1 no-wrap"):
                self._first = ui.select([], label="First mask").classes("grow basis-0 min-w-0")
                self._second = ui.select([], label="Second mask").classes("grow basis-0 min-w-0")
            for control in (self._column, self._first, self._second):
                control.props("dense outlined")
                control.on_value_change(lambda event, c=control: self._paired(c))

    def _build_choice(self) -> None:
        with ui.row().classes("w-full items-center gap-1 no-wrap") as self._filter:
            ui.label("score").classes("text-sm ms-soft")
            self._comparison = ui.select(list(COMPARISONS), value=">")
            self._comparison.props('dense outlined aria-label="Comparison"')
            self._comparison.on_value_change(lambda event: self._take(comparison=event.value))
            self._threshold = ui.number(value=0)
            self._threshold.props('dense outlined debounce=120 aria-label="Threshold"')
            self._threshold.classes("grow").mark("threshold")
            self._threshold.on_value_change(
                lambda event: self._take(threshold=_number(event.value))
            )
        with ui.row().classes("w-full items-center gap-1 no-wrap") as self._top:
            self._descending = ui.select({True: "highest", False: "lowest"}, value=True)
            self._descending.props('dense outlined aria-label="Highest or lowest"').classes("grow")
            self._descending.on_value_change(lambda event: self._take(descending=event.value))
            self._k = ui.number(value=25, min=1, precision=0, label="k")
            self._k.props('dense outlined debounce=120 aria-label="How many"').classes("w-24")
            self._k.on_value_change(lambda event: self._take(k=_number(event.value)))
        self._live = ui.label().classes("text-xs ms-soft ms-number").mark("live")
        self._live.props('aria-live="polite"')

    def _show_parts(self) -> None:
        built = self.built
        self._below.set_visibility(built.score == "ratio")
        self._pair.set_visibility(built.score == "iou")
        self._filter.set_visibility(built.kind == "filter")
        self._top.set_visibility(built.kind == "top")

    def _show_pair(self) -> None:
        pair = self.built.pair
        quiet, self._quiet = self._quiet, True
        columns = list(dict.fromkeys([*self._pairs, *([pair.column] if pair else [])]))
        self._column.set_options(columns, value=pair.column if pair else None)
        known = self._pairs.get(pair.column, ()) if pair else ()
        for control, value in (
            (self._first, pair and pair.first),
            (self._second, pair and pair.second),
        ):
            some = list(dict.fromkeys([*known, *([] if value is None else [value])]))
            control.set_options(some, value=value)
        self._quiet = quiet

    # -- what people do -----------------------------------------------------------------------

    def _take(self, **changes: Any) -> None:
        if self._quiet:
            return
        self.built = replace(self.built, **changes)
        self._show_parts()
        self._on_change(self.built)

    def _take_pixels(self, which: Which, **changes: Any) -> None:
        if not self._quiet:
            self._take(**{which: replace(getattr(self.built, which), **changes)})

    def _scored(self, score: Any) -> None:
        if self._quiet:
            return
        pair = self.built.pair
        if score == "iou" and pair is None:
            column, values = next(iter(self._pairs.items()))
            pair = Pair(column, values[0], values[1])
        self._take(score=score, pair=pair)
        self._show_pair()

    def _paired(self, control: Any) -> None:
        if self._quiet:
            return
        column = self._column.value
        first, second = self._first.value, self._second.value
        if control is self._column:
            first, second = self._pairs[column][:2]
        self._take(pair=Pair(column, first, second))
        self._show_pair()


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
