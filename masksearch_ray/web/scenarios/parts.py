"""What the guided pages share: steps, panels of an image, controls of a pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape

from nicegui import ui

from masksearch_ray.model.text import count
from masksearch_ray.web.asking import Question
from masksearch_ray.web.runs import Run
from masksearch_ray.web.site import Site

__all__ = ["MOST_COUNTED", "Panel", "ask_all", "panels", "step", "too_many"]

MOST_COUNTED = 5_000_000
"""Rows of an answer of which a figure is made; they are a few numbers each."""

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


def ask_all(site: Site, question: Question, sql: str) -> Run:
    """Start a query of a question whose answer is wanted whole, as figures are made of it."""
    return question.hold(site.runs.start(sql, most=MOST_COUNTED))


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
