"""The SQL of a query, to be edited: completed while it is typed, with errors at their place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from nicegui import events, ui

from masksearch_ray._version import __version__
from masksearch_ray.errors import MaskSearchError, QueryError
from masksearch_ray.web.suggest import Completion, Mark, Suggestions, complete, mark_of

__all__ = ["SqlEditor"]

_SCRIPT = f"/static/sql-editor.js?v={__version__}"
_NOTE = "Ctrl+Enter runs, Ctrl+Space completes, Esc and then Tab leaves."


class SqlEditor(ui.element):
    """An editor for the SQL of one collection.

    Parameters
    ----------
    text : str
    completions : iterable of Completion
        What is offered while typing, of `suggest.completions`.
    on_run : callable
        Ctrl+Enter was pressed; called, and awaited, without arguments.
    on_change : callable
        Called with the text after each change that a person makes.
    label : str
        For screen readers.
    """

    def __init__(
        self,
        text: str,
        completions: Iterable[Completion],
        on_run: Callable[[], Any],
        on_change: Callable[[str], Any],
        *,
        label: str = "SQL of the query",
    ) -> None:
        super().__init__("div")
        self._offered = tuple(completions)
        self._on_change = on_change
        self._label = label
        self._setting = False
        self._drawn: dict[str, Any] | None = None
        self.classes("ms-sql w-full")
        with self:
            self._editor = ui.codemirror(
                text,
                on_change=self._changed,
                keymap={"Ctrl-Enter": self._runner(on_run), "Cmd-Enter": self._runner(on_run)},
                line_wrapping=True,
                indent="  ",
            )
            self._editor.classes("w-full").mark("sql")
            self._told = ui.label().classes("ms-problem ms-bad w-full").mark("problem")
            self._told.props('role="status" aria-live="polite"').set_visibility(False)
            ui.label(_NOTE).classes("ms-soft text-xs")
        self._editor.on("complete", self._complete)
        self.client.on_connect(self._enliven)
        if self.client.has_socket_connection:
            self._enliven()

    @property
    def text(self) -> str:
        """The SQL as it stands; setting it tells nobody of a change."""
        return self._editor.value or ""

    @text.setter
    def text(self, text: str) -> None:
        self._setting = True
        try:
            self._editor.set_value(text)
        finally:
            self._setting = False

    def show(self, error: MaskSearchError | None) -> None:
        """Tell an error in words, and mark its place where it is one of the SQL.

        Parameters
        ----------
        error : MaskSearchError or None
            None takes back what was shown.
        """
        self._told.set_visibility(error is not None)
        mark = mark_of(error, self.text) if isinstance(error, QueryError) else None
        if mark is not None:
            where = f"Line {mark.line}, column {mark.column}: " if mark.line else ""
            self._told.set_text(where + mark.message + (f"\n{mark.hint}" if mark.hint else ""))
        else:
            self._told.set_text("" if error is None else str(error))
        self._draw(mark)

    def _draw(self, mark: Mark | None) -> None:
        # Not by the editor's own decorations: with them goes the text as the server knows it, which
        # would undo what was typed meanwhile.
        drawn = None
        if mark is not None:
            drawn = {
                "start": mark.start,
                "text": self.text[mark.start : mark.stop],
                "title": mark.message,
            }
        if drawn != self._drawn:
            self._drawn = drawn
            self._call("mark", drawn)

    def _runner(self, on_run: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: on_run()

    def _changed(self, change: events.ValueChangeEventArguments[str]) -> Any:
        return None if self._setting else self._on_change(change.value or "")

    def _enliven(self) -> None:
        self._call("enliven", self._label, self._drawn)

    def _complete(self, event: events.GenericEventArguments) -> None:
        asked = event.args
        try:
            number, cursor = int(asked["number"]), int(asked["cursor"])
            by_hand = bool(asked["asked"])
        except (KeyError, TypeError, ValueError):
            return
        found = complete(self.text, cursor, self._offered, asked=by_hand)
        self._call("answer", number, _told(found))

    def _call(self, function: str, *arguments: Any) -> None:
        told = ", ".join(json.dumps(argument) for argument in (self._editor.id, *arguments))
        self.client.run_javascript(f"import('{_SCRIPT}').then((m) => m.{function}({told}))")


def _told(found: Suggestions) -> dict[str, Any]:
    return {
        "start": found.start,
        "stop": found.stop,
        "items": [asdict(item) for item in found.items],
    }
