"""Sliders that move at once, whatever the server still has to say of an earlier move."""

from __future__ import annotations

from typing import Any

from nicegui import ui

__all__ = ["Range", "Slider"]


class Slider(ui.slider):
    """A slider of one handle; as `nicegui.ui.slider`."""

    # Else it shows a move only when the server echoes it, which undoes what was moved meanwhile.
    LOOPBACK = False


class Range(ui.range):
    """A slider of two handles; as `nicegui.ui.range`."""

    LOOPBACK = False

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        # NiceGUI itself keeps the value within a list, which only a single number survives.
        keep = f"(value) => {{ mounted_app.elements[{self.id}].props['model-value'] = value }}"
        self.on("update:model-value", js_handler=keep)
