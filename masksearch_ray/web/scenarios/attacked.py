"""Guided page: attacked images, found by how widely attention is spread."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from html import escape
from typing import Any

import pyarrow as pa
from nicegui import ui

from masksearch_ray.errors import InputError, MaskSearchError
from masksearch_ray.model.text import count, duration, percent
from masksearch_ray.web.asking import Asking, Question
from masksearch_ray.web.explore.values import ValueSlider
from masksearch_ray.web.frame import frame
from masksearch_ray.web.rows import Row, quoted
from masksearch_ray.web.runs import Run
from masksearch_ray.web.scenarios.parts import Panel, ask_all, panels, step, too_many
from masksearch_ray.web.scenarios.retrieval import Retrieval, retrieval
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View

__all__ = ["ATTACKED", "add_attacked"]

ATTACKED = "attacked"
"""Key of the collection beside the one that is served in which attacked images are looked for."""

_SHOWN = 24
_SIZE = 320
_AT = (10, 25, 50, 100)
_BETTER = 1.2  # times the base rate, from which on a ranking tells something
_CONNECT = 60.0
_GRID = "rgba(128, 128, 128, 0.3)"
_LOW, _HIGH = 0.002, 0.1


def add_attacked(site: Site) -> None:
    """Add the page to the application.

    Parameters
    ----------
    site : Site
        Its own masks are ranked, unless a collection of attacked images belongs to it.
    """

    @ui.page("/attacked")
    async def attacked() -> None:
        shown = site.served(ATTACKED) or site
        with frame(shown, "/attacked"):
            page = _Attacked(shown)
        await ui.context.client.connected(timeout=_CONNECT)
        await page.begin()


class _Attacked:
    """The page as one person has it open."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._asking = Asking()
        fields = site.catalog.fields.values()
        self._truths = [field.name for field in fields if field.kind == "bool"]
        ui.label("Find attacked images").classes("text-2xl font-medium")
        ui.label(
            "An attack moves every pixel a little, until the classifier errs. What it "
            "looks at is then often spread thinly over the image. So rank masks by how many "
            "pixels hold a weak, but not the weakest, attention. Harmless noise of the same "
            "strength spreads attention as well: the ranking does not tell one from the other."
        ).classes("ms-soft max-w-3xl")
        with ui.element("div").classes("ms-shell pt-3"):
            with ui.element("aside").classes("flex flex-col gap-3"):
                self._build_asked()
                self._build_judged()
            with ui.element("div").classes("ms-main"):
                text = "The image as it was, as it is now, and what the classifier looks at."
                with step(3, "Look at them", text):
                    self._head = ui.label().classes("font-medium").mark("attacked-head")
                    self._head.props('aria-live="polite"')
                    self._rows = ui.html(sanitize=False).classes("ms-rows w-full").mark("rows")

    def _build_asked(self) -> None:
        site = self.site
        with step(1, "Say what counts as spread", "Values of attention that are counted."):
            low, high = site.collection.domain
            width = high - low
            self._values = ValueSlider(
                "Counted values",
                site.collection.domain,
                self._changed,
            )
            self._values.set(low + _LOW * width, low + _HIGH * width)
            self._most = ui.toggle({True: "most first", False: "fewest first"}, value=True)
            self._most.props('no-caps spread aria-label="Which first"').classes("w-full")
            self._most.on_value_change(self._changed)
            self._truth = ui.select(
                {"": "not known", **{name: name for name in self._truths}},
                value=ATTACKED if ATTACKED in self._truths else "",
                label="Truth",
            )
            self._truth.props("dense outlined")
            self._truth.classes("w-full")
            self._truth.on_value_change(self._changed)

    def _build_judged(self) -> None:
        text = "Precision among the first, beside that of guessing."
        with step(2, "Judge the ranking", text) as self._judged:
            self._verdict = ui.label().classes("text-sm").mark("verdict")
            self._verdict.props('aria-live="polite"')
            self._table = ui.html(sanitize=False).classes("w-full").mark("precision")
            # As SVG its words get the page's colour, light or dark.
            self._chart = ui.echart(_chart(None), renderer="svg")
            self._chart.classes("ms-chart w-full h-56").mark("curve")

    async def begin(self) -> None:
        """Fill in what must be read first, and ask."""
        await self._ask(self._asking.begin())
        # The ranking is there without the bars above the slider.
        with contextlib.suppress(MaskSearchError):
            self._values.fill(await self.site.histogram.wait())

    def _changed(self, *_: Any) -> None:
        self._asking.later(self._ask)

    async def _ask(self, question: Question) -> None:
        low, high = self._values.values
        if low is None or high is None or low > high:
            self._clear("Counted values: the lower exceeds the upper, or one is missing.")
            return
        run = ask_all(self.site, question, self._sql(low, high))
        self._head.set_text("Ranking …")
        await run.wait()
        if not question.stands:
            return
        table = run.table
        if table is None or run.cut:
            # Of a part of the masks, no rank and no figure is right.
            self._clear(too_many(run) if run.cut else str(run.error or run.state))
            return
        self._head.set_text(_told_run(run))
        self._judge(table)
        truth = str(self._truth.value)
        try:
            rows = await self.site.drawn(lambda: self._made(table, truth))
        except MaskSearchError as error:
            rows = escape(str(error))
        if question.stands:
            self._rows.set_content(rows)

    def _clear(self, text: str) -> None:
        """Tell why nothing is shown."""
        self._head.set_text(text)
        self._judge(None)
        self._rows.set_content("")

    def _sql(self, low: float, high: float) -> str:
        """All masks by spread; their whole order is wanted for the curve."""
        truth = self._truth.value
        more = f", {quoted(truth)} AS truth" if truth else ""
        way = "DESC" if self._most.value else "ASC"
        return (
            f"SELECT mask_id, CP(mask, full_image, ({low}, {high})) AS spread{more}\n"
            f"FROM masks\nORDER BY spread {way}"
        )

    def _judge(self, table: pa.Table | None) -> None:
        known = None if table is None or "truth" not in table.column_names else table["truth"]
        try:
            judged = None if known is None else retrieval(known.to_pylist())
        except InputError as error:
            self._verdict.set_text(str(error))
            judged = None
        else:
            self._verdict.set_text("" if table is None else self._told(judged))
        self._table.set_content("" if judged is None else _told_table(judged))
        self._chart.options.update(_chart(judged))
        self._chart.update()

    def _told(self, judged: Retrieval | None) -> str:
        if judged is not None:
            return _verdict(judged, str(self._truth.value))
        if self._truths:
            return (
                "Truth is not known, so the ranking is not judged: choose a column that tells it."
            )
        return "No column tells which images are attacked, so the ranking is not judged."

    def _made(self, table: pa.Table, truth: str) -> str:
        found = table.slice(0, _SHOWN).to_pylist()
        rows = self.site.rows.rows([one["mask_id"] for one in found])
        shapes = self.site.collection.shapes([one["mask_id"] for one in found])
        return "".join(
            self._row(rank, one, row, shape, truth)
            for rank, (one, row, shape) in enumerate(zip(found, rows, shapes, strict=True), 1)
        )

    def _row(self, rank: int, found: Row, row: Row, shape: tuple[int, int], truth: str) -> str:
        site = self.site
        before = site.image_url(row, _SIZE, "clean_path")
        now = site.image_url(row, _SIZE)
        heat = site.heat_url(row["mask_id"], _SIZE, View())
        shown: list[Panel] = []
        if before:
            shown.append(("before", [before]))
        if now:
            shown.append(("as it is" if before else "image", [now]))
        shown.append(("attention", [*([now] if now else []), heat]))
        title = f"{rank}. mask {row['mask_id']}: {count(found['spread'])} pixels"
        if row.get("label") is not None and row.get("prediction") is not None:
            title += f", {row['label']} → {row['prediction']}"
        if found.get("truth") is not None:
            title += f" — {truth}" if found["truth"] else f" — not {truth}"
        return panels(title, shape, shown)


