"""What the guided pages share: steps, panels of an image, controls of a pair."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape

from nicegui import ui

from masksearch_ray.model.text import count
from masksearch_ray.web.runs import Run
from masksearch_ray.web.site import Site

__all__ = ["MOST_COUNTED", "Asking", "Panel", "panels", "step", "too_many"]

MOST_COUNTED = 5_000_000
"""Rows of an answer of which a figure is made; they are a few numbers each."""

_SETTLED = 0.3  # seconds without a change after which a question is asked

Panel = tuple[str, Sequence[str]]
"""Caption, and pictures that lie over each other, the lowest first."""


@contextmanager
def step(number: int, title: str, text: str) -> Iterator[ui.element]:
    """Build one step of a guided page inside this block."""
    with ui.element("section").classes("ms-card w-full flex flex-col gap-2") as card:
        card.props(f'aria-label="{escape(title)}"')
        with ui.row().classes("items-baseline gap-2"):
            ui.label(f"{number}").classes("text-xl font-semibold text-primary")
            ui.label(title).classes("text-base font-medium")
        ui.label(text).classes("ms-soft text-sm max-w-3xl")
        yield card


def too_many(run: Run) -> str:
    """What is told in the place of a figure of which rows are missing."""
    return f"More than {count(run.rows, 'row')}: too many, so there is no figure of all."


class Asking:
    """What a page asks, where only the newest question counts.

    Made while the page is built: what runs is cancelled when the page closes.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = 0
        self._runs: list[Run] = []
        ui.context.client.on_delete(self.stop)

    def begin(self) -> int:
        """Begin a question; what was asked before is cancelled, and its turn is over."""
        self.stop()
        self._turn += 1
        return self._turn

    def is_now(self, turn: int) -> bool:
        """Whether no other question was begun since."""
        return turn == self._turn

    async def settle(self) -> int | None:
        """Begin a question a moment later; None where another one was begun meanwhile."""
        turn = self.begin()
        await asyncio.sleep(_SETTLED)
        return turn if self.is_now(turn) else None

    def start(self, sql: str) -> Run:
        """Start a query of the question."""
        run = self._site.runs.start(sql, most=MOST_COUNTED)
        self._runs.append(run)
        return run

    def stop(self) -> None:
        """Cancel what runs."""
        for run in self._runs:
            run.cancel()
        self._runs = []


def panels(title: str, shape: tuple[int, int], shown: Sequence[Panel]) -> str:
    """Pictures of one image side by side, as HTML.

    Parameters
    ----------
    title : str
        What is told above them.
    shape : (int, int)
        Height and width in pixels, of which the form of the panels comes.
    shown : sequence of Panel
    """
    height, width = shape
    crisp = " ms-crisp" if max(shape) <= 96 else ""
    figures = "".join(
        f'<figure><div class="ms-pic ms-bare{crisp}" style="aspect-ratio:{width}/{height}">'
        + "".join(_layer(url, at == 0 and len(urls) > 1) for at, url in enumerate(urls))
        + f"</div><figcaption>{escape(caption)}</figcaption></figure>"
        for caption, urls in shown
    )
    return (
        f'<article class="ms-card ms-row" aria-label="{escape(title)}"><div class="ms-number">'
        f'{escape(title)}</div><div class="ms-panels">{figures}</div></article>'
    )


def _layer(url: str, below: bool) -> str:
    name = "ms-image" if below else "ms-layer"
    return f'<img class="{name}" src="{escape(url)}" alt="" loading="lazy" decoding="async">'
