"""Numbers, sizes and strings as people read them."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["age", "count", "duration", "percent", "plain_url", "printable", "shortened", "size"]


def printable(text: str, *, keep_lines: bool = False) -> str:
    """Escape what a terminal would obey instead of show; join lines unless they are kept."""
    if not keep_lines:
        text = " ".join(text.split("\n"))
    return "".join(
        char if char == "\n" or unicodedata.category(char)[0] != "C" else _escaped(char)
        for char in text
    )


def plain_url(url: str) -> str:
    """Leave out what may be secret: user and password, and what follows ``?`` or ``#``.

    A path, which has no scheme, stays as it is.
    """
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#]*@)?([^?#]*)", url)
    return url if found is None else found[1] + found[2]


def shortened(text: str, most: int) -> str:
    """Join lines and spaces, and cut at so many characters, of which the last is then ``…``."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def count(number: int, noun: str = "") -> str:
    """``1 row``, ``3,594 rows``."""
    return f"{number:,}" if not noun else f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(bytes: int) -> str:
    """Bytes in decimal units: ``88 KB``, ``1.2 GB``."""
    value = float(bytes)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    digits = 0 if unit == "B" or value >= 99.5 else 1
    return f"{value:,.{digits}f} {unit}"


def percent(part: float, whole: float) -> str:
    """Share of `part` in `whole`; shares that are neither none nor all never read 0 or 100."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.05:
        return "< 0.1 %"
    if 99.95 <= share < 100:
        return "> 99.9 %"
    return f"{share:.1f} %"


def duration(seconds: float) -> str:
    """``0.4 ms``, ``1.25 s``, ``2 min 5 s``."""
    if seconds < 0.1:
        return f"{1000 * seconds:.1f} ms"
    if seconds < 100:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def age(seconds: float) -> str:
    """``8 s``, ``12 min``, ``5 h``, ``3 d``: for what lasts, where its seconds do not matter."""
    for unit, length, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < length * most:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:,.0f} d"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
