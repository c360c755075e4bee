"""Looking up names: exactly first, then in any case where that is unique."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["lookup", "nearest"]


def lookup(name: str, known: Iterable[str]) -> list[str]:
    """Names that a written name may mean: one exact, or all that differ in case only."""
    names = list(known)
    if name in names:
        return [name]
    folded = name.casefold()
    return [other for other in names if other.casefold() == folded]


def nearest(name: str, known: Iterable[str], label: str) -> str:
    """Hint with the names that look most like one that is unknown, or with the first of all."""
    names = list(known)
    by_fold = {other.casefold(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.casefold()[:80], by_fold, n=3, cutoff=0.5)
    if close:
        return f"nearest {label}: {', '.join(by_fold[fold] for fold in close)}"
    return f"{label}: {', '.join(names[:12])}" if names else ""
