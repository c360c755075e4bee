"""A page with nothing but the SQL editor, served for its browser test: python -m … FOLDER PORT."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.staticfiles import StaticFiles

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.sql import parse
from masksearch_ray.web.explore.editor import SqlEditor
from masksearch_ray.web.frame import STATIC
from masksearch_ray.web.suggest import completions
from tests.sql.catalog import catalog

START = "SELECT mask_id\nFROM masks\nWHERE label = 'cat'"


@ui.page("/")
def page() -> None:
    """The editor, and what it told."""
    here = catalog()
    ui.add_head_html('<link rel="stylesheet" href="/static/masksearch.css">')
    dark = ui.dark_mode(None)

    def changed(text: str) -> None:
        told.set_text(text)
        try:
            parse(text, here)
        except MaskSearchError as error:
            editor.show(error)
        else:
            editor.show(None)

    editor = SqlEditor(START, completions(here), lambda: ran.set_text(editor.text), changed)
    ui.button("Dark", on_click=dark.enable)
    ui.button("Reset", on_click=lambda: setattr(editor, "text", START))
    told = ui.label().props("id=told").style("white-space: pre")
    ran = ui.label().props("id=ran").style("white-space: pre")


if __name__ == "__main__":
    app = FastAPI()
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    ui.run_with(app, show_welcome_message=False)
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", ws="websockets-sansio")
