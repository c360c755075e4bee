"""What all pages have: head, navigation, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import ui

from masksearch_ray._version import __version__
from masksearch_ray.model.text import count
from masksearch_ray.web.site import Site

__all__ = ["PAGES", "STATIC", "frame"]

STATIC = Path(__file__).parent / "static"

PAGES = (
    ("/", "Explore", "search"),
    ("/classifier", "Debug a classifier", "bug_report"),
    ("/attacked", "Find attacked images", "gpp_maybe"),
    ("/attention", "Model against human", "compare"),
)
"""Path, name and icon of each page."""

_HEAD = (
    f'<link rel="stylesheet" href="/static/masksearch.css?v={__version__}">'
    f'<script src="/static/masksearch.js?v={__version__}"></script>'
    f'<script src="/static/access.js?v={__version__}"></script>'
)


@contextmanager
def frame(site: Site, path: str) -> Iterator[None]:
    """Build a page inside this block.

    Parameters
    ----------
    site : Site
    path : str
        Of the page, as in `PAGES`.
    """
    ui.add_head_html(_HEAD)
    ui.colors(primary="#0b6aa8")
    title = next(name for where, name, _ in PAGES if where == path)
    ui.page_title(f"{title} · {site.name} · masksearch")
    with ui.header().classes("items-center gap-2 py-1").props('aria-label="Pages"'):
        ui.label("masksearch").classes("text-lg font-semibold mr-2")
        for where, name, icon in PAGES:
            link = ui.button(name, icon=icon, on_click=lambda w=where: ui.navigate.to(w))
            link.props("flat color=white no-caps dense" + (" disable" if where == path else ""))
            link.props["aria-label"] = name
            link.classes("ms-page").tooltip(name)
            link.mark(f"page-{where}")
        ui.space()
        masks = count(len(site.collection), "mask")
        ui.label(f"{site.name}: {masks}, version {site.collection.version}").classes(
            "text-sm ms-about"
        )
        toggle = ui.button(icon="dark_mode").on("click", js_handler="() => masksearch.turn()")
        toggle.props('flat round dense color=white aria-label="Dark or light"')
    with ui.element("div").classes("ms-body p-2"):
        yield
