"""What a query did: time by stage, what the index decided, what was read, shard by shard."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from nicegui import ui

from masksearch_ray.model.text import count, duration, percent, size
from masksearch_ray.session import Stats
from masksearch_ray.web.runs import Run

__all__ = ["Execution", "agreement"]


def agreement(indexed: Run, scanned: Run) -> str | None:
    """Say whether two runs of a query have the same answer; None where one has none."""
    if indexed.table is None or scanned.table is None or indexed.cut or scanned.cut:
        return None
    if indexed.table.equals(scanned.table):
        return f"The answers agree, {count(scanned.table.num_rows, 'row')}, to the last bit."
    return "The answers differ: please report this."


class Execution:
    """The panel.

    Parameters
    ----------
    on_scan : callable
        Called when the same query is to be run without the index, to compare.
    on_switch : callable
        Called when it was switched whether queries use the index.
    use_index : bool
        What the switch is at first.
    """

    def __init__(
        self,
        on_scan: Callable[[], Any],
        on_switch: Callable[[], Any] = lambda: None,
        use_index: bool = True,
    ) -> None:
        with ui.element("section").classes("ms-card w-full").props('aria-label="Execution"'):
            with ui.row().classes("items-center w-full gap-3"):
                ui.label("Execution").classes("font-medium")
                self._first = ui.badge("first run").props("outline")
                self._first.tooltip("What a first run reads, later ones find in memory.")
                ui.space()
                self._scan = ui.button("Run without index", icon="speed", on_click=on_scan)
                self._scan.props("flat dense no-caps").mark("scan")
            self._without = ui.switch("Without index", value=not use_index)
            self._without.props("dense").mark("without-index")
            self._without.tooltip("Queries read every pixel; the answer is the same.")
            self._without.on_value_change(on_switch)
            self._facts = ui.html(sanitize=False).classes("w-full").mark("facts")
            self._compared = ui.html(sanitize=False).classes("w-full pt-2").mark("compared")
            self._compared.props('aria-live="polite"')
            with ui.expansion("Stages and shards").classes("w-full").props("dense"):
                self._stages = ui.html(sanitize=False).classes("w-full")
                self._shards = ui.table(rows=[], columns=_SHARD_COLUMNS).classes("w-full pt-2")
                self._shards.props("dense flat")
        self.clear()

    @property
    def use_index(self) -> bool:
        """Whether queries are to use the index."""
        return not self._without.value

    def clear(self) -> None:
        """Show that nothing has run."""
        self._forget()
        self._facts.set_content('<span class="ms-soft">Nothing was asked yet.</span>')

    def running(self, run: Run) -> None:
        """Show how far a query is."""
        self._forget()
        found = f", {count(run.rows, 'row')} so far" if run.rows else ""
        self._facts.set_content(
            f'<span class="ms-soft">{run.state}, {run.seconds:.1f} s{found}</span>'
        )

    def show(self, run: Run) -> None:
        """Show what a query did."""
        self._forget()
        self._first.set_visibility(run.first)
        self._scan.set_enabled(run.stats is not None and run.use_index)
        if run.stats is None:
            self._facts.set_content(
                f'<span class="ms-soft">{run.state}, {duration(run.seconds)}</span>'
            )
            return
        self._facts.set_content(_facts(run.stats))
        self._stages.set_content(_stages(run.stats))
        self._shards.rows = _shard_rows(run.stats)

    def _forget(self) -> None:
        """Show nothing of the query before."""
        self._compared.set_content("")
        self._stages.set_content("")
        if self._shards.rows:
            self._shards.rows = []
        self._first.set_visibility(False)
        self._scan.set_enabled(False)

    def comparing(self) -> None:
        """Show that the full scan runs."""
        self._compared.set_content('<span class="ms-soft">Reading every pixel …</span>')
        self._scan.set_enabled(False)

    def compare(self, indexed: Run, scanned: Run) -> None:
        """Show both times, and whether the answers agree."""
        self._scan.set_enabled(True)
        agreed = agreement(indexed, scanned)
        if indexed.stats is None or scanned.stats is None or agreed is None:
            why = str(scanned.error or scanned.state)
            self._compared.set_content(f'<span class="ms-bad">Not compared: {escape(why)}</span>')
            return
        times = scanned.stats.seconds / max(indexed.stats.seconds, 1e-9)
        first = " (first run, nothing in memory)" if indexed.first else ""
        self._compared.set_content(
            f"With the index {duration(indexed.stats.seconds)}{first}, without "
            f"{duration(scanned.stats.seconds)}: <b>{times:,.1f} times</b> as long. "
            f'<span class="{"ms-good" if "agree" in agreed else "ms-bad"}">{agreed}</span>'
        )


_SHARD_COLUMNS = [
    {"name": name, "label": label, "field": name, "align": "right"}
    for name, label in (
        ("shard", "shard"),
        ("rows", "rows"),
        ("verified", "verified"),
        ("tiles", "tiles read"),
        ("bytes", "bytes read"),
        ("time", "time"),
    )
]


def _facts(stats: Stats) -> str:
    decided, selected = stats.rows_decided_by_index, stats.rows_selected
    facts = (
        ("time", duration(stats.seconds)),
        ("masks", f"{count(stats.rows_total)}, {count(selected)} selected by metadata"),
        ("decided by the index", f"{count(decided)} ({percent(decided, selected)})"),
        (
            "verified by pixels",
            f"{count(stats.rows_verified)} ({percent(stats.rows_verified, selected)})",
        ),
        ("tiles read", f"{count(stats.tiles_read)} of {count(stats.tiles_total)}"),
        ("bytes read", size(stats.bytes_read)),
        ("round trips", str(stats.round_trips)),
    )
    rows = "".join(f"<dt>{name}</dt><dd class='ms-number'>{value}</dd>" for name, value in facts)
    return f"<dl class='ms-facts m-0'>{rows}</dl>"


def _stages(stats: Stats) -> str:
    longest = max(stats.stages.values(), default=0.0) or 1.0
    rows = "".join(
        f"<span>{escape(name)}</span>"
        f"<div style='width:{100 * seconds / longest:.1f}%'></div>"
        f"<span class='ms-number'>{duration(seconds)}</span>"
        for name, seconds in stats.stages.items()
    )
    return f"<div class='ms-stage' role='img' aria-label='Time by stage'>{rows}</div>"


def _shard_rows(stats: Stats) -> list[dict[str, str]]:
    return [
        {
            "shard": str(shard),
            "rows": count(held.rows_total),
            "verified": count(held.rows_verified),
            "tiles": count(held.tiles_read),
            "bytes": size(held.bytes_read),
            "time": duration(sum(held.stages.values())),
        }
        for shard, held in sorted(stats.shards.items())
    ]
