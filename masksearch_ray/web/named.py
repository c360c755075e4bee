"""Names for those who cannot see a control."""

from __future__ import annotations

from typing import Any

__all__ = ["named"]


def named(element: Any, name: str) -> Any:
    """Name an element for screen readers, whatever characters the name has.

    Parameters
    ----------
    element : nicegui.ui.element
    name : str

    Returns
    -------
    nicegui.ui.element
        The same.
    """
    # Not by a string of props, which quotes and backslashes of a column's name would end.
    element.props["aria-label"] = name
    return element
