"""What a person takes away by the clipboard, or by hand where the browser lets no page use that."""

from __future__ import annotations

import json
from collections.abc import Callable

from nicegui import ui

from masksearch_ray.web.snippets import Snippets

__all__ = ["Copy"]

_FORMS = (("as SQL", "sql"), ("as Python", "python"), ("as a command", "command"))
_SELECT = "document.querySelector('.ms-by-hand textarea').select()"
_PATIENCE = 10.0  # seconds for the browser to answer


class Copy:
    """The menu.

    Parameters
    ----------
    made : callable
        Gives what can be copied.
    """

    def __init__(self, made: Callable[[], Snippets]) -> None:
        self._made = made
        with ui.button("Copy", icon="content_copy").props("flat dense no-caps"), ui.menu():
            for name, attribute in _FORMS:
                item = ui.menu_item(name, lambda attribute=attribute: self._form(attribute))
                item.props("role=menuitem")
            link = ui.menu_item("link to this page", lambda: self._copy(""))
            link.props("role=menuitem")
        with ui.dialog() as self._dialog, ui.card().classes("ms-dialog ms-by-hand"):
            ui.label("The browser does not let this page copy. Copy it from here:")
            self._text = ui.textarea().classes("w-full")
            self._text.props('readonly autofocus outlined aria-label="To be copied"')
            ui.button("Close", on_click=self._dialog.close).props("flat no-caps")
        self._dialog.on("show", js_handler=f"() => {_SELECT}")

    async def _form(self, attribute: str) -> None:
        await self._copy(json.dumps(getattr(self._made(), attribute)))

    async def _copy(self, argument: str) -> None:
        try:
            left = await ui.run_javascript(f"return masksearch.copy({argument})", timeout=_PATIENCE)
        except TimeoutError:
            ui.notify("Not copied: the browser did not answer.", type="warning")
            return
        if left:
            self._text.set_value(left)
            self._dialog.open()
        else:
            ui.notify("Copied.")
