"""Tables and numbers of documents that a command fills in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from masksearch_ray.errors import InputError

__all__ = ["filled", "told_bytes", "told_count", "told_seconds", "told_table"]


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Put tables between the marks of a document that name them.

    Raises
    ------
    InputError
        A mark is missing.
    """
    for name, part in parts.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not place.search(text):
            raise InputError(f"the document has no place <!-- {name} --> … <!-- /{name} -->")
        text = place.sub(lambda found, part=part: f"{found[1]}{part}\n{found[2]}", text)  # type: ignore[misc]
    return text


def told_table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Write a table in Markdown.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    words : int
        Columns from the left that hold words; numbers stand to the right.
    """
    rule = ["---"] * words + ["---:"] * (len(header) - words)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *rows])


def told_bytes(size: float) -> str:
    """``3.4 GB``."""
    for unit, power in (("PB", 15), ("TB", 12), ("GB", 9), ("MB", 6), ("KB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:,.3g} {unit}"
    return f"{size:,.0f} B"


def told_count(number: float) -> str:
    """``2.66 M``."""
    for unit, power in (("B", 9), ("M", 6)):
        if number >= 10**power:
            return f"{number / 10**power:,.3g} {unit}"
    return f"{number:,.0f}"


def told_seconds(seconds: float) -> str:
    """``12.5 ms``."""
    if seconds < 1:
        return f"{1000 * seconds:,.3g} ms"
    return f"{seconds:,.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"