def _told_run(run: Run) -> str:
    assert run.table is not None
    if run.stats is None:
        return count(run.table.num_rows, "mask")
    stats = run.stats
    decided = percent(stats.rows_decided_by_index, stats.rows_selected)
    return (
        f"{count(run.table.num_rows, 'mask')} ranked in {duration(stats.seconds)}, "
        f"{decided} of them by the index alone; the first {_SHOWN}:"
    )


def _verdict(judged: Retrieval, truth: str) -> str:
    times = judged.average_precision / judged.base
    if times >= _BETTER:
        worth = f"{times:.2f} times that of chance"
    else:
        worth = "worse than chance" if times * _BETTER <= 1 else "hardly better than chance"
    return (
        f"Average precision {judged.average_precision:.3f}, {worth} "
        f"({truth} is true for {100 * judged.base:.1f} % of {count(judged.n, 'mask')})."
    )


def _told_table(judged: Retrieval) -> str:
    lines = [
        f"<tr><td>{k}</td><td>{100 * judged.precision_at(k):.1f} %</td>"
        f"<td>{judged.lift_at(k):.2f}</td><td>{100 * judged.recall_at(k):.1f} %</td></tr>"
        for k in _AT
        if k <= judged.n
    ]
    head = "<tr><th>first</th><th>precision</th><th>lift</th><th>recall</th></tr>"
    return f"<table class='ms-table ms-number'>{head}{''.join(lines)}</table>"


def _chart(judged: Retrieval | None) -> dict[str, Any]:
    """Options of the curve of precision against recall."""
    points: Sequence[list[float]] = []
    base: Sequence[list[float]] = []
    if judged is not None:
        each = max(1, judged.n // 400)
        points = [
            [round(float(r), 4), round(float(p), 4)]
            for r, p in zip(judged.recall[::each], judged.precision[::each], strict=True)
        ]
        base = [[0, judged.base], [1, judged.base]]
    axis = {"type": "value", "min": 0, "max": 1, "nameLocation": "middle"}
    axis["splitLine"] = {"lineStyle": {"color": _GRID}}
    return {
        "aria": {"enabled": True},
        "grid": {"left": 44, "right": 12, "top": 28, "bottom": 40},
        "legend": {"top": 0},
        "tooltip": {"trigger": "axis"},
        "xAxis": {**axis, "name": "recall", "nameGap": 24},
        "yAxis": {**axis, "name": "precision", "nameGap": 30},
        "series": [
            {"type": "line", "name": "by spread", "data": points, "showSymbol": False},
            {"type": "line", "name": "by chance", "data": base, "showSymbol": False,
             "lineStyle": {"type": "dashed"}},
        ],
    }  # fmt: skip
